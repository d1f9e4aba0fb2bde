from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest, Blocked
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.image_to_prompt import chain, lists, tools
from pipelines.image_to_prompt.lists import built_in
from pipelines.image_to_prompt.run import run
from pipelines.image_to_prompt.vectors import PhraseVectors
from safeguards.recipe import Recipe, stamp_png
from tests.pipelines.image_to_prompt.conftest import collect

COLOURS = ("red", "blue", "green", "yellow")


def by_method(result, method):
    return [row for row in result.rows if row.method == method]


@pytest.mark.parametrize("mode", ["best", "fast", "classic"])
def test_a_prompt_for_every_picture(services, paths, ask, mode):
    steps, result = collect(run(ask(paths, mode=mode), services))
    assert [row.picture for row in result.rows] == [0, 1, 2, 3] == list(range(result.answered)) and result.complete == 4
    for row, colour in zip(result.rows, COLOURS, strict=True):
        assert row.method == "interrogator" and row.prompt.startswith(f"a {colour} picture") and not row.error
        with services.pool.use("judge") as judge:
            image = judge.encode_images([Image.open(row.path)])[0]
            assert row.cosine == pytest.approx(float(judge.encode_texts([row.prompt])[0] @ image), abs=1e-5)
        assert row.grown.cosine == pytest.approx(row.cosine, abs=1e-5) and row.seconds > 0
        assert np.allclose(row.vector, sentence_vectors(services, [row.prompt])[0], atol=1e-5)
    numbers = [step.number for step in steps]
    assert numbers == sorted(numbers) and steps[-1].number == steps[-1].total == 400
    assert result.sources[0][0] == "colours" and result.model == "Judge, Namer"


def test_the_growing_prompt_is_streamed(services, paths, ask):
    # The ranker averages the colours that a prompt names, so that its own phrase, said again, brings nothing.
    steps, result = collect(run(ask(paths[:1], mode="best", least=2, most=3), services))
    grown = [step.data for step in steps if step.data.get("method") == "interrogator" and "curve" in step.data]
    assert grown[0]["prompt"] == "a red picture" and grown[0]["terms"] == ()
    assert [len(data["curve"]) for data in grown[:-2]] == list(range(1, len(grown) - 1))
    phrase, kind, gain = grown[1]["terms"][0]
    assert kind == "colours" and gain == pytest.approx(grown[1]["curve"][1] - grown[1]["curve"][0])
    assert grown[1]["prompt"] == f"a red picture, {phrase}" and grown[1]["tokens"] <= grown[1]["limit"] == 77
    drafts = [step.data["prompt"] for step in steps if step.data.get("method") == "caption:namer"]
    assert drafts[:3] == ["a", "a red", "a red picture"] and result.rows[0].grown.start == "a red picture"


def test_the_time_left_is_told_once_the_work_itself_goes_on(services, paths, ask):
    """Captions, which come once for many pictures, and the loading of models say nothing of what a picture takes."""
    steps, _ = collect(run(ask(paths, mode="best", least=3, most=3), services))
    captions = [step for step in steps if step.data.get("method") == "caption:namer"]
    assert captions and all(step.number == 0 and step.data["left"] is None for step in captions)
    grown = [step for step in steps if step.data.get("terms") and step.data["picture"] == 0]
    assert [step.number for step in grown[:3]] == [40, 60, 80] and all(step.data["left"] > 0 for step in grown[:3])
    assert steps[-1].data["left"] == 0


def test_stop_keeps_the_best_so_far(services, paths, ask):
    def second(step):
        return step.data.get("picture") == 1 and "curve" in step.data

    _, result = collect(run(ask(paths, mode="best"), services), second)
    assert result.stopped and [row.picture for row in result.rows] == [0, 1] and result.complete == 1
    assert result.rows[1].prompt == "a blue picture"


def test_a_stop_inside_the_first_step_keeps_the_best_so_far(services, paths, ask, monkeypatch):
    monkeypatch.setattr(chain, "CHUNK", 1)
    seen = []

    def third(step):
        seen.extend([step] if "curve" in step.data else [])
        return len(seen) == 3

    _, result = collect(run(ask(paths[:1], mode="best", start="a thing"), services), third)
    assert [step.data["prompt"] for step in seen] == ["a thing"] * 3 and result.rows[0].prompt == "a thing"
    seen.clear()
    _, result = collect(run(ask(paths[:1], mode="negative"), services), third)
    best = min(seen, key=lambda step: step.data["cosine"])
    assert result.stopped and result.rows[0].prompt == best.data["prompt"] and result.rows[0].negative


def test_without_a_captioner_the_lists_begin(namers, paths, ask):
    services = namers(without=("captioner",))
    _, result = collect(run(ask(paths, mode="fast", captioners=()), services))
    assert [row.grown.start for row in result.rows] == list(COLOURS) and result.model == "Judge"
    _, result = collect(run(ask(paths[:1], mode="fast", captioners=(), start="my own"), services))
    assert result.rows[0].prompt.startswith("my own, red")


def test_analyse_shows_the_best_of_each_list(services, paths, ask):
    _, result = collect(run(ask(paths[:1], mode="analyse"), services))
    assert result.rows[0].prompt == "red" and next(each.phrase for each in result.rows[0].found["colours"]) == "red"
    assert sum(each.share for each in result.rows[0].found["colours"]) == pytest.approx(1)


def test_negative_names_what_is_not_there(services, paths, ask):
    _, result = collect(run(ask(paths[1:2], mode="negative"), services))
    row = result.rows[0]
    assert row.prompt and row.cosine < 0 and "blue" not in row.prompt and "least" in row.note


def test_a_prompt_in_the_file_is_shown_first(services, tmp_path, ask):
    recipe = Recipe("text_to_image", "sd-turbo", settings={"prompt": "a  red\nhouse"})
    path = stamp_png(Image.new("RGB", (40, 30), (219, 51, 46)), recipe, tmp_path / "made.png")
    _, result = collect(run(ask([path], methods=("caption", "interrogator"), mode="fast"), services))
    exact, *others = sorted(result.rows, key=lambda row: not row.exact)
    assert exact.exact and exact.method == "metadata" and "CLIP Atelier" in exact.note
    assert exact.prompt == "a  red\nhouse"  # to the letter
    assert not any(row.exact for row in others) and len(others) == 2
    assert result.rows[0] is exact


def test_the_prompts_of_vqgan_clip_are_exact_too(services, tmp_path, ask):
    recipe = Recipe("vqgan_clip", "vqgan", settings={"prompts": " red:2 | blue:-1 "})
    path = stamp_png(Image.new("RGB", (40, 30), (219, 51, 46)), recipe, tmp_path / "made.png")
    _, result = collect(run(ask([path], mode="fast"), services))
    assert (result.rows[0].method, result.rows[0].prompt) == ("metadata", "red:2 | blue:-1")


def test_a_stop_during_captioning_keeps_the_exact_prompt(services, tmp_path, ask):
    recipe = Recipe("text_to_image", "sd-turbo", settings={"prompt": "moss"})
    path = stamp_png(Image.new("RGB", (40, 30), (219, 51, 46)), recipe, tmp_path / "made.png")
    request = ask([path], methods=("caption", "interrogator"), mode="fast")
    steps, result = collect(run(request, services), lambda step: "captions by" in step.note)
    assert result.stopped and [(row.method, row.prompt) for row in result.rows] == [("metadata", "moss")]
    assert steps[-1].data["rows"][0].exact


@pytest.mark.parametrize("changes", [{"mode": "analyse"}, {"mode": "negative"}, {"mode": "fast", "start": "a thing"}])
def test_nobody_captions_for_nothing(services, paths, ask, changes):
    for captioners in ((), ("namer",)):
        steps, result = collect(run(ask(paths[:2], captioners=captioners, **changes), services))
        assert not any(step.data.get("method", "").startswith("caption:") for step in steps)
        assert result.model == "Judge" and result.answered == 2


def test_captioners_are_methods_of_their_own(services, paths, ask):
    _, result = collect(run(ask(paths, methods=("caption",), captioners=("namer", "contrary")), services))
    assert [row.prompt for row in by_method(result, "caption:namer")] == [f"a {each} picture" for each in COLOURS]
    assert len(by_method(result, "caption:contrary")) == 4 and result.answered == 4
    assert set(result.prompt_sets().predictions) == {"caption:namer", "caption:contrary"}
    assert set(result.vectors("caption:namer")) == {"0", "1", "2", "3"}


def test_nearest_heads_and_ensemble(services, paths, ask, phrases):
    prompts = phrases("prompts.csv", "prompt", "a red car", "a blue sea", "a green frog", "a yellow lemon", "a thing")
    methods = ("interrogator", "nearest", "zero_image", "ensemble")
    request = ask(paths, methods=methods, mode="fast", prompts=prompts, neighbours=2)
    _, result = collect(run(request, services))
    nearest = by_method(result, "nearest")
    assert [row.prompt.split()[1] for row in nearest] == list(COLOURS) and len(nearest[0].others) == 2
    for method in ("zero_image", "ensemble"):
        for row in by_method(result, method):
            assert row.prompt and abs(np.linalg.norm(row.vector) - 1) < 1e-5 and "nearest to it" in row.note
            own = sentence_vectors(services, [row.prompt])[0].numpy() @ row.vector
            assert row.others[0] == (row.prompt, pytest.approx(float(own), abs=1e-5))
            assert all(float(own) >= cosine - 1e-6 for _, cosine in row.others)
    assert [row.method for row in result.rows if row.picture == 0] == list(methods)


def test_weights_of_the_ensemble_count(services, paths, ask):
    request = ask(
        paths[:1], methods=("caption", "interrogator", "ensemble"), mode="fast", weights={"caption:namer": 2.0}
    )
    _, result = collect(run(request, services))
    ensemble, caption = by_method(result, "ensemble")[0], by_method(result, "caption:namer")[0]
    assert np.allclose(ensemble.vector, caption.vector, atol=1e-6) and ensemble.prompt == caption.prompt


def test_what_cannot_be_read_is_told_and_the_others_go_on(services, paths, ask, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    _, result = collect(run(ask([tmp_path / "text.png", *paths[:1], tmp_path / "gone.png"], mode="fast"), services))
    assert [bool(row.prompt) for row in result.rows] == [False, True, False] and result.answered == 1
    assert "gone.png" in result.rows[2].error and result.complete == 3
    with pytest.raises(BadRequest, match=r"gone\.png"):
        collect(run(ask([tmp_path / "gone.png"]), services))


def test_a_captioner_that_fails_is_no_end(services, paths, ask):
    request = ask(paths, methods=("caption", "interrogator"), captioners=("huge", "namer"), mode="fast")
    _, result = collect(run(request, services))
    assert all("needs" in row.error for row in by_method(result, "caption:huge"))
    assert [row.grown.start for row in by_method(result, "interrogator")] == [f"a {each} picture" for each in COLOURS]


def test_phrases_longer_than_the_context_are_told_of(services, paths, ask, phrases):
    long = phrases("long.txt", "red", "word " * 59 + "end")
    with services.pool.use("judge") as judge:
        judge.token_limit = 40
        _, result = collect(run(ask(paths[:1], files=(long,), mode="best"), services))
    assert "longer than the 40 tokens" in result.notes[0] and "end" not in result.rows[0].prompt


def test_the_recipe_names_lists_but_no_folders(services, paths, ask):
    _, result = collect(run(ask(paths, mode="fast"), services))
    assert result.recipe["task"] == "image_to_prompt" and result.recipe["settings"]["files"] == ["colours.txt"]
    assert str(Path(paths[0]).parent) not in json.dumps(result.recipe) and len(result.recipe["parents"]) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"methods": ()}, "choose some"),
        ({"methods": ("magic",)}, "magic"),
        ({"mode": "slow"}, "mode"),
        ({"lists": ("nonsense",)}, "no list"),
        ({"files": ()}, "no list of phrases"),
        ({"methods": ("nearest",)}, "needs an image index"),
        ({"methods": ("regression",)}, "name of a head"),
        ({"methods": ("interrogator", "ensemble")}, "at least two"),
        ({"methods": ("interrogator", "caption", "ensemble"), "weights": {"other": 1.0}}, "other"),
        ({"pool": 0}, "candidates"),
        ({"most": 2.5}, "most"),
        ({"neighbours": 0}, "neighbours"),
        ({"artists": "yes"}, "artists"),
        ({"ranker": "namer"}, "no model for this"),
        ({"captioners": "namer"}, "list of names"),
    ],
)
def test_nonsense_is_refused(services, paths, ask, changes, said):
    with pytest.raises(BadRequest, match=said):
        ask(paths, **changes).resolve(services.catalog)


def test_resolving_twice_changes_nothing_and_forbidden_beginnings_are_blocked(services, paths, ask):
    once = ask(paths).resolve(services.catalog)
    assert once.resolve(services.catalog) == once and once.cost > 0
    with pytest.raises(Blocked):
        replace(once, start="a nude child").resolve(services.catalog)
    with pytest.raises(BadRequest, match="allowed are 1 to"):
        replace(once, paths=()).resolve(services.catalog)


def test_a_negative_prompt_is_no_guess(services, paths, ask, phrases):
    request = ask(
        paths[:1], methods=("interrogator", "caption", "zero_image", "ensemble"), mode="negative", captioners=("namer",)
    )
    _, result = collect(run(request, services))
    (negative,) = by_method(result, "interrogator")
    caption, head, ensemble = (by_method(result, name)[0] for name in ("caption:namer", "zero_image", "ensemble"))
    assert negative.negative and not caption.negative and negative.vector is not None
    mixed = (caption.vector + head.vector) / np.linalg.norm(caption.vector + head.vector)
    assert np.allclose(ensemble.vector, mixed, atol=1e-5)
    unwanted = built_in("negative").phrases
    for row in (head, ensemble):
        texts = {text for text, _ in row.others}
        assert not texts & set(unwanted)
    assert "interrogator" not in result.prompt_sets().predictions and "interrogator" not in result.methods()
    assert result.vectors("interrogator") == {}
    with pytest.raises(BadRequest, match="at least two other methods"):
        collect(run(ask(paths[:1], methods=("interrogator", "caption", "ensemble"), mode="negative"), services))


def test_a_caption_farther_from_the_picture_than_a_subject_does_not_lead_astray(services, paths, ask, phrases):
    subjects = phrases("subjects.txt", "red house", "blue house")
    request = ask(paths[:1], mode="fast", captioners=("contrary",), files=(subjects,))
    (row,) = collect(run(request, services))[1].rows
    assert row.grown.start == "red house"
    (row,) = collect(run(replace(request, start="a blue lake"), services))[1].rows
    assert row.grown.start == "a blue lake"  # what somebody asks for is what it begins with


def test_a_beginning_that_fits_is_chosen(namers, paths, ask, phrases):
    services = namers(without=("captioner",))
    subjects = phrases("subjects.txt", "red red red red red red red red", "red house")
    for mode in ("best", "fast", "classic"):
        request = ask(paths[:1], mode=mode, captioners=(), files=(subjects,), budget=8)
        (row,) = collect(run(request, services))[1].rows
        assert row.grown.start == "red house" and row.grown.tokens <= row.grown.limit == 8
    long = phrases("long.txt", "red red red red red red red red")
    with pytest.raises(BadRequest, match="No phrase of the lists fits into 8 tokens"):
        collect(run(ask(paths[:1], mode="fast", captioners=(), files=(long,), budget=8), services))


@pytest.mark.parametrize("mode", ["best", "fast", "classic"])
def test_a_beginning_too_long_says_which_end_is_not_read(services, paths, ask, mode):
    start = " ".join(["word"] * 20 + ["and", "the", "very", "end"])
    request = ask(paths[:1], mode=mode, start=start, budget=22)
    (row,) = collect(run(request, services))[1].rows
    assert "The beginning has 26 tokens, more than the budget of 22: beyond it is “and the very end”." in row.note
    assert row.prompt == start
    with services.pool.use("judge") as judge:
        judge.token_limit = 12
        (row,) = collect(run(replace(request, budget=None), services))[1].rows
    assert "of which the ranker reads 12: not “word" in row.note and row.note.endswith("Nothing is added to it.")


@pytest.mark.parametrize("mode", ["best", "fast", "classic"])
def test_a_list_of_what_nobody_wants_alone_is_refused(namers, paths, ask, phrases, mode):
    services = namers(without=("captioner",))
    negative = phrases("negative.txt", "blurry", "noise")
    with pytest.raises(BadRequest, match="only list of phrases is “negative”"):
        collect(run(ask(paths[:1], mode=mode, files=(negative,), captioners=()), services))
    assert collect(run(ask(paths[:1], mode="negative", files=(negative,), captioners=()), services))[1].rows[0].prompt


def test_what_has_not_changed_is_not_read_again(services, paths, ask, phrases, monkeypatch):
    prompts = phrases("prompts.csv", "prompt", "a red car", "a blue sea")
    request = ask(paths[:1], methods=("interrogator", "nearest"), mode="fast", prompts=prompts)
    _, before = collect(run(request, services))
    read = []
    monkeypatch.setattr(lists, "_read", read.append)
    monkeypatch.setattr(PhraseVectors, "_take", lambda self, piece, wanted: read.append(piece))
    monkeypatch.setattr(tools, "read_prompts", lambda *_, **__: read.append("prompts"))
    _, after = collect(run(request, services))
    assert read == [] and [row.prompt for row in after.rows] == [row.prompt for row in before.rows]
    assert {path.parent.parent.name for path in services.settings.output.rglob("*.safetensors")} == {
        "phrase_vectors", "prompt_vectors",
    }  # fmt: skip


def test_another_file_of_the_same_name_is_read(services, paths, ask, phrases):
    prompts = phrases("prompts.csv", "prompt", "a red car")
    request = ask(paths[:1], methods=("nearest",), prompts=prompts)
    assert collect(run(request, services))[1].rows[0].prompt == "a red car"
    phrases("prompts.csv", "words,prompt", "a red barn,a blue lake")
    assert collect(run(request, services))[1].rows[0].prompt == "a blue lake"
    assert collect(run(replace(request, column="words"), services))[1].rows[0].prompt == "a red barn"
    with pytest.raises(BadRequest, match='no column "x"'):
        collect(run(replace(request, column="x"), services))

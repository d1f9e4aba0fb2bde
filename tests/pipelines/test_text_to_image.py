"""Text → image end to end with real tiny models: order, recipes, stopping, halving, memory, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image

from common.errors import Blocked
from models.spec import ModelSpec
from pipelines import bracket
from pipelines.steps import Step, Stop
from pipelines.text_to_image import TextToImageRequest, TextToImageResult, run
from safeguards.recipe import Recipe, read

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

ASKED = TextToImageRequest(
    "a red car",
    model="sd-turbo",
    ranker="clip-vit-b-32",
    candidates=3,
    steps=4,
    width=256,
    height=256,
    seed=100,
)


def collect(request, services, stop_at: int | None = None) -> tuple[list[Step], TextToImageResult]:
    events, run_ = [], run(request, services)
    event = next(run_)
    while True:
        events.append(event)
        try:
            event = run_.send(Stop() if isinstance(event, Step) and event.number == stop_at else None)
        except StopIteration:
            break
    assert all(isinstance(step, Step) for step in events[:-1])
    return events[:-1], events[-1]


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_pictures_come_ranked_and_carry_their_recipe(services):
    steps, result = collect(dataclasses.replace(ASKED, threshold=0.0), services)
    assert [(step.number, step.total) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    cosines = [candidate.cosine for candidate in result.candidates]
    assert cosines == sorted(cosines, reverse=True) and len(set(cosines)) == 3
    assert sorted(candidate.seed for candidate in result.candidates) == [100, 101, 102]
    assert (result.best, result.mean) == (cosines[0], pytest.approx(sum(cosines) / 3))
    assert result.spread == pytest.approx(result.best - result.mean)
    assert sum(candidate.share for candidate in result.candidates) == pytest.approx(1)
    assert result.model == "SD Turbo" and not result.stopped and result.seconds > 0
    for candidate in result.candidates:
        assert candidate.seed == 100 + candidate.index
        assert candidate.passes == (candidate.cosine >= 0)
        assert candidate.clip_score == pytest.approx(2.5 * max(0, candidate.cosine))
        recipe = read(candidate.path)
        assert isinstance(recipe, Recipe) and recipe.seed == candidate.seed and recipe.revision == "main"
        assert recipe.scores["cosine"] == pytest.approx(candidate.cosine)
        assert recipe.settings["prompt"] == "a red car" and recipe.settings["scheduler"] == "Euler"
    assert result.recipe["seed"] == 100 and result.recipe["settings"]["steps"] == 4


def test_the_scores_are_those_of_the_ranker(services):
    _, result = collect(ASKED, services)
    with services.pool.use("clip-vit-b-32") as ranker:
        seen = ranker.encode_images([Image.open(candidate.path) for candidate in result.candidates])
        words = ranker.encode_texts(["a red car"])[0]
    assert [candidate.cosine for candidate in result.candidates] == pytest.approx((seen @ words).tolist(), abs=1e-5)


def test_a_recipe_makes_its_picture_again_alone(services):
    _, result = collect(dataclasses.replace(ASKED, scheduler="Euler a"), services)
    third = next(candidate for candidate in result.candidates if candidate.index == 2)
    recipe = read(third.path)
    request = TextToImageRequest(**{**recipe.settings, "candidates": 1}, seed=recipe.seed)
    _, alone = collect(request, services)
    assert np.abs(pixels(alone.candidates[0].path) - pixels(third.path)).max() <= 2


def test_stop_keeps_what_there_is(services):
    steps, result = collect(ASKED, services, stop_at=2)
    assert len(steps) == 2 and result.stopped
    assert len(result.candidates) == 3 and all(candidate.path.is_file() for candidate in result.candidates)
    _, finished = collect(ASKED, services)
    assert np.abs(pixels(result.candidates[0].path) - pixels(finished.candidates[0].path)).max() > 2
    steps, result = collect(ASKED, services, stop_at=4)
    assert not result.stopped  # it was finished anyway


def test_a_closed_run_frees_the_model_and_saves_nothing(services):
    run_ = run(ASKED, services)
    next(run_)
    assert [status.users for status in services.pool.status()] == [1]
    run_.close()
    assert [status.users for status in services.pool.status()] == [0]
    assert not services.settings.output.exists()


def test_fast_ranking_finishes_the_best_and_tells_about_the_rest(services):
    asked = dataclasses.replace(ASKED, candidates=9, steps=8)
    steps, result = collect(asked, services)
    assert [len(step.data["dropped"]) for step in steps] == [0, 4, 4, 5, 5, 5, 5, 5]
    assert steps[1].note == "5 of 9 candidates go on"
    assert len(result.candidates) == 4 and len(result.dropped) == 5
    seeds = {candidate.seed for candidate in (*result.candidates, *result.dropped)}
    assert seeds == set(range(100, 109))
    assert [candidate.dropped_at for candidate in result.dropped] == [4, 2, 2, 2, 2]
    assert all(candidate.path is None and candidate.passes is None for candidate in result.dropped)
    assert "gave up 5 of 9" in result.notes[0] and str(result.dropped[0].seed) in result.notes[0]
    # who goes on scored at least as well, at that step, as everyone given up then
    first = steps[1].data
    out = [first["scores"][index] for index in first["dropped"]]
    inside = [score for index, score in first["scores"].items() if index not in first["dropped"]]
    assert min(inside) >= max(out)
    _, slow = collect(dataclasses.replace(asked, fast_ranking=False), services)
    assert len(slow.candidates) == 9 and slow.dropped == () and slow.notes[:1] != result.notes[:1]
    same = {candidate.seed: candidate.path for candidate in slow.candidates}
    for candidate in result.candidates:
        assert np.abs(pixels(candidate.path) - pixels(same[candidate.seed])).max() <= 2


def test_candidates_given_up_keep_their_last_preview(services):
    steps, _ = collect(dataclasses.replace(ASKED, candidates=8, steps=8), services)
    after, last = steps[1], steps[-1]
    assert len(after.previews) == len(last.previews) == 8
    assert all(last.previews[index] is after.previews[index] for index in after.data["dropped"])
    assert after.previews[0].size == (256, 256)


def test_previews_cost_a_small_share_of_the_time(services, monkeypatch):
    """With a clock that moves a tenth of a second at every look at it, and a decoder that is as slow as a step."""
    ticks = itertools.count()
    monkeypatch.setattr(bracket.time, "monotonic", lambda: next(ticks) / 10)
    decoded = []

    class Slow:
        total, done = 60, 0

        def predicted(self):
            import torch

            decoded.append(self.done)
            for _ in range(4):
                next(ticks)
            return torch.zeros(2, 3, 8, 8)

    sampling = Slow()
    race = bracket.Bracket(sampling, 2)
    for sampling.done in range(1, 61):
        next(ticks)
        race.look()
    assert 2 <= len(decoded) <= 10
    assert 60 not in decoded  # the finished pictures follow at once
    assert len(race.previews()) == 2


def test_a_ranker_that_does_not_fit_beside_the_model_waits_until_the_end(hub_services):
    services = hub_services(max_memory_gb=3.0)
    big = [
        dataclasses.replace(spec, memory_mb=2000) if spec.role == "ranker" else spec for spec in services.catalog.all()
    ]
    services.catalog._specs = {spec.name: spec for spec in big}
    _, result = collect(dataclasses.replace(ASKED, candidates=8), services)
    assert len(result.candidates) == 8 and result.dropped == ()
    assert [status.name for status in services.pool.status()] == ["clip-vit-b-32"]


def test_words_that_are_not_read_are_told(services):
    _, result = collect(dataclasses.replace(ASKED, prompt="red " * 75 + "penguin cat"), services)
    assert result.overflow == "The model did not read the end of the prompt: “penguin cat”."
    assert "The ranker did not read the end of the prompt: “penguin cat”." in result.notes
    _, result = collect(ASKED, services)
    assert result.overflow == ""


class Prude:
    """A safety model that objects to the first pictures it is shown."""

    def __init__(self, count: int) -> None:
        self.count = count

    def unsafe(self, images):
        return [index < self.count for index in range(len(images))]


def with_safety(services, count: int):
    facts = {"pack": "starter", "source": "prude", "revision": None, "licence": "MIT"}
    sizes = {"download_mb": 1, "memory_mb": 1}
    spec = ModelSpec(name="prude", title="Prude", role="safety", load=lambda context: Prude(count), **facts, **sizes)
    services.catalog._specs["prude"] = spec
    (services.settings.weights / "prude").mkdir(parents=True)
    (services.settings.weights / "prude" / "file").touch()
    return services


def test_withheld_pictures_are_said(services):
    _, result = collect(ASKED, with_safety(services, 1))
    assert sorted(candidate.seed for candidate in result.candidates) == [101, 102]
    assert any("withheld 1 picture" in note for note in result.notes)
    assert result.best == result.candidates[0].cosine


def test_nothing_left_to_show_is_blocked(services):
    with pytest.raises(Blocked, match="every picture"):
        collect(ASKED, with_safety(services, 3))


def test_an_unchecked_hub_model_says_so(services):
    _, result = collect(ASKED, services)
    assert any("safety model" in note for note in result.notes)

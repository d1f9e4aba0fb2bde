from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipelines.captioning import run as module
from pipelines.captioning.run import run, small
from pipelines.captioning.table import table
from pipelines.steps import Step
from tests.pipelines.captioning.conftest import ask, collect


def test_every_picture_gets_its_captions_with_scores(services, paths):
    _, result = collect(run(ask(paths, count=2), services))
    assert [row.captions[0].text for row in result.rows] == [
        f"a {name} picture" for name in ("red", "blue", "green", "yellow")
    ]
    assert [len(row.captions) for row in result.rows] == [2] * 4 and result.captioned == result.pictures == 4
    best = result.rows[0].captions[0]
    assert best.caption.log_probability == pytest.approx(math.log(0.5)) and best.caption.confidences == (1, 0.5, 1)
    with services.pool.use("judge") as judge:
        image = judge.encode_images([Image.open(paths[0])])[0]
        cosine = float(image @ judge.encode_texts(["a red picture"])[0])
    assert best.cosine == pytest.approx(cosine, abs=1e-5) and best.clip_score == pytest.approx(2.5 * max(cosine, 0))
    assert result.model == "Namer" and result.ranker == "Judge" and result.seconds > 0 and not result.stopped


def test_captions_stream_word_by_word(services, paths):
    steps, result = collect(run(ask(paths[:2], max_tokens=10), services))
    drafts = [step.data["drafts"] for step in steps]
    assert drafts[0] == ((0, "namer", "a"), (1, "namer", "a"))
    assert drafts[2] == ((0, "namer", "a red picture"), (1, "namer", "a blue picture"))
    assert drafts[-1] == () and [len(step.data["rows"]) for step in steps] == [0, 0, 0, 2]
    numbers = [step.number for step in steps]
    assert numbers == sorted(set(numbers)) and numbers[-1] == steps[-1].total == 2 * 11
    assert steps[0].data["left"] is None and steps[-1].data["left"] == 0
    assert steps[-1].data["rows"] == result.rows and "2 of 2 pictures, Namer" in steps[-1].note


def test_captioners_stand_side_by_side_and_one_caption_is_chosen(services, paths):
    _, result = collect(run(ask(paths, "contrary", "namer", count=2), services))
    assert [(row.picture, row.captioner) for row in result.rows] == [
        (k, name) for k in range(4) for name in ("contrary", "namer")
    ]
    assert sum(each.chosen for row in result.rows for each in row.captions) == 4
    # The ranker sees the colour, so CLIPScore decides between the two.
    assert {number: each.text for number, each in result.chosen().items()} == {
        k: f"a {name} picture" for k, name in enumerate(("red", "blue", "green", "yellow"))
    }
    assert all(-1 <= each.agreement <= 1 for row in result.rows for each in row.captions)


def test_pictures_go_through_in_batches(services, paint, monkeypatch):
    monkeypatch.setattr(module, "batch_size", lambda *_: 3)
    paths = [paint(f"{k}.png") for k in range(7)]
    steps, result = collect(run(ask(paths), services))
    with services.pool.use("namer") as model:
        assert model.batches == [3, 3, 1]
    assert result.captioned == 7
    assert [step.data["captioned"] for step in steps if not step.data["drafts"]] == [3, 6, 7]
    assert steps[-2].data["left"] > 0


def test_odd_pictures_are_captioned_and_it_is_said(services, tmp_path):
    red = (219, 51, 46)
    Image.new("CMYK", (30, 30), (0, 200, 200, 10)).save(tmp_path / "print.jpg")
    Image.new("I;16", (30, 30), 40_000).save(tmp_path / "deep.png")
    Image.new("P", (30, 30), 3).save(tmp_path / "palette.png")
    Image.new("RGBA", (30, 30), (*red, 128)).save(tmp_path / "glass.png")
    frames = [Image.new("RGB", (30, 30), colour) for colour in (red, (0, 0, 255))]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    turned = Image.new("RGB", (30, 20), red)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    names = ("print.jpg", "deep.png", "palette.png", "glass.png", "moving.gif", "turned.jpg")
    _, result = collect(run(ask([tmp_path / name for name in names]), services))
    notes = {row.name: row.note for row in result.rows}
    assert result.captioned == 6 and all(row.captions for row in result.rows)
    assert "CMYK" in notes["print.jpg"] and "16-bit" in notes["deep.png"] and notes["palette.png"] == ""
    assert "first frame" in notes["moving.gif"] and "upright" in notes["turned.jpg"] and "white" in notes["glass.png"]
    assert result.rows[4].captions[0].text == "a red picture"


def test_stop_keeps_what_is_finished(services, paths, monkeypatch):
    monkeypatch.setattr(module, "batch_size", lambda *_: 1)

    def second_picture(step: Step) -> bool:
        return any(picture == 1 for picture, _, _ in step.data["drafts"])

    steps, result = collect(run(ask(paths, "namer", "contrary"), services), second_picture)
    assert result.stopped and result.captioned == 1 and result.pictures == 4
    assert [(row.picture, row.captioner) for row in result.rows] == [(0, "namer")]
    assert result.rows[0].captions[0].chosen and second_picture(steps[-1])
    with services.pool.use("namer") as model:
        assert model.closed == 1  # the captioner was told, too


def test_stop_before_the_first_caption_is_no_error(services, paths):
    _, result = collect(run(ask(paths), services), lambda step: True)
    assert result.stopped and result.rows == () and result.captioned == 0


def test_without_a_sentence_encoder_clip_score_decides(namers, paths):
    _, result = collect(run(ask(paths, "contrary", count=4), namers(without=("sentence",))))
    assert any("sentence encoder is not installed" in note for note in result.notes)
    for row in result.rows:
        best = max(row.captions, key=lambda each: each.clip_score)
        assert best.chosen and best.agreement is None


def test_the_recipe_holds_what_was_asked(services, paths):
    request = replace(ask(paths, "namer", "contrary", method="sample", count=3, seed=7), blend=0.25)
    _, result = collect(run(request, services))
    recipe = result.recipe
    assert recipe["task"] == "caption" and recipe["model"] == "namer, contrary" and recipe["seed"] == 7
    assert recipe["settings"]["decoding"]["method"] == "sample" and recipe["settings"]["blend"] == 0.25
    assert recipe["settings"]["captioners"] == ["namer", "contrary"] and recipe["settings"]["ranker"] == "judge"
    assert len(recipe["parents"]) == 4 and not any(Path(paths[0]).parent.name in str(p) for p in recipe["parents"])


def test_side_by_side_each_does_what_it_can_and_says_what_it_cannot(services, paths):
    _, result = collect(run(ask(paths, "namer", "contrary", detail="more", no_repeat=2), services))
    assert result.captioned == 4 and not any(row.error for row in result.rows)
    assert [note.partition(",")[0] for note in result.notes] == [
        f"{name} namer has no no_repeat and no detail" for name in ("Colour", "Contrary")
    ]


def test_files_of_one_name_are_told_apart_in_the_table(services, paint, tmp_path):
    (tmp_path / "b").mkdir()
    paths = [paint("1.png", "red"), paint("b/1.png", "blue")]
    _, result = collect(run(ask(paths), services))
    assert [(row.file_name, row.caption) for row in table(result.rows)] == [
        ("1.png", "a red picture"),
        ("1 (2).png", "a blue picture"),
    ]
    assert result.notes == ("Several files are named 1.png; in the table another one is 1 (2).png.",)


def test_a_large_picture_is_made_smaller_and_others_are_not():
    large = Image.new("RGB", (4100, 3080), (10, 20, 30))
    assert small(large).size == (1367, 1027) and small(large).getpixel((5, 5)) == (10, 20, 30)
    for size in ((2000, 2000), (9000, 900)):
        assert small(picture := Image.new("RGB", size)) is picture

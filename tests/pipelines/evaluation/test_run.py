from __future__ import annotations

import csv
import json

import pytest

from common.errors import BadRequest
from pipelines.captioning.table import TableRow, write_csv
from pipelines.evaluation import __main__ as command
from pipelines.evaluation import run as module
from pipelines.evaluation.bootstrap import Estimate
from pipelines.evaluation.run import EvaluationRequest, run
from safeguards.admit import admit
from tests.pipelines.captioning.conftest import collect


@pytest.fixture
def files(paint, tmp_path) -> tuple[str, str, str]:
    """Paths of references, of results and of the folder of four pictures, one of which is broken."""
    names = ("red", "blue", "green", "yellow")
    for name in names:
        paint(f"{name}.png", name)
    (tmp_path / "yellow.png").write_text("hello")
    known = {
        "images": [{"id": k, "file_name": f"{name}.png"} for k, name in enumerate(names)],
        "annotations": [{"image_id": k, "caption": f"A {name} picture."} for k, name in enumerate(names)],
    }
    made = [{"image_id": k, "caption": f"a {name} picture"} for k, name in enumerate(names)]
    (tmp_path / "captions.json").write_text(json.dumps(known))
    (tmp_path / "results.json").write_text(json.dumps(made))
    return str(tmp_path / "captions.json"), str(tmp_path / "results.json"), str(tmp_path)


def test_files_and_pictures_are_scored(services, files):
    steps, result = collect(run(EvaluationRequest.from_files(*files), services))
    found = result.estimates
    assert [(step.number, step.total) for step in steps] == [(4, 5), (4, 5)]
    assert steps[-1].note == "scoring the captions"
    assert found["BLEU-3"].value == pytest.approx(1) and found["MiniLM cosine"].value == pytest.approx(1, abs=0.1)
    assert found["CLIPScore"].count == 3 and found["ROUGE-L"].count == 4
    assert found["RefCLIPScore"].value > 0 and result.model == "Judge"
    assert [key for key, _ in result.refused] == [3]
    assert any("1 picture could not be looked at" in note and "yellow.png" in note for note in result.notes)


def test_without_pictures_the_ranker_is_not_asked_for(namers, files):
    _, result = collect(run(EvaluationRequest.from_files(*files[:2]), namers(without=("ranker", "sentence"))))
    assert list(result.estimates)[-1] == "CIDEr-D" and result.model == ""
    assert any("sentence encoder is not installed" in note for note in result.notes)


def test_stop_scores_what_was_looked_at(services, files, monkeypatch):
    monkeypatch.setattr(module, "SLICE", 1)
    steps, result = collect(run(EvaluationRequest.from_files(*files), services), lambda step: step.number == 2)
    assert [step.number for step in steps] == [1, 2, 4] and result.stopped and result.estimates["CLIPScore"].count == 2
    assert result.estimates["BLEU-1"].count == 4


def test_captions_about_other_pictures_are_left_out_and_said(services, files, tmp_path):
    some = [{"image_id": 0, "caption": "a red picture"}, {"image_id": 99, "caption": "x"}]
    (tmp_path / "results.json").write_text(json.dumps(some))
    request = EvaluationRequest.from_files(*files[:2])
    assert list(request.candidates) == [0]
    assert any("1 of 2 captions is about no image" in note for note in request.notes)
    assert any("3 of 4 images have no caption" in note for note in request.notes)
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": "0", "caption": "x"}]))
    with pytest.raises(BadRequest, match=r'no image in common: results\.json is about the image "0"'):
        EvaluationRequest.from_files(*files[:2])


def test_a_table_of_captions_is_evaluated_by_names_of_files(files, tmp_path):
    rows = [
        TableRow("red.png", "first", rank=1),
        TableRow("red.png", "chosen", rank=2, chosen=True),
        TableRow("blue.png", "second", rank=2),
        TableRow("blue.png", "first", rank=1),
        TableRow("other.png", "x"),
    ]
    request = EvaluationRequest.from_files(files[0], write_csv(rows, tmp_path / "t.csv"), files[2])
    assert request.candidates == {0: "chosen", 1: "first"}
    assert [path.name for path in request.pictures.values()] == ["red.png", "blue.png"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"candidates": {}}, "0 captions; allowed are 1"),
        ({"resamples": 0}, "resamples is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"ranker": "namer", "pictures": {1: "a.png"}}, "no model for this"),
    ],
)
def test_nonsense_is_one_sentence(services, wrong, said):
    request = EvaluationRequest(**{"candidates": {1: "a"}, "references": {1: ["a"]}, **wrong})
    with pytest.raises(BadRequest, match=said):
        request.resolve(services.catalog)


def test_the_command_prints_a_table(services, files, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "build_services", lambda settings: services)
    assert (
        command.main([*files[:2], "--pictures", files[2], "--each", str(tmp_path / "each.csv"), "--prefix", "red "])
        == 0
    )
    said = capsys.readouterr().out
    assert said.startswith("metric") and "BLEU-4" in said and "RefCLIPScore" in said
    assert "by Judge, which read “red ” before each text" in said
    with open(tmp_path / "each.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_id"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["BLEU-1"] == "1.000000" and rows[3]["CLIPScore"] == "" and float(rows[0]["CLIPScore"]) > 0


def test_the_command_says_in_one_line_what_is_wrong(services, files, monkeypatch, capsys):
    monkeypatch.setattr(command, "build_services", lambda settings: services)
    assert command.main([files[0], "gone.json"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "gone.json is missing" in said.err


def test_the_printed_table_has_the_interval():
    said = command.table({"CIDEr-D": Estimate(1.23456, 1.1, 1.3, 5000)})
    assert "1.2346" in said and "1.1000 – 1.3000" in said and "5,000" in said
    assert len({len(line) for line in said.splitlines()}) == 1


def test_images_of_one_name_are_told_apart_by_their_folders_or_refused(tmp_path):
    names = ("a/1.png", "b/1.png", "a/2.png")
    known = {
        "images": [{"id": k, "file_name": name} for k, name in enumerate(names)],
        "annotations": [{"image_id": k, "caption": "x"} for k in range(3)],
    }
    (tmp_path / "captions.json").write_text(json.dumps(known))

    def asked(*names: str) -> dict:
        table = write_csv([TableRow(name, f"of {name}") for name in names], tmp_path / "t.csv")
        return EvaluationRequest.from_files(tmp_path / "captions.json", table).candidates

    assert asked("b/1.png", "a/1.png", "2.png") == {1: "of b/1.png", 0: "of a/1.png", 2: "of 2.png"}
    with pytest.raises(BadRequest, match=r'"1.png" could be the image "a/1.png" or "b/1.png"'):
        asked("1.png", "2.png")
    with pytest.raises(BadRequest, match=r'names "2.png" and "c/2.png", which are one image'):
        asked("2.png", "c/2.png")


def test_a_picture_that_does_not_fit_into_memory_has_no_clip_score(services, files, monkeypatch):
    def full(path: object, settings: object) -> object:
        if "red" in str(path):
            raise MemoryError
        return admit(path, settings)

    monkeypatch.setattr(module, "admit", full)
    _, result = collect(run(EvaluationRequest.from_files(*files), services))
    assert result.estimates["CLIPScore"].count == 2
    assert any("red.png needs more memory" in said for _, said in result.refused)

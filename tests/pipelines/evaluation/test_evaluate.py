from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.evaluation.evaluate import BLEU, evaluate
from pipelines.evaluation.likeness import PAPER_PREFIX

CONTEST = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "sd-image-to-prompts"

MADE = {1: "a red picture", "b": "a blue picture.", 3: "something else"}
KNOWN = {1: ["a red picture", "red"], "b": ["a green picture"], 3: ["a yellow picture"], 4: ["unused"]}


def test_words_alone_need_no_models():
    report = evaluate(MADE, KNOWN)
    found = report.estimates()
    assert list(found) == [*BLEU, "ROUGE-L", "CIDEr-D"] and report.keys == (1, "b", 3)
    assert report.each()["BLEU-1"] == pytest.approx([1, 2 / 3, 0], abs=1e-6)
    assert found["ROUGE-L"].value == pytest.approx(np.mean(report.each()["ROUGE-L"]))
    assert found["ROUGE-L"].low <= found["ROUGE-L"].value <= found["ROUGE-L"].high and found["ROUGE-L"].count == 3


def test_meaning_is_the_mean_cosine_with_the_references(services):
    report = evaluate(MADE, KNOWN, services)
    with services.pool.use("minilm") as model:
        vectors = model.encode([MADE[1], *KNOWN[1]])
    expected = float((vectors[1:] @ vectors[0]).mean())
    assert report.each()["MiniLM cosine"][0] == pytest.approx(expected, abs=1e-5)
    assert "MiniLM cosine" not in evaluate(MADE, KNOWN).estimates()


def test_clip_score_and_its_kin_with_references(services):
    import torch

    images = {1: torch.tensor([0.6, 0.8, 0.0]), 3: torch.tensor([0.0, -0.6, -0.8])}
    report = evaluate(MADE, KNOWN, services, images, "judge", prefix="red ")
    with services.pool.use("judge") as judge:
        mine, *theirs = judge.encode_texts(["red " + text for text in (MADE[1], *KNOWN[1])])
    fit = 2.5 * max(float(mine @ images[1]), 0)
    near = max(0, *(float(mine @ each) for each in theirs))
    each = report.each()
    assert each["CLIPScore"][0] == pytest.approx(fit, abs=1e-5) and np.isnan(each["CLIPScore"][1])
    assert each["RefCLIPScore"][0] == pytest.approx(2 * fit * near / (fit + near) if fit + near else 0, abs=1e-5)
    assert report.estimates()["CLIPScore"].count == 2 and report.estimates()["ROUGE-L"].count == 3
    assert np.isfinite(report.estimates()["RefCLIPScore"].low)
    assert PAPER_PREFIX == "A photo depicts "


def test_the_contest_figure_of_an_earlier_entry_comes_out_again(services):
    if not CONTEST.is_dir():
        pytest.skip("the shared fixtures are not here")

    def texts(name: str) -> dict[str, str]:
        with open(CONTEST / name, encoding="utf-8", newline="") as file:
            return {row["imgId"]: row["prompt"] for row in csv.DictReader(file)}

    truth = {key: [text] for key, text in texts("prompts.csv").items()}
    found = evaluate(texts("seed_coca_captions.csv"), truth, services).estimates()["MiniLM cosine"]
    assert found.value == pytest.approx(0.39256, abs=1e-4) and found.count == 7
    assert found.high - found.low > 0.1  # seven pictures tell little, and the interval says so


def test_two_captioners_are_compared_in_pairs():
    better = {1: "a red picture", "b": "a green picture", 3: "a yellow one"}
    apart = evaluate(better, KNOWN).minus(evaluate(MADE, KNOWN))
    assert apart["ROUGE-L"].value > 0 and apart["ROUGE-L"].low >= 0
    with pytest.raises(BadRequest, match="not about the same pictures"):
        evaluate(better, KNOWN).minus(evaluate({1: "a"}, KNOWN))


def test_what_cannot_be_scored_is_said():
    with pytest.raises(BadRequest, match="no captions to score"):
        evaluate({}, KNOWN)
    with pytest.raises(BadRequest, match='The picture "z" has a caption but no reference'):
        evaluate({"z": "a"}, KNOWN)
    report = evaluate({1: "a red picture"}, KNOWN)
    assert "CIDEr-D is 0 by definition" in report.notes[0] and report.estimates()["CIDEr-D"].value == 0
    assert report.estimates()["ROUGE-L"].low == report.estimates()["ROUGE-L"].high == 1

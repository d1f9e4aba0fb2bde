"""Scores of text -> image models: the distances against their definitions, the judge's question, and what is a copy."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel

from tests.models import tiny_painter
from training import generation_scores as scores
from training import generation_scores_nearest as nearest
from training.compose import render, single
from training.generation_scores_agreement import agreement
from training.generation_scores_distance import distances, frechet, kernel
from training.pictures import Pictograms


def test_the_frechet_distance_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 5)), rng.normal(size=(50, 5)) @ rng.normal(size=(5, 5)) + 0.3
    between = sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * between)
    assert frechet(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected, rel=1e-6)


def test_a_set_has_no_distance_to_itself_though_it_is_smaller_than_its_space():
    features = torch.randn(10, 40)
    assert frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet(features, features + 1) == pytest.approx(40, rel=1e-4)  # a shift in each of 40 dimensions


def test_the_kernel_distance_is_that_of_the_definition_and_unbiased():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(30, 6)), rng.normal(size=(20, 6)) + 0.5
    own_a, own_b = (polynomial_kernel(x, degree=3, gamma=1 / 6, coef0=1) for x in (a, b))
    cross = polynomial_kernel(a, b, degree=3, gamma=1 / 6, coef0=1).mean()
    own = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (own_a, own_b)]
    assert kernel(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(sum(own) - 2 * cross, rel=1e-6)
    torch.manual_seed(0)
    same = [kernel(torch.randn(20, 6), torch.randn(20, 6)) for _ in range(200)]
    assert abs(np.mean(same)) < 4 * np.std(same) / 200**0.5 and min(same) < 0


def test_distances_come_with_what_real_pictures_get():
    torch.manual_seed(0)
    real, training, ours = torch.randn(80, 30), torch.randn(80, 30), torch.randn(80, 30) + 2
    found = distances(ours, real, training)
    assert found["pictures"] == found["real pictures"] == 80
    assert found["FID"] > 5 * found["FID floor"] and found["KID"] > 5 * abs(found["KID floor"])
    assert found["FID halves"] > found["FID floor"]  # only because there are fewer


class ColourJudge:
    """Sees the mean colour of a picture, and knows the colour that belongs to each caption."""

    def __init__(self, samples):
        self.colours = {sample.caption: colour for sample, colour in zip(samples, seen(render(samples)), strict=True)}

    def encode_images(self, pictures):
        return seen(pictures)

    def encode_texts(self, texts):
        return torch.stack([self.colours[text] for text in texts])


def seen(pictures):
    colours = pictures.mean((2, 3))
    colours = colours - torch.tensor([0.6, 0.6, 0.6])
    return torch.nn.functional.normalize(colours, dim=1)


@pytest.fixture
def samples(pictograms):
    """One sample of each of six concepts, in the first style."""
    data = Pictograms(pictograms, ("train", "held_out"))
    chances = SimpleNamespace(random=lambda: 0.9, integers=lambda n: 0)  # no tint, no background, the plainest caption
    return data, [single(data, int(row), chances) for row in data.rows[::3]]


def test_pictures_of_their_captions_come_first_and_others_do_not(samples):
    data, singles = samples
    pictures = render(singles)
    several = {"": pictures, " swapped": pictures.roll(1, 0)}
    found = scores.judged(ColourJudge(singles), data, several, singles, singles)
    assert found["R-precision"] == 1 and found["cosine"] == pytest.approx(1)
    assert found["R-precision swapped"] == 0 and found["cosine swapped"] < 1


def test_a_caption_of_the_same_concept_is_no_rival(samples):
    data, singles = samples
    judge = ColourJudge(singles)
    twins = [replace(sample, rows=(sample.rows[0] + 1,), caption=f"a flat {sample.caption}") for sample in singles]
    judge.colours |= {t.caption: judge.colours[s.caption] for s, t in zip(singles, twins, strict=True)}
    assert scores.judged(judge, data, {"": render(singles)}, singles, [*singles, *twins])["R-precision"] == 1


def test_captions_are_always_the_same_and_of_their_split(pictograms, monkeypatch):
    monkeypatch.setattr(scores, "PAIRS", 12)
    records = [json.loads(line) for line in (pictograms / "records.jsonl").read_text().splitlines()]
    for record in records:
        record["split"] = (
            "held_out_style" if record["style"] == "flat" and record["split"] == "train" else record["split"]
        )
    (pictograms / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    unseen, styles, pairs = (scores.captions(pictograms, kind) for kind in scores.KINDS)
    assert {records[s.rows[0]]["name"] for s in unseen} == {"green tree"} and len(unseen) == 2
    assert {records[s.rows[0]]["style"] for s in styles} == {"flat"} and len(styles) == 5
    assert len(pairs) == 12 and all(len(s.rows) == 2 and s.relation for s in pairs)
    assert [s.caption for s in pairs] == [s.caption for s in scores.captions(pictograms, "two things in unseen styles")]
    assert all(s.ground is None for s in nearest.plain(pictograms, 4))


def test_only_a_copy_of_the_model_forgets():
    memory = SimpleNamespace(seen_in_training=lambda: "without")
    model = SimpleNamespace(memory=memory)
    assert scores.fair(model).memory == "without" and model.memory is memory
    forgetful = object()
    assert scores.fair(forgetful) is forgetful


def test_what_is_near_and_what_is_a_copy():
    trained = nearest.Views(torch.eye(3, 4), torch.zeros(3, 12))
    mine = nearest.Views(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]]), torch.stack([torch.zeros(12), torch.ones(12)]))
    found = mine.nearest(trained)
    assert found["features"][0].tolist() == [0, 1] and found["features"][1][0] == 0
    assert found["pixels"][0].tolist() == [0, 1]  # root mean square, so one for a difference of one everywhere
    limits = {"features": {"new": 0.5, "copy": 0.1}, "pixels": {"new": 2.0, "copy": 0.1}}
    shares = nearest.near(found, limits)
    assert shares["under new, features"] == 0.5 and shares["under new, pixels"] == 1
    assert shares["under new, both"] == shares["under copy, both"] == 0.5
    given = nearest.Views(mine.features, torch.zeros(2, 12))
    to_first = nearest.first_neighbours(mine, given, trained, limits)
    assert to_first["first neighbour under copy, pixels"] == 0.5
    assert to_first["median to first neighbour"] == {"features": 0, "pixels": 0}  # of two, torch takes the lower


@pytest.mark.parametrize("given", [[], [torch.rand(2, 3, 128, 128)] * 6])
def test_the_sheet_shows_all_samples_with_what_they_were_near_to(given):
    pictures = torch.rand(6, 3, 128, 128)
    sheet = nearest.sheet(["a cat"] * 6, [pictures] * 3, given)
    wide = nearest.CELL * (5 if given else 3) + 10
    assert sheet.size == (3 * wide, 2 * (nearest.CELL + nearest.LINE) + 16)


class Reddest:
    """A ranker that likes red, whatever is asked for."""

    def encode_images(self, pictures):
        return pictures.mean((2, 3))

    def encode_texts(self, texts):
        return torch.tensor([[1.0, -0.5, -0.5]] * len(texts))


def pretend_ranker(weights):
    """A folder that looks like the app's ranker until somebody reads it."""
    (weights / scores.RANKER).mkdir()
    for name in ("config.json", "model.safetensors"):
        (weights / scores.RANKER / name).touch()


def test_of_several_candidates_the_rankers_choice_is_judged(tmp_path):
    weights = tiny_painter.write(tmp_path / "weights")
    pretend_ranker(weights)
    pool = scores.open_pool(weights)
    texts = ["an apple", "a cup"]
    with pool.use("pictograms-gan") as model:
        each = [scores.paint(model, pool.catalog, scores.Way("pictograms-gan"), [text] * 6) for text in texts]
        chosen = scores.paint(model, pool.catalog, scores.Way("pictograms-gan", candidates=3), texts, Reddest())
    # The first text's candidates have seeds 0 to 2, the second's 3 to 5.
    for picture, candidates in zip(chosen, (each[0][:3], each[1][3:]), strict=True):
        redness = candidates.mean((2, 3)) @ torch.tensor([1.0, -0.5, -0.5])
        torch.testing.assert_close(picture, candidates[redness.argmax()], atol=1e-4, rtol=0)
        assert redness.argmin() != redness.argmax()


def test_a_ranker_does_not_judge_its_own_choice(tmp_path, pictograms):
    weights = tiny_painter.write(tmp_path / "weights")
    pretend_ranker(weights)
    with pytest.raises(SystemExit, match="cannot choose among candidates and judge"):
        scores.scores(scores.Way("pictograms-gan", candidates=2), pictograms, weights)


def test_agreement_is_that_of_orders_within_captions_and_over_all():
    ours = torch.tensor([[0.1, 0.2, 0.3], [0.7, 0.9, 0.8], [0.5, 0.5, 0.5], [0.4, 0.6, 0.5]])
    found = agreement(ours, ours**3)
    assert found["spearman"] == 1 == found["same_best"] and found["spearman_over_all"] == pytest.approx(1)
    assert (found["captions"], found["candidates"]) == (4, 3)
    turned = agreement(ours, torch.stack([*(1 - ours)[:2], *ours[2:]]))  # the third has no order of its own
    assert turned["spearman"] == pytest.approx((-1 - 1 + 1) / 3) and turned["same_best"] == 0.5
    low, high = turned["spearman_95"]
    assert -1 <= low < turned["spearman"] < high <= 1

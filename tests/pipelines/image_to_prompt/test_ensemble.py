from __future__ import annotations

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.image_to_prompt.ensemble import PRESETS, check_weights, decode, fit_weights, mix
from pipelines.image_to_prompt.heads import unit
from pipelines.image_to_prompt.nearest import Neighbour, PlainIndex, vote


@pytest.fixture
def truth():
    return unit(np.random.default_rng(0).standard_normal((30, 16)))


def noisy(truth, amount, seed):
    return truth + amount * np.random.default_rng(seed).standard_normal(truth.shape) / 4


def test_lengths_do_not_count(truth):
    one, other = unit(noisy(truth, 1, 1)), unit(noisy(truth, 1, 2))
    mixed = mix({"a": 7 * one, "b": 0.1 * other}, {"a": 1.0, "b": 3.0, "absent": 1.0})
    assert np.allclose(mixed, unit(one + 3 * other)) and np.allclose(np.linalg.norm(mixed, axis=1), 1)


def test_the_best_weights_are_found(truth):
    vectors = {"good": noisy(truth, 0.6, 1), "poor": noisy(truth, 2.0, 2), "noise": noisy(0 * truth, 1, 3)}
    found = fit_weights(vectors, truth)
    units = {name: unit(each) for name, each in vectors.items()}

    def score(weights):
        return float((mix(units, dict(zip(vectors, weights, strict=True))) * truth).sum(1).mean())

    steps = np.linspace(0, 1, 21)
    best = max(score((a, b, 1 - a - b)) for a in steps for b in steps if a + b <= 1 + 1e-9)
    assert score(tuple(found.weights.values())) >= best - 1e-4
    assert sum(found.weights.values()) == pytest.approx(1) and found.weights["good"] > found.weights["poor"]
    assert all(
        found.low[name] <= found.weights[name] + 0.02 and found.weights[name] <= found.high[name] + 0.02
        for name in vectors
    )
    assert found.score.low < found.score.value < found.score.high and found.pictures == 30
    assert found.alone["good"].value == pytest.approx(float((units["good"] * truth).sum(1).mean()))
    assert found.even.value < found.score.value <= score(tuple(found.weights.values())) + 1e-9


def test_the_score_is_of_pictures_left_out(truth):
    vectors = {"a": noisy(truth, 1, 1)[:6], "b": noisy(truth, 1, 2)[:6]}
    found = fit_weights(vectors, truth[:6])
    outside = []
    for row in range(6):
        rest = np.arange(6) != row
        weights = fit_weights({name: each[rest] for name, each in vectors.items()}, truth[:6][rest]).weights
        outside.append(float(mix({name: each[row] for name, each in vectors.items()}, weights) @ truth[row]))
    assert found.score.value == pytest.approx(np.mean(outside), abs=1e-6)


def test_many_pictures_are_left_out_by_tenths():
    truth = unit(np.random.default_rng(0).standard_normal((250, 8)))
    found = fit_weights({"a": noisy(truth, 1, 1), "b": noisy(truth, 1, 2)}, truth, resamples=50)
    assert found.pictures == 250 and 0.4 < found.weights["a"] < 0.6


@pytest.mark.parametrize("weights", [{"a": -1.0}, {"a": float("nan")}, {"a": 0.0, "b": 0.0}, {"a": True}, {"a": "1"}])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(BadRequest):
        check_weights(weights)


def test_what_cannot_be_mixed_is_refused(truth):
    with pytest.raises(BadRequest, match="none of its members"):
        mix({"a": truth}, {"b": 1.0})
    with pytest.raises(BadRequest, match="2 methods"):
        fit_weights({"a": truth}, truth)
    with pytest.raises(BadRequest, match="NaN"):
        fit_weights({"a": truth, "b": truth * np.nan}, truth)


def test_presets_weigh_captioners_of_the_catalog(settings):
    from models.catalog import Catalog

    names = {f"caption:{spec.name}" for spec in Catalog.scan(settings).all("captioner")}
    for weights in PRESETS.values():
        assert set(weights) <= names and sum(weights.values()) == pytest.approx(1)


def test_a_vector_is_shown_as_the_nearest_text(truth):
    found = decode(truth[3], [f"text {k}" for k in range(30)], truth)
    assert found[0] == ("text 3", pytest.approx(1)) and [c for _, c in found] == sorted(
        (c for _, c in found), reverse=True
    )


def test_nearest_prompts_once_each(truth):
    index = PlainIndex(["a", "b", "b", *(f"c{k}" for k in range(27))], truth)
    cosines = truth @ truth[2]
    found = index.find(truth[2], 5)
    assert found[0] == Neighbour("b", pytest.approx(1, abs=1e-6)) and len({each.prompt for each in found}) == 5
    assert found[1].cosine == pytest.approx(np.sort(cosines)[::-1][1], abs=1e-6)
    assert len(index.find(truth[2], 100)) == 29
    with pytest.raises(BadRequest, match="NaN"):
        PlainIndex(["a"], np.full((1, 3), np.nan))
    with pytest.raises(BadRequest, match="1 prompts and 2 vectors"):
        PlainIndex(["a"], truth[:2])


def test_near_neighbours_count_most(truth):
    near, far = Neighbour("near", 0.98), Neighbour("far", 0.5)
    found = vote([near, far], truth[:2])
    weight = (0.04 / 1.0) ** 3  # distances squared: 2 - 2 · cosine, to the third power
    assert np.allclose(found, unit(truth[0] + weight * truth[1]), atol=1e-9)
    assert np.allclose(vote([Neighbour("same", 1.0)], truth[:1]), truth[0])

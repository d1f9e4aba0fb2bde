from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.evaluation import bootstrap
from pipelines.evaluation.bootstrap import Statistic, differences, draws, estimates, resampled


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(1).normal(3, 2, 400)
    found = estimates(Statistic.mean("x", values), 4000)["x"]
    error = values.std() / math.sqrt(400)
    assert found.value == pytest.approx(values.mean()) and found.count == 400
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)


def test_resamples_are_those_of_drawing_with_replacement(monkeypatch):
    monkeypatch.setattr(bootstrap, "CHUNK", 10)
    values = np.arange(7.0)
    scores = resampled(Statistic.mean("x", values), 25, seed=4)[:, 0]
    drawn = np.concatenate([draws(7, size, 4 * 1_000_003 + k) for k, size in enumerate((10, 10, 5))])
    assert drawn.sum(1).tolist() == [7] * 25
    expected = [np.repeat(values, row).mean() for row in drawn]
    assert scores == pytest.approx(expected)


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    statistic = Statistic.mean("x", np.random.default_rng(0).random(30))
    assert estimates(statistic, seed=5) == estimates(statistic, seed=5)
    assert estimates(statistic, seed=5) != estimates(statistic, seed=6)


def test_missing_values_count_nowhere():
    found = Statistic.mean("x", np.array([1.0, np.nan, 3.0]))
    assert found.total().tolist() == [2] and found.count == 2
    assert np.isnan(found.each()[:, 0]).tolist() == [False, True, False]
    assert 1 <= estimates(found)["x"].low <= estimates(found)["x"].high <= 3


def test_paired_differences_are_surer_than_the_scores_themselves():
    hard = np.random.default_rng(2).normal(0, 5, 100)  # pictures differ far more than captioners do
    one, other = Statistic.mean("x", hard + 0.5), Statistic.mean("x", hard)
    found = differences(one, other)["x"]
    assert found.value == pytest.approx(0.5) and found.low == pytest.approx(0.5) and found.high == pytest.approx(0.5)
    assert estimates(one)["x"].low < estimates(other)["x"].high
    with pytest.raises(ValueError, match="not to be compared"):
        differences(one, Statistic.mean("y", hard))

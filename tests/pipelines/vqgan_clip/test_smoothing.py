from __future__ import annotations

import pytest
import torch

from pipelines.vqgan_clip.smoothing import Smoother


def smoothed(values: list[float], **options) -> list[float]:
    smoother = Smoother(**options)
    out = [float(z) for value in values for z in smoother.add(torch.tensor(value))]
    return out + [float(z) for z in smoother.flush()]


def test_a_window_of_one_changes_nothing():
    assert smoothed([1, 5, 2], window=1) == [1, 5, 2]


@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_each_comes_out_once_in_order_as_the_mean_of_its_neighbours(window, count):
    values = [float(k * k % 7) for k in range(count)]
    expected = []
    for place in range(count):
        weights = {k: 0.6 ** abs(k - place) for k in range(count) if abs(k - place) <= window // 2}
        expected.append(sum(values[k] * weight for k, weight in weights.items()) / sum(weights.values()))
    assert smoothed(values, window=window, fall=0.4) == pytest.approx(expected)


def test_it_waits_for_later_neighbours_only():
    smoother = Smoother(window=5)
    came = [len(list(smoother.add(torch.zeros(1)))) for _ in range(8)]
    assert came == [0, 0, 1, 1, 1, 1, 1, 1]
    assert len(smoother._near) == 5
    assert len(list(smoother.flush())) == 2


def test_after_a_flush_nothing_of_the_old_scene_is_left():
    smoother = Smoother(window=3)
    first = [z for value in (1.0, 1.0) for z in smoother.add(torch.tensor(value))] + list(smoother.flush())
    second = [z for value in (9.0, 9.0) for z in smoother.add(torch.tensor(value))] + list(smoother.flush())
    assert [float(z) for z in first + second] == [1, 1, 9, 9]


def test_a_fall_of_one_is_no_smoothing_and_of_none_an_even_mean():
    assert smoothed([0, 6, 0], fall=1.0) == [0, 6, 0]
    assert smoothed([0, 6, 0], fall=0.0) == [3, 2, 3]


@pytest.mark.parametrize("options", [{"window": 2}, {"window": 0}, {"fall": 1.5}, {"fall": float("nan")}])
def test_windows_that_have_no_middle(options):
    with pytest.raises(ValueError, match="must be odd"):
        Smoother(**options)

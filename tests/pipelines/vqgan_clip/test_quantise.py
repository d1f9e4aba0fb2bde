from __future__ import annotations

import pytest
import torch

from pipelines.vqgan_clip.quantise import clamp, smoothed, straight_through


def test_the_gradient_passes_straight_through():
    z, codes = torch.randn(1, 4, 2, 2, requires_grad=True), torch.randn(1, 4, 2, 2)
    weight = torch.randn(1, 4, 2, 2)
    out = straight_through(z, codes)
    assert torch.equal(out, codes)  # exactly, which z + (codes - z) would not be
    (out * weight).sum().backward()
    assert torch.equal(z.grad, weight)


@pytest.mark.parametrize(
    ("value", "slope", "passes"),
    [(0.5, 1, True), (0.5, -1, True), (1.5, 1, True), (1.5, -1, False), (-0.5, -1, True), (-0.5, 1, False)],
)
def test_a_clamp_lets_the_gradient_lead_back_inside(value, slope, passes):
    x = torch.tensor([value], requires_grad=True)
    out = clamp(x)
    assert 0 <= out.item() <= 1
    (out * slope).sum().backward()
    assert x.grad.item() == (slope if passes else 0)


def test_smoothing_keeps_the_sum_and_spreads_it():
    spike = torch.zeros(1, 2, 15, 15)
    spike[0, 0, 7, 7] = 1
    wide = smoothed(spike, 1.5)
    assert wide[0, 0].sum().item() == pytest.approx(1, abs=1e-4) and wide[0, 1].abs().max() == 0
    assert wide[0, 0].argmax() == 7 * 15 + 7 and wide.max() < 0.1
    torch.testing.assert_close(wide[0, 0], wide[0, 0].T)
    x = torch.arange(15) - 7.0
    assert float((wide[0, 0].sum(0) * x**2).sum()) == pytest.approx(1.5**2, rel=0.1)


def test_smoothing_takes_canvases_smaller_than_its_reach_and_does_nothing_when_narrow():
    small = torch.randn(2, 3, 4, 5)
    assert smoothed(small, 8).shape == small.shape
    assert smoothed(small, 0.1) is small
    torch.testing.assert_close(smoothed(torch.ones(1, 1, 4, 4), 3), torch.ones(1, 1, 4, 4))

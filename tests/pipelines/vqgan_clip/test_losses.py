"""The losses against what the published notebooks compute, and what follows from their definition."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from pipelines.vqgan_clip import losses
from pipelines.vqgan_clip.losses import Goals
from pipelines.vqgan_clip.starts import generator


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=generator(seed, "x")), dim=-1)


def goals(vectors: torch.Tensor, owner, weight, stop=None, region=None) -> Goals:
    """Goals whose prompts have these signed weights, one per vector."""
    n = len(vectors)
    weight = torch.tensor(weight, dtype=torch.float32)
    stop = torch.full((n,), -math.inf) if stop is None else torch.tensor(stop)
    region = torch.zeros(n, dtype=torch.int64) if region is None else torch.tensor(region)
    return Goals(vectors, torch.tensor(owner), weight.abs(), weight.sign(), stop, region)


def published(features: torch.Tensor, embed: torch.Tensor, weight: float, stop: float) -> torch.Tensor:
    """What Crowson's `Prompt` module computes, gradient trick included."""
    distance = (features[:, None] - embed[None]).norm(dim=2).div(2).arcsin().pow(2).mul(2) * math.copysign(1, weight)
    shown = distance.detach()
    pulled = torch.maximum(distance, torch.tensor(stop))
    return abs(weight) * (pulled + (shown - pulled).detach()).mean()


@pytest.mark.parametrize(("weight", "stop"), [(1.0, -math.inf), (2.5, 0.9), (-0.7, -1.2), (-1.0, -math.inf)])
def test_a_prompt_pulls_as_published(weight, stop):
    raw = torch.randn(1, 9, 8, generator=generator(0, "x")).requires_grad_()
    features = F.normalize(raw, dim=-1)
    embed = unit(3, 8, seed=1)
    theirs = published(F.normalize(raw, dim=-1)[0], embed, weight, stop)
    (expected,) = torch.autograd.grad(theirs, raw)
    goal = goals(embed, [0, 0, 0], [weight / 3] * 3, [stop] * 3)
    everywhere = torch.full((1, 9, 1), 1 / 9)
    loss, shown = losses.pulls(features, everywhere, goal, 1)
    loss.sum().backward()
    torch.testing.assert_close(shown[0, 0], theirs.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(raw.grad, expected, atol=1e-6, rtol=1e-4)
    # Where a stop is set, some of the pairs are nearer than it, or this test would not test it.
    assert math.isinf(stop) or not torch.allclose(loss, shown.sum(1), atol=1e-3)


def test_a_prompt_that_is_near_enough_does_not_pull():
    features = F.normalize(torch.tensor([[[1.0, 0.1], [0.0, 1.0]]]), dim=-1).requires_grad_()
    goal = goals(torch.tensor([[1.0, 0.0]]), [0], [1.0], [0.3])
    losses.pulls(features, torch.full((1, 2, 1), 0.5), goal, 1)[0].sum().backward()
    assert features.grad[0, 0].abs().max() == 0 and features.grad[0, 1].abs().max() > 0


def test_parts_of_the_cuts_add_up():
    features, goal = unit(2, 10, 8), goals(unit(4, 8, seed=1), [0, 1, 1, 2], [1, 0.5, 0.5, -2])
    counts = torch.full((2, 10, 1), 0.1)
    whole, shown = losses.pulls(features, counts, goal, 3)
    parts = [losses.pulls(features[:, k : k + 3], counts[:, k : k + 3], goal, 3) for k in range(0, 10, 3)]
    torch.testing.assert_close(sum(loss for loss, _ in parts), whole)
    torch.testing.assert_close(sum(each for _, each in parts), shown)
    torch.testing.assert_close(shown.sum(1), whole)


def test_angles_at_their_ends_have_finite_gradients():
    vector = torch.tensor([[1.0, 0, 0]])
    for other, value in ((vector, 0), (-vector, math.pi**2 / 2)):
        first = other.clone().requires_grad_()
        angle = losses.half_squared_angle(first, vector)
        angle.sum().backward()
        assert angle.item() == pytest.approx(value, abs=0.01) and first.grad.isfinite().all()


def test_a_region_counts_the_cuts_that_lie_in_it():
    overlap = torch.tensor([[[1.0, 0.0], [0.5, 0.0], [0.0, 0.0]]])
    counts = losses.attention(overlap, torch.tensor([1.0, 0, 1]))
    torch.testing.assert_close(counts[0].T, torch.tensor([[0.5, 0, 0.5], [16 / 17, 1 / 17, 0], [0, 0, 0]]))
    assert losses.attention(None, torch.ones(4)).flatten().tolist() == [0.25] * 4


def test_regularisers():
    flat, steps = torch.full((1, 3, 8, 8), 0.3), torch.zeros(1, 3, 8, 8)
    steps[..., 4:] = 1
    assert losses.total_variation(flat).item() < 2e-4
    assert losses.total_variation(torch.cat([flat, steps])).tolist()[1] == pytest.approx(1 / 7, abs=1e-3)
    z = torch.zeros(2, 4, 2, 2)
    assert losses.away(z, torch.full((1, 4, 2, 2), 2.0)).tolist() == [2, 2]


def test_schedules():
    assert [losses.decayed(2, 0.5, step, 11) for step in (0, 5, 10, 99)] == [2, 1.5, 1, 1]
    assert losses.decayed(2, 1, 10, 11) == 0 and losses.decayed(2, 1, 0, 1) == 2
    assert [losses.coarseness(2, step, 100) for step in (0, 35, 70, 99)] == [2, pytest.approx(1), 0, 0]

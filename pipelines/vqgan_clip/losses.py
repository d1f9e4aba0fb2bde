"""What the optimiser lowers: distances to prompts, and what keeps a picture calm and near its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Goals:
    """Where one CLIP's vectors shall go: P prompts with R vectors in all (an image prompt has several).

    `vectors` (R, D) of unit length; per vector: `owner` (R,) int64 its prompt, `weight` (R,) without sign, shared among
    the vectors of one prompt, `sign` (R,) 1 or -1, `stop` (R,), `region` (R,) int64, the column of `seen` in `pulls`.
    """

    vectors: Tensor
    owner: Tensor
    weight: Tensor
    sign: Tensor
    stop: Tensor
    region: Tensor


def half_squared_angle(first: Tensor, second: Tensor) -> Tensor:
    """Unit vectors (..., N, D) and (R, D) -> θ²/2 of the angle between each two, (..., N, R), from 0 to π²/2.

    The "spherical distance" of Crowson's notebooks, 2 · arcsin(|a - b| / 2)², there by way of the chord too.
    """
    cosine = first @ second.mT
    # The gradient of the root is infinite at equal vectors, that of the arcsine at opposite ones.
    chord = (2 - 2 * cosine).clamp(min=1e-12, max=4 - 1e-6).sqrt()
    return 2 * (chord / 2).arcsin().square()


def pulls(features: Tensor, seen: Tensor, goals: Goals, prompts: int) -> tuple[Tensor, Tensor]:
    """The loss of some cuts, to sum and differentiate, and its parts to show.

    `features` (B, n, D) are those of the cuts; `seen` (B, n, K) is how much each cut counts for region k, which sums to
    1 over *all* cuts of a canvas, so that the losses of parts of the cuts add up to the loss of all. Returns the loss
    (B,) and the weighted distances by prompt (B, P), detached; the two differ where a prompt has stopped pulling.
    """
    import torch

    signed = half_squared_angle(features, goals.vectors) * goals.sign  # (B, n, R)
    counts = seen[..., goals.region] * goals.weight
    loss = (counts * torch.maximum(signed, goals.stop)).sum((1, 2))
    shown = (counts * signed.detach()).sum(1)  # (B, R)
    return loss, torch.zeros(len(shown), prompts, device=shown.device).index_add(1, goals.owner, shown)


def attention(overlap: Tensor | None, everywhere: Tensor) -> Tensor:
    """How much each cut counts: column 0 for prompts of the whole canvas, column r for region r; (B, N, 1 + R).

    `everywhere` (N,) is 1 for cuts that were taken from the whole canvas, `overlap` (B, N, R) what share of a cut lies
    in a region. A region's prompt counts a cut by the fourth power of that share: a cut with little of the region in
    it would else repaint what is around. Every column sums to 1 over the cuts, or is 0 when no cut touches the region.
    """
    import torch

    columns = [everywhere / everywhere.sum()]
    if overlap is None:
        return columns[0][None, :, None]
    whole = columns[0][None, :, None].expand(len(overlap), -1, 1)
    inside = overlap**4
    return torch.cat([whole, inside / inside.sum(1, keepdim=True).clamp(min=1e-6)], 2)


def total_variation(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) -> the mean length of the colour gradient, per canvas (B,). Rudin, Osher and Fatemi (1992)."""
    across = (pixels[..., :-1, 1:] - pixels[..., :-1, :-1]).square().mean(1)
    down = (pixels[..., 1:, :-1] - pixels[..., :-1, :-1]).square().mean(1)
    return (across + down + 1e-8).sqrt().mean((1, 2))


def away(z: Tensor, goal: Tensor) -> Tensor:
    """Half the mean square of z - goal, per canvas (B,); both (B, C, h, w), or one goal for all."""
    return (z - goal).square().mean((1, 2, 3)) / 2


def coarseness(width: float, step: int, steps: int, until: float = 0.7) -> float:
    """The blur of the gradient at a step (from 0): falls evenly from `width` to 0 at the share `until` of the steps."""
    return width * max(0.0, 1 - step / (until * steps))


def decayed(weight: float, decay: float, step: int, steps: int) -> float:
    """The weight of the start at a step (from 0): it loses the share `decay` of itself, evenly until the last step."""
    return weight * (1 - decay * min(step / max(steps - 1, 1), 1.0))

"""What the cuts of one step show, drawn at random: the geometry and colour of each as small matrices.

Everything here happens on the CPU from one generator per canvas, so the same seed looks at the same places on every
device, whatever the size of the cuts and however many are worked on at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from pipelines.vqgan_clip import warps
from pipelines.vqgan_clip.presets import Preset

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# The additive recurrence of Martin Roberts (2018, "R3"): points that fill a cube evenly, each still uniform by itself.
# Even cuts make a calmer gradient than independent ones, at the same number.
_EVEN = (0.8191725134, 0.6710436067, 0.5497004779)
_NUMBERS = 26  # uniform ones that a cut needs beside its place and size
MOST_BENT = 0.6  # from 2/3 on, four moved corners can make a figure that is not convex
WHOLE_CANVAS = (-1.0, -1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Cuts:
    """What N cuts of each of B canvases show, free of their size in pixels. All float32.

    `matrix` (B, N, 3, 3) leads from the cut to the canvas, see `warps`; `side` (B, N) is that of the crop in pixels of
    the canvas. None where a preset does without: `colour` (B, N, 3, 4), see `warps.colours`; `hole` (B, N, 4) centre
    and half sides of the rectangle taken out, in cut coordinates; `grey` (B, N) the lightness of what lies outside.
    """

    matrix: Tensor
    side: Tensor
    colour: Tensor | None = None
    hole: Tensor | None = None
    grey: Tensor | None = None

    def __len__(self) -> int:
        return self.side.shape[1]

    def part(self, start: int, end: int) -> Cuts:
        """The cuts from `start` up to `end` of every canvas."""
        return self._each(lambda tensor: tensor[:, start:end])

    def to(self, device: torch.device | str) -> Cuts:
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, change) -> Cuts:
        values = (getattr(self, each.name) for each in fields(self))
        return Cuts(*(None if value is None else change(value) for value in values))


def draw(
    preset: Preset,
    count: int,
    canvas: tuple[int, int],
    generators: Sequence[torch.Generator],
    strength: float = 1.0,
    homes: Sequence[tuple[float, float, float, float]] = (WHOLE_CANVAS,),
) -> Cuts:
    """`count` cuts for each canvas of (H, W) pixels, one canvas a generator.

    `strength` from 0 (none) to 2 scales every augmentation. `homes` are the boxes (left, top, right, bottom in
    [-1, 1]) inside which the cuts are taken in turn; the cuts of each are spread evenly.
    """
    import torch

    boxes = torch.tensor(homes, dtype=torch.float32)[torch.arange(count) % len(homes)]  # (N, 4)
    drawn = [_one_canvas(preset, count, canvas, generator, strength, boxes) for generator in generators]
    stacked = [[getattr(cuts, each.name) for cuts in drawn] for each in fields(Cuts)]
    return Cuts(*(None if values[0] is None else torch.stack(values) for values in stacked))


def _one_canvas(
    preset: Preset, count: int, canvas: tuple[int, int], generator: torch.Generator, strength: float, boxes: Tensor
) -> Cuts:
    """The cuts of one canvas, without the axis of canvases."""
    import torch

    offset = torch.rand(3, generator=generator)
    even = (offset + torch.arange(1, count + 1)[:, None] * torch.tensor(_EVEN)) % 1  # (N, 3)
    u = torch.rand(count, _NUMBERS, generator=generator)
    centre, half, side = _places(preset, canvas, even, boxes)
    matrix = warps.placed(centre, half) @ _bends(preset, strength, u[:, :15])
    # Which of a pair comes first must not depend on its place in the row, so "whole" is not tied to these.
    colour = _recolour(preset, strength, u[:, 15:20]) if preset.recoloured * strength > 0 else None
    hole = _holes(preset, strength, u[:, 20:25]) if preset.erased * strength > 0 else None
    return Cuts(matrix, side, colour, hole, u[:, 25] if preset.beyond == "grey" else None)


def _places(preset: Preset, canvas: tuple[int, int], even: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre (N, 2) and half sides (N, 2) on the canvas, and side (N,) in pixels, of every crop."""
    import torch

    height, width = canvas
    pixels = torch.tensor([width, height], dtype=torch.float32)
    low, high = boxes[:, :2], boxes[:, 2:]
    extent = (high - low) / 2 * pixels  # (N, 2) of the home, in pixels
    short = extent.amin(1)
    side = short * (preset.smallest + (1 - preset.smallest) * even[:, 2] ** preset.power)
    half = side[:, None] / pixels
    room = ((high - low) / 2 - half).clamp(min=0)
    centre = (low + high) / 2 + (2 * even[:, :2] - 1) * room
    # The first cuts of each home show all of it: squashed where they are pooled anyway, else with what is around it.
    whole = torch.arange(len(boxes)) < math.ceil(preset.whole * len(boxes))
    all_of_it = (high - low) / 2 if preset.pooled else extent.amax(1, keepdim=True) / pixels
    centre = torch.where(whole[:, None], (low + high) / 2, centre)
    return centre, torch.where(whole[:, None], all_of_it, half), torch.where(whole, extent.amax(1), side)


def _bends(preset: Preset, strength: float, u: Tensor) -> Tensor:
    """Flip, affine and perspective of every cut as one matrix (N, 3, 3); u (N, 15)."""
    import torch

    moved = (u[:, 1] < preset.affine).float() * strength
    angle = (2 * u[:, 2] - 1) * math.radians(preset.angle) * moved
    shear = (2 * u[:, 3] - 1) * math.radians(preset.shear) * moved
    shift = (2 * u[:, 4:6] - 1) * 2 * preset.shift * moved[:, None]  # a share of the side is twice that of half a side
    flip = torch.eye(3).repeat(len(u), 1, 1)
    flip[:, 0, 0] = torch.where(u[:, 0] < preset.flip * min(strength, 1.0), -1.0, 1.0)
    matrix = flip @ warps.affine(angle, shift, shear)
    if preset.perspective * strength == 0:
        return matrix
    depth = min(preset.perspective * strength, MOST_BENT) * (u[:, 6] < preset.bent).float()
    signs = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    corners = signs * (1 - depth[:, None, None] * u[:, 7:15].view(-1, 4, 2))
    return matrix @ warps.perspective(corners)


def _recolour(preset: Preset, strength: float, u: Tensor) -> Tensor:
    """Changes of colour (N, 3, 4); u (N, 5)."""
    import torch

    ranges = torch.tensor(preset.jitter) * strength * (u[:, :1] < preset.recoloured)  # (N, 4)
    brightness, contrast, saturation, hue = ((2 * u[:, 1:] - 1) * ranges).unbind(1)
    return warps.colours(1 + brightness, 1 + contrast, 1 + saturation, hue)


def _holes(preset: Preset, strength: float, u: Tensor) -> Tensor:
    """Rectangles of 10 to 40 % of the cut's area and a ratio of 0.3 to 3.3, (N, 4); u (N, 5)."""
    import torch

    ratio = torch.exp(math.log(0.3) + u[:, 2] * math.log(3.3 / 0.3))  # width to height, even on a logarithmic scale
    area = 0.1 + 0.3 * u[:, 1]
    half = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 1).clamp(max=1)
    centre = (2 * u[:, 3:5] - 1) * (1 - half)
    there = (u[:, 0] < preset.erased * min(strength, 1.0)).float()
    return torch.cat([centre, half * there[:, None]], 1)

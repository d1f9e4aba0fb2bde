"""Cut-outs: many crops of the canvas, bent, turned and recoloured, all taken by one sampling.

What each cut shows was drawn before (`draw`), so taking them is free of chance, has fixed shapes, and gives gradients
to the pixels. Against aliasing every cut reads from the level of a small pyramid that fits its scale; the levels lie
side by side in one picture, so that cuts of different scales still come from one call of `grid_sample`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from pipelines.vqgan_clip.draw import Cuts

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LEVELS = 3
SHARES = (4, 2, 1)  # torch's sampling on a CPU is parallel over pictures only, so one picture poses as several


def take(pixels: Tensor, cuts: Cuts, size: int, pooled: bool = False) -> Tensor:
    """The cuts of canvases (B, 3, H, W) in `size` pixels: (B, N, 3, size, size), on the same device as the canvases.

    Gradients flow to `pixels`. With `pooled` they look at (average + maximum) / 2 of the canvas pooled to their size.
    """
    import torch
    import torch.nn.functional as F

    if pooled:
        both = F.adaptive_avg_pool2d(pixels, size) + F.adaptive_max_pool2d(pixels, size)
        pixels, levels = both / 2, 1
    else:
        levels = 1 + min(max(_level(max(pixels.shape[-2:]) / size), 0), LEVELS - 1)
    atlas, table = _pyramid(pixels, levels)
    with torch.no_grad():
        x, y = _places(cuts.matrix, size)  # (B, N, size²) each
        # Two thirds of the way to half the scale the smaller level is the sharper of two evils.
        level = ((cuts.side / size).log2() + 0.25).floor().clamp(0, levels - 1).long()
        grid = _grid(x, y, table[level], atlas.shape[-2:])
    seen = _sample(atlas, grid, size)  # (B, N, 3, size²)
    if cuts.grey is not None:
        outside = ((x.abs() > 1) | (y.abs() > 1))[:, :, None]
        seen = torch.where(outside, cuts.grey[:, :, None, None], seen)
    if cuts.colour is not None:
        seen = cuts.colour[..., :3] @ seen + cuts.colour[..., 3:]
    if cuts.hole is not None:
        seen = seen * ~_inside(cuts.hole, size)[:, :, None]
    return seen.unflatten(-1, (size, size))


def overlap(masks: Tensor, cuts: Cuts, fineness: int = 16) -> Tensor:
    """How much of each cut lies in each region: masks (R, H, W) in [0, 1] -> (B, N, R) in [0, 1].

    Measured at `fineness`² places of every cut; what lies outside the canvas is in no region.
    """
    import torch
    import torch.nn.functional as F

    x, y = _places(cuts.matrix, fineness)
    grid = torch.stack([x, y], -1).view(1, -1, fineness, 2)
    seen = F.grid_sample(masks[None], grid, padding_mode="zeros", align_corners=False)[0]  # (R, B·N·f, f)
    return seen.view(len(masks), *cuts.side.shape, -1).mean(-1).permute(1, 2, 0)


def _level(scale: float) -> int:
    return math.floor(math.log2(scale) + 0.25)


def _pyramid(pixels: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """The canvas and its halves side by side, (B, 3, H, W'), and for each level (offset, width, height): (L, 3)."""
    import torch
    import torch.nn.functional as F

    parts = [pixels]
    for _ in range(levels - 1):
        parts.append(F.avg_pool2d(parts[-1], 2))
    height = pixels.shape[-2]
    padded = [F.pad(part, (0, 0, 0, height - part.shape[-2])) for part in parts]
    widths = [part.shape[-1] for part in parts]
    rows = [(sum(widths[:k]), widths[k], parts[k].shape[-2]) for k in range(levels)]
    return torch.cat(padded, -1) if levels > 1 else pixels, _table(tuple(rows), pixels.device)


@lru_cache(maxsize=64)
def _table(rows: tuple[tuple[int, int, int], ...], device: torch.device) -> Tensor:
    import torch

    return torch.tensor(rows, dtype=torch.float32, device=device)


@lru_cache(maxsize=64)
def _square(size: int, device: torch.device) -> Tensor:
    """The places of a cut's pixels, (3, size²): x and y of their centres in [-1, 1], row by row, and ones."""
    import torch

    line = (2 * torch.arange(size, dtype=torch.float32, device=device) + 1) / size - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten(), torch.ones(size * size, device=device)])


def _places(matrix: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Where on the canvas each pixel of the cuts looks, x and y in [-1, 1] from edge to edge: (B, N, size²) each."""
    x, y, w = (matrix @ _square(size, matrix.device)).unbind(-2)
    return x / w, y / w


def _grid(x: Tensor, y: Tensor, facts: Tensor, atlas: tuple[int, int]) -> Tensor:
    """The same places as `grid_sample` wants them on the atlas, held inside their level: (B, N, size², 2)."""
    import torch

    offset, width, height = facts[..., None].unbind(-2)  # (B, N, 1) each
    # Half a pixel inside the level's edge nothing of its neighbour is mixed in, and the edge itself goes on outside.
    column = ((x + 1) * width / 2).clamp(torch.full_like(width, 0.5), width - 0.5) + offset
    row = ((y + 1) * height / 2).clamp(torch.full_like(height, 0.5), height - 0.5)
    return torch.stack([2 * column / atlas[1] - 1, 2 * row / atlas[0] - 1], -1)


def _sample(atlas: Tensor, grid: Tensor, size: int) -> Tensor:
    """Read the atlas (B, 3, H, W) at the grid (B, N, size², 2): (B, N, 3, size²)."""
    import torch.nn.functional as F

    canvases, count = grid.shape[:2]
    shares = 1 if atlas.device.type != "cpu" else next(share for share in SHARES if count % share == 0)
    atlas = atlas[:, None].expand(-1, shares, -1, -1, -1).flatten(0, 1)
    grid = grid.view(canvases * shares, count // shares * size, size, 2)
    seen = F.grid_sample(atlas, grid, mode="bilinear", padding_mode="border", align_corners=False)
    seen = seen.view(canvases, shares, 3, count // shares, size * size)
    return seen.transpose(2, 3).reshape(canvases, count, 3, size * size)


def _inside(hole: Tensor, size: int) -> Tensor:
    """Which pixels of the cuts lie in their hole (B, N, 4): (B, N, size²)."""
    place = _square(size, hole.device)
    x, y = ((place[axis] - hole[..., axis, None]).abs() < hole[..., axis + 2, None] for axis in (0, 1))
    return x & y

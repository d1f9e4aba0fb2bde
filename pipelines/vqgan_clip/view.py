"""A picture as a camera sees it that has moved a little.

The warp is one affine resampling of float pixels with exact centres: no motion changes no pixel, a move with its
opposite afterwards ends where it began, and nothing is rounded to 8 bits on the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FILLS = ("reflect", "edge", "wrap", "black")
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class Motion:
    """How the camera moves from one frame to the next.

    `zoom` is the factor by which it comes closer (1 stays, 1.02 comes 2 % closer). `pan_x` and `pan_y` are per cent of
    the width and height by which it goes to the right and down; the picture goes the other way. `rotate` is the degrees
    by which it turns clockwise. It pans first, along its old axes, then turns and zooms about the new centre.
    """

    zoom: float = 1.0
    pan_x: float = 0.0
    pan_y: float = 0.0
    rotate: float = 0.0


STILL = Motion()


UNMOVED: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def matrix(motion: Motion, width: int, height: int) -> Matrix:
    """Where a point of the new view lies in the old one: two rows of an affine map of coordinates in [-1, 1].

    -1 and 1 are the outer edges of the picture of `width` x `height` pixels, y grows downwards, as
    `torch.nn.functional.affine_grid` has them with align_corners=False.
    """
    turn = math.radians(motion.rotate)
    cosine, sine = math.cos(turn) / motion.zoom, math.sin(turn) / motion.zoom
    # Angles are those of the picture in pixels, where a unit of x and of y are not equally long.
    return (
        (cosine, -sine * height / width, motion.pan_x / 50),
        (sine * width / height, cosine, motion.pan_y / 50),
    )


def times(one: Matrix, other: Matrix) -> Matrix:
    """The map that first does `other` and then `one`."""
    columns = [*zip(*other, strict=True)]
    full = [(*column, last) for column, last in zip(columns, (0.0, 0.0, 1.0), strict=True)]
    first, second = (tuple(sum(a * b for a, b in zip(row, column, strict=True)) for column in full) for row in one)
    return first, second


def inverse(view: Matrix) -> Matrix:
    """The map that undoes `view`."""
    (a, b, x), (c, d, y) = view
    area = a * d - b * c
    return (d / area, -b / area, (b * y - d * x) / area), (-c / area, a / area, (c * x - a * y) / area)


def warp(pixels: Tensor, view: Matrix, fill: str = "reflect") -> Tensor:
    """Pixels (B, 3, H, W) float in [0, 1] as seen in another view (see `matrix`), in the same form, without gradient.

    Bicubic, clamped to [0, 1]. What was outside the picture is its mirror image ("reflect"), its outermost pixels
    drawn out ("edge"), its other side ("wrap") or "black". A view that is the same gives back `pixels` itself.
    Raises ValueError for another `fill`.
    """
    return pixels if view == UNMOVED else _sampled(pixels, view, fill, "bicubic").clamp(0, 1)


def warp_latent(latent: Tensor, view: Matrix, fill: str = "reflect") -> Tensor:
    """A latent (B, C, h, w), or what an optimiser keeps for each of its values, in another view, without gradient.

    Bilinear, so that nothing leaves the range it had: squares of gradients stay above 0, latents inside the codebook.
    Beyond the edges of a "black" picture it is the edge that goes on, because 0 is no black in a latent.
    """
    return latent if view == UNMOVED else _sampled(latent, view, "edge" if fill == "black" else fill, "bilinear")


def covered(pixels: Tensor, view: Matrix, fill: str = "reflect") -> Tensor:
    """How much of each pixel of `warp(pixels, view, fill)` was inside the picture, (B, 1, H, W) in [0, 1].

    All of it with "wrap", to which nothing is outside.
    """
    inside = pixels.new_ones(len(pixels), 1, *pixels.shape[-2:])
    return inside if fill == "wrap" or view == UNMOVED else _sampled(inside, view, "black", "bilinear")


def _sampled(values: Tensor, view: Matrix, fill: str, mode: str) -> Tensor:
    import torch
    import torch.nn.functional as F

    if fill not in FILLS:
        raise ValueError(f"fill is {fill!r}, allowed are {', '.join(FILLS)}")
    height, width = values.shape[-2:]
    with torch.no_grad():
        # The grid is worked out in double precision: at 1,000 pixels single precision is off by a part of a level.
        theta = torch.tensor(view, dtype=torch.float64, device="cpu").expand(len(values), 2, 3)
        grid = F.affine_grid(theta, list(values.shape), align_corners=False)
        if fill == "wrap":
            grid = torch.remainder(grid + 1, 2) - 1
            values = F.pad(values, (2, 2, 2, 2), mode="circular")  # what bicubic looks at beyond the seam
            grid = grid * torch.tensor([width / (width + 4), height / (height + 4)], dtype=grid.dtype)
        beyond = {"reflect": "reflection", "edge": "border", "wrap": "border", "black": "zeros"}[fill]
        grid = grid.to(values.device, values.dtype)
        return F.grid_sample(values, grid, mode=mode, padding_mode=beyond, align_corners=False)

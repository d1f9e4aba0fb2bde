"""The geometry and colour of cut-outs as small matrices, one per cut.

All matrices of places act on columns (x, y, 1) with x to the right and y down, each in [-1, 1] from edge to edge.
They lead from a cut to the canvas it looks at ("which place of the canvas does this place of the cut show?"), so a
crop, a rotation and a perspective are one product, and the canvas is sampled once however many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def placed(centre: Tensor, half: Tensor) -> Tensor:
    """The whole cut shows the rectangle around `centre` (N, 2) with half sides `half` (N, 2): (N, 3, 3)."""
    import torch

    matrix = torch.zeros(len(centre), 3, 3, dtype=centre.dtype)
    matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, 2, 2] = half[:, 0], half[:, 1], 1
    matrix[:, :2, 2] = centre
    return matrix


def affine(angle: Tensor, shift: Tensor, shear: Tensor) -> Tensor:
    """A rotation by `angle` (N,) radians, a shift (N, 2) in units of half a cut, a shear (N,) radians: (N, 3, 3)."""
    import torch

    cos, sin, slope = angle.cos(), angle.sin(), shear.tan()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = (cos, cos * slope - sin, shift[:, 0], sin, sin * slope + cos, shift[:, 1], zero, zero, one)
    return torch.stack(rows, 1).view(-1, 3, 3)


def perspective(corners: Tensor) -> Tensor:
    """The homography that sends the cut's corners to `corners` (N, 4, 2): (N, 3, 3).

    The corners are in the order top left, top right, bottom right, bottom left, and must make a convex figure.
    """
    import torch

    square = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)
    x, y = square[:, 0].expand(len(corners), 4), square[:, 1].expand(len(corners), 4)
    u, v = corners[..., 0].double(), corners[..., 1].double()
    zero, one = torch.zeros_like(u), torch.ones_like(u)
    # u (g x + h y + 1) = a x + b y + c and the same for v: two equations for each corner, eight unknowns.
    left = torch.stack([torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1),
                        torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)], 2)  # fmt: skip
    right = torch.stack([u, v], 2)
    eight = torch.linalg.solve(left.reshape(-1, 8, 8), right.reshape(-1, 8))
    return torch.cat([eight, torch.ones(len(eight), 1, dtype=eight.dtype)], 1).view(-1, 3, 3).to(corners.dtype)


def colours(brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Changes of colour, each (N,), as (N, 3, 4): a matrix for RGB in [0, 1] and in the last column what is added.

    The first three are factors, 1 for no change: brightness about black, contrast about mid-grey, saturation about
    the grey of equal luma. `hue` is in turns: a rotation of the colour plane of YIQ.
    """
    import torch

    n = len(brightness)
    luma = torch.tensor(LUMA, dtype=brightness.dtype)
    identity = torch.eye(3, dtype=brightness.dtype)
    grey = luma.expand(3, 3)
    saturate = grey + saturation[:, None, None] * (identity - grey)
    to_yiq = torch.tensor([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], dtype=brightness.dtype)
    turn = torch.zeros(n, 3, 3, dtype=brightness.dtype)
    cos, sin = (2 * torch.pi * hue).cos(), (2 * torch.pi * hue).sin()
    turn[:, 0, 0], turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = 1, cos, -sin, sin, cos
    rotate = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    factor = (brightness * contrast)[:, None, None]
    matrix = factor * (rotate @ saturate)
    added = (0.5 * (1 - contrast))[:, None, None].expand(n, 3, 1)
    return torch.cat([matrix, added], 2)

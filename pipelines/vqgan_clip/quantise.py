"""Functions whose gradient is not their own, quantising and clamping; and smoothing of a gradient."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def straight_through(z: Tensor, codes: Tensor) -> Tensor:
    """`codes`, with the gradient passed to `z` as it is (Bengio et al. 2013; van den Oord et al. 2017)."""
    return _functions()[0].apply(z, codes)


def clamp(pixels: Tensor) -> Tensor:
    """`pixels` held in [0, 1]. The gradient passes inside, and outside where following it leads back inside.

    With an ordinary clamp a pixel beyond white would never learn that it has to come back.
    """
    return _functions()[1].apply(pixels)


def smoothed(gradient: Tensor, width: float) -> Tensor:
    """A gradient (B, C, h, w) blurred by a Gaussian of standard deviation `width` cells; below 0.3 as it is.

    Followed at first, it moves large shapes before detail: the steepest descent in a Sobolev space instead of L2
    (Neuberger 1997), where what is rough counts as far away.
    """
    import torch
    import torch.nn.functional as F

    if width < 0.3:
        return gradient
    reach = math.ceil(2.5 * width)
    steps = torch.arange(-reach, reach + 1, device=gradient.device, dtype=gradient.dtype)
    kernel = torch.exp(-(steps**2) / (2 * width**2))
    kernel = (kernel / kernel.sum()).expand(gradient.shape[1], 1, 1, -1)
    padded = F.pad(gradient, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel, groups=gradient.shape[1])
    return F.conv2d(across, kernel.mT, groups=gradient.shape[1])


@cache
def _functions() -> tuple[Any, Any]:
    # Made on first use: a class needs its base when it is defined, and importing a module must not import torch.
    import torch

    class StraightThrough(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, z: Tensor, codes: Tensor) -> Tensor:
            return codes.clone()

        @staticmethod
        def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
            return gradient, None

    class Clamp(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, pixels: Tensor) -> Tensor:
            context.save_for_backward(pixels)
            return pixels.clamp(0, 1)

        @staticmethod
        def backward(context: Any, gradient: Tensor) -> Tensor:
            (pixels,) = context.saved_tensors
            return gradient * (gradient * (pixels - pixels.clamp(0, 1)) >= 0)

    return StraightThrough, Clamp

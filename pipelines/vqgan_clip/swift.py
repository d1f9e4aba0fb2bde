"""What makes thousands of equal steps on a CPU quicker without changing what they compute."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

_TRIM, _MMAP = -1, -3  # the names of glibc's malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
_KEEP, _USUAL = 2**30, 2**25  # bytes; the latter is where glibc's own adjustment ends


@contextmanager
def quick(vqgan: Any) -> Iterator[None]:
    """Inside the block, on a CPU, the decoder of `vqgan` makes its pictures larger in one go and memory is kept.

    Both are undone at the end. May hold a `yield` of a pipeline: no state of torch is changed.
    """
    if vqgan.device.type != "cpu":
        yield
        return
    layers = _upsamplers(vqgan.network.decoder)
    for layer in layers:
        layer.forward = partial(_enlarged, kernel=_one_kernel(layer.conv.weight), bias=layer.conv.bias)
    _keep_memory(True)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # which uncovers that of the class
        _keep_memory(False)


def _upsamplers(network: nn.Module) -> list[Any]:
    """diffusers' layers that double a picture and convolve it by 3 × 3."""
    from diffusers.models.upsampling import Upsample2D
    from torch import nn

    def fits(layer: nn.Module) -> bool:
        if not isinstance(layer, Upsample2D) or layer.norm is not None or layer.use_conv_transpose:
            return False
        conv = getattr(layer, "conv", None)
        return isinstance(conv, nn.Conv2d) and (conv.kernel_size, conv.padding, conv.groups) == ((3, 3), (1, 1), 1)

    return [layer for layer in network.modules() if fits(layer)]


def _one_kernel(weight: Tensor) -> Tensor:
    """The kernel (I, O, 4, 4) of the transposed convolution that does both: 4 products for each pixel instead of 9.

    Doubling is a transposed convolution by 2 × 2 ones, and two convolutions in a row are one by the convolved kernels.
    """
    turned = weight.detach().flip(-1, -2)
    kernel = weight.new_zeros(*weight.shape[:2], 4, 4)
    for row in (0, 1):
        for column in (0, 1):
            kernel[:, :, row : row + 3, column : column + 3] += turned
    return kernel.transpose(0, 1).contiguous()


def _enlarged(pixels: Tensor, *others: Any, kernel: Tensor, bias: Tensor | None, **more: Any) -> Tensor:
    import torch.nn.functional as F

    return F.conv_transpose2d(pixels, kernel, bias, stride=2, padding=1)


def _keep_memory(keep: bool) -> None:
    """Whether glibc keeps what is freed, or gives it back.

    By its habit a block of some megabytes goes back to the system whenever it is freed, and comes again in pages that
    are zeroed one by one: a fifth of the time of a step, whose blocks are always the same. Other systems do as they do.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        return  # not glibc
    library.mallopt(_MMAP, _KEEP if keep else _USUAL)
    library.mallopt(_TRIM, 2 * _KEEP - 1 if keep else 2 * _USUAL)
    if not keep:
        library.malloc_trim(0)

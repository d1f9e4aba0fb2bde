"""The generator of the text-conditional GAN: noise and a sentence become a picture in one pass.

Transposed convolutions as in DCGAN (Radford et al. 2016); the sentence and the noise together scale and shift every
layer, as text does in DF-GAN (Tao et al. 2022). Without batch normalisation: a picture depends on its own row alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky rectifiers
GROUPS = 8


class Modulated(nn.Module):
    """Group normalisation whose scale and shift are told by the style vector, then a leaky rectifier."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, affine=False)
        self.told = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (N, C, H, W), style (N, S) to (N, C, H, W)."""
        scale, shift = self.told(style)[:, :, None, None].chunk(2, 1)
        return F.leaky_relu(self.norm(x) * (1 + scale) + shift, SLOPE)


class Block(nn.Module):
    """Twice the side: a transposed convolution and, where `refine`, a residual convolution at the new size."""

    def __init__(self, c_in: int, c_out: int, style: int, refine: bool) -> None:
        super().__init__()
        self.before, self.grow = Modulated(c_in, style), nn.ConvTranspose2d(c_in, c_out, 4, 2, 1)
        self.between = Modulated(c_out, style) if refine else None
        self.refine = nn.Conv2d(c_out, c_out, 3, 1, 1) if refine else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(N, c_in, H, W) to (N, c_out, 2H, 2W)."""
        x = self.grow(self.before(x, style))
        return x if self.refine is None else x + self.refine(self.between(x, style))


class Generator(nn.Module):
    """`channels` are those at 4, 8, 16, ... pixels; `refined` says up to which side there are two convolutions.

    `noise`, `text`, `words` and `style` are lengths of vectors: of the noise, of the sentence, of what is made of the
    sentence, and of what all layers are told.
    """

    def __init__(self, channels: Sequence[int], refined: int, noise: int, text: int, words: int, style: int) -> None:
        super().__init__()
        self.noise, self.size = noise, 4 * 2 ** (len(channels) - 1)
        self.read = nn.Linear(text, words)
        self.style = nn.Sequential(
            nn.Linear(noise + words, style), nn.LeakyReLU(SLOPE), nn.Linear(style, style), nn.LeakyReLU(SLOPE)
        )
        self.seed = nn.Linear(noise + words, 16 * channels[0])
        self.blocks = nn.ModuleList(
            Block(c_in, c_out, style, refine=8 * 2**k <= refined) for k, (c_in, c_out) in enumerate(pairwise(channels))
        )
        self.last = Modulated(channels[-1], style)
        self.paint = nn.Conv2d(channels[-1], 3, 3, 1, 1)

    def forward(self, noise: Tensor, text: Tensor) -> Tensor:
        """Standard normal noise (N, Z) and sentence vectors of unit length (N, 384) to pictures (N, 3, S, S), [0, 1].

        Nothing is cut off: while training, values may leave [0, 1] a little and feel the way back.
        """
        # A unit vector in 384 dimensions has tiny entries; scaled, they are as loud as the noise.
        told = torch.cat([noise, self.read(text * text.shape[1] ** 0.5)], 1)
        style, x = self.style(told), self.seed(told).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            x = block(x, style)
        return self.paint(self.last(x, style)) * 0.5 + 0.5

"""The generator of the text-conditional GAN: a sentence, noise and remembered neighbours become latents in one pass.

A small U-Net redraws the first neighbour in the latents of the starter VQGAN, as instance-conditioned GANs do (Casanova
et al. 2021); the sentence and the noise together scale and shift every layer, as text does in DF-GAN (Tao et al. 2022).
Without batch normalisation: a picture depends on its own row alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky rectifiers
GROUPS = 8


class Block(nn.Module):
    """A residual block of two convolutions; group normalisation whose scale and shift the style vector tells."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.told = nn.Linear(style, 4 * channels)
        self.norm = nn.GroupNorm(GROUPS, channels, affine=False)
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (N, C, H, W), style (N, S) to (N, C, H, W)."""
        scale, shift, scale_2, shift_2 = self.told(style)[:, :, None, None].chunk(4, 1)
        hidden = self.first(F.leaky_relu(self.norm(x) * (1 + scale) + shift, SLOPE))
        return x + self.second(F.leaky_relu(self.norm(hidden) * (1 + scale_2) + shift_2, SLOPE))


class Generator(nn.Module):
    """`widths` are the channels at full size, half of it, and so on.

    `latents` are the channels of a picture, `planes` those of its neighbours, the first one's latents first; `noise`,
    `text`, `words` and `style` are lengths of vectors: of the noise, of the sentence, of what is made of the sentence,
    and of what all layers are told.
    """

    def __init__(
        self, latents: int, planes: int, widths: Sequence[int], noise: int, text: int, words: int, style: int
    ) -> None:
        super().__init__()
        self.latents, self.noise = latents, noise
        self.read = nn.Linear(text, words)
        self.style = nn.Sequential(
            nn.Linear(noise + words, style), nn.LeakyReLU(SLOPE), nn.Linear(style, style), nn.LeakyReLU(SLOPE)
        )
        self.enter = nn.Conv2d(planes, widths[0], 3, 1, 1)
        self.down = nn.ModuleList(Block(width, style) for width in widths[:-1])
        self.wider = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.middle = nn.ModuleList(Block(widths[-1], style) for _ in range(2))
        self.narrower = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Block(width, style) for width in widths[:-1])
        self.paint = nn.Conv2d(widths[0], latents, 3, 1, 1)
        # An untrained generator gives back the neighbour: everything that it learns is a change of that.
        nn.init.zeros_(self.paint.weight)
        nn.init.zeros_(self.paint.bias)

    def forward(self, noise: Tensor, text: Tensor, neighbours: Tensor) -> Tensor:
        """Standard normal noise (N, Z), sentence vectors of unit length (N, 384) and neighbours (N, planes, H, W), as
        `pictograms_memory.as_channels` gives them, to latents of unit variance (N, latents, H, W)."""
        # A unit vector in 384 dimensions has tiny entries; scaled, they are as loud as the noise.
        style = self.style(torch.cat([noise, self.read(text * text.shape[1] ** 0.5)], 1))
        x, kept = self.enter(neighbours), []
        for block, wider in zip(self.down, self.wider, strict=True):
            x = block(x, style)
            kept.append(x)
            x = wider(F.avg_pool2d(x, 2))
        for block in self.middle:
            x = block(x, style)
        for block, narrower, beside in zip(self.up[::-1], self.narrower[::-1], kept[::-1], strict=True):
            x = narrower(torch.cat([beside, F.interpolate(x, scale_factor=2.0)], 1))
            x = block(x, style)
        return neighbours[:, : self.latents] + self.paint(F.leaky_relu(x, SLOPE))

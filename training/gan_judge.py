"""The discriminator of the GAN: it looks at latents, and also says whether they fit the words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2


class Head(nn.Module):
    """Every cell of a map gives a verdict on looks and on fit (projection, Miyato & Koyama 2018)."""

    def __init__(self, channels: int, text: int) -> None:
        super().__init__()
        self.looks = spectral_norm(nn.Conv2d(channels, 1, 1))
        self.fits = spectral_norm(nn.Linear(text, channels))

    def forward(self, cells: Tensor, texts: Sequence[Tensor]) -> list[Tensor]:
        looks = self.looks(cells).flatten(1)
        return [looks + torch.einsum("nchw,nc->nhw", cells, self.fits(text)).flatten(1) for text in texts]


class Judge(nn.Module):
    """Verdicts above zero say "real, and what the words say". `widths` are the channels at 16, 8 and 4 cells a side.

    Coarse cells see things, fine ones edges: those of half and of a quarter of the size judge. Spectral normalisation
    (Miyato et al. 2018) keeps it from running away.
    """

    def __init__(self, latents: int = 4, widths: Sequence[int] = (96, 160, 256), text: int = 384) -> None:
        super().__init__()
        self.enter = spectral_norm(nn.Conv2d(latents, widths[0], 3, 1, 1))
        self.halve = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairwise(widths))
        self.again = nn.ModuleList(spectral_norm(nn.Conv2d(width, width, 3, 1, 1)) for width in widths[1:])
        self.heads = nn.ModuleList(Head(width, text) for width in widths[1:])
        self.bend = nn.LeakyReLU(SLOPE)

    def forward(self, latents: Tensor, *texts: Tensor) -> list[Tensor]:
        """Latents (N, C, 16, 16), and readings of them, each (N, 384) of unit length, to verdicts (N, 80) each."""
        # A unit vector's entries are tiny, and the normalised layer must not make them larger.
        loud = [text * text.shape[1] ** 0.5 for text in texts]
        x, verdicts = self.bend(self.enter(latents)), []
        for halve, again, head in zip(self.halve, self.again, self.heads, strict=True):
            x = self.bend(halve(x))
            x = x + self.bend(again(x))
            verdicts.append(head(x, loud))
        return [torch.cat(each, 1) for each in zip(*verdicts, strict=True)]

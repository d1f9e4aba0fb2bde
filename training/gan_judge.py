"""The discriminator of the GAN: small heads on frozen, pretrained features (Projected GANs, Sauer et al. 2021).

What a classifier already sees need not be learned by the discriminator, so it teaches from the first steps on and bears
small batches. Every head also says whether the picture fits the words (projection, Miyato & Koyama 2018).
"""

from __future__ import annotations

from itertools import pairwise

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from models.families.efficientnet import MEAN, STD, imagenet_state

CHANNELS = (16, 24, 40, 112, 320)  # of the features at strides 2, 4, 8, 16 and 32
MIXED = (24, 32, 64, 128, 128)  # the same after mixing
WIDTH = 128  # of every head's last map


class Features(nn.Module):
    """EfficientNet-lite0, frozen: pictures (N, 3, S, S) in [0, 1] to maps at strides 2, 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(0, 1, 2, 3, 4))
        self.trunk.load_state_dict(imagenet_state(), strict=False)  # the classifier's head is not part of it
        self.requires_grad_(False).eval()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        return self.trunk((pictures - self.mean) / self.std)

    def train(self, mode: bool = True) -> Features:
        """Stays as it is: batch statistics of generated pictures must not get in."""
        return super().train(False)


class Mixing(nn.Module):
    """Random projections, never trained: across channels, then from coarse to fine across scales.

    A discriminator that sees single channels attends to a few of them only; mixed, it must attend to all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.channels = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(CHANNELS, MIXED, strict=True))
        self.scales = nn.ModuleList(nn.Conv2d(coarse, fine, 3, 1, 1) for fine, coarse in pairwise(MIXED))
        for conv in (*self.channels, *self.scales):
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        self.requires_grad_(False)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        mixed = [self.channels[-1](features[-1])]
        for conv, mix, fine in zip(self.scales[::-1], self.channels[-2::-1], features[-2::-1], strict=True):
            coarse = F.interpolate(conv(mixed[0]), fine.shape[-2:], mode="bilinear", align_corners=False)
            mixed.insert(0, mix(fine) + coarse)
        return mixed


class Head(nn.Module):
    """Halves a map until it is 4 x 4; each of its cells then judges looks and fit."""

    def __init__(self, channels: int, halvings: int, text: int = 384) -> None:
        super().__init__()
        widths = [channels, *(min(channels * 2**k, WIDTH) for k in range(1, halvings)), WIDTH]
        layers: list[nn.Module] = []
        for k, (a, b) in enumerate(pairwise(widths)):
            conv = nn.Conv2d(a, b, 4, 2, 1) if k < halvings else nn.Conv2d(a, b, 3, 1, 1)
            layers += [spectral_norm(conv), nn.GroupNorm(8, b), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.looks = spectral_norm(nn.Conv2d(WIDTH, 1, 1))
        self.fits = spectral_norm(nn.Linear(text, WIDTH))

    def forward(self, x: Tensor, *texts: Tensor) -> list[Tensor]:
        """A map and one or more readings of it, each (N, 384) of unit length, to a verdict (N, cells) per reading."""
        cells = self.body(x)
        looks = self.looks(cells).flatten(1)
        return [looks + torch.einsum("nchw,nc->nhw", cells, self.fits(text)).flatten(1) for text in texts]


class Judge(nn.Module):
    """All heads on mixed features; verdicts above zero say "real, and what the words say"."""

    def __init__(self) -> None:
        super().__init__()
        self.mixing = Mixing()
        self.heads = nn.ModuleList(Head(channels, max(3 - k, 0)) for k, channels in enumerate(MIXED))

    def forward(self, features: list[Tensor], *texts: Tensor) -> list[Tensor]:
        """Features of pictures, and readings of them (N, 384), to verdicts (N, cells of all heads) per reading."""
        verdicts = [head(x, *texts) for head, x in zip(self.heads, self.mixing(features), strict=True)]
        return [torch.cat(each, 1) for each in zip(*verdicts, strict=True)]


class Augmentation:
    """Differentiable augmentation (Zhao et al. 2020), light: a shift, a change of brightness, a hole.

    Drawn once and applied to real and generated pictures of one text alike, so that they stay comparable.
    """

    def __init__(self, count: int, size: int, device: torch.device) -> None:
        self.size, self.reach = size, size // 8
        self.shift = torch.randint(-self.reach, self.reach + 1, (count, 2, 1), device=device)
        self.light = torch.empty(count, 1, 1, 1, device=device).uniform_(-0.1, 0.1)
        self.hole = torch.randint(size, (count, 2, 1), device=device)
        self.holed = torch.rand(count, 1, 1, device=device) < 0.5

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S), N a multiple of ``count``: picture k gets what was drawn for k modulo ``count``."""
        times, axis = len(pictures) // len(self.shift), torch.arange(self.size, device=pictures.device)
        near = ((axis - self.hole).abs() <= self.size // 6)[:, :, None]
        hole = (near[:, 0] & near[:, 1].transpose(1, 2) & self.holed)[:, None].repeat(times, 1, 1, 1)
        # At the edges the last pixels are repeated, which leaves plain backgrounds plain.
        y, x = (axis + self.shift).clamp(0, self.size - 1).repeat(times, 1, 1).unbind(1)
        rows = torch.arange(len(pictures), device=pictures.device)[:, None, None]
        moved = pictures.permute(0, 2, 3, 1)[rows, y[:, :, None], x[:, None]].permute(0, 3, 1, 2)
        return (moved + self.light.repeat(times, 1, 1, 1)).masked_fill(hole, 0.5)

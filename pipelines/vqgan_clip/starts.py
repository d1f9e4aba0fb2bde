"""What a canvas looks like before the first step."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STARTS = ("draft", "noise", "perlin", "gradient", "flat", "spot", "image", "checkpoint")
OCTAVES = 5
LIGHT, STRONG = (0.15, 0.95), (0.6, 0.7)  # saturation and value
SPOTS = 32  # of which one is chosen
RADIUS = 0.3  # of the spot, as a share of the canvas's short side


def generator(seed: int, purpose: str, device: str = "cpu") -> torch.Generator:
    """A generator of its own for each purpose ("start", "cuts", "noise", ...), so that none disturbs another."""
    import numpy as np
    import torch

    words = [seed, *purpose.encode()]
    state = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(state % 2**63)


def first_latent(vqgan: Any, start: str, size: tuple[int, int], seed: int, picture: Tensor | None) -> Tensor:
    """The latent (1, C, h, w) of a canvas of `size` (H, W); "image" and "draft" begin with `picture` (1, 3, H, W)."""
    height, width = size
    random = generator(seed, "start")
    if start in ("noise", "checkpoint"):  # the latter is overwritten at once
        return vqgan.random(1, height // vqgan.factor, width // vqgan.factor, random).float()
    if start in ("image", "draft"):
        assert picture is not None
        pixels = picture
    else:
        pixels = {"perlin": perlin, "gradient": gradient, "flat": flat, "spot": spot}[start](height, width, random)
    return vqgan.encode(pixels.to(vqgan.device)).float()


def perlin(height: int, width: int, random: torch.Generator) -> Tensor:
    """Fractal colour noise (1, 3, H, W) in [0, 1]: gradient noise (Perlin 1985, 2002) in five octaves."""
    import torch

    total = torch.zeros(3, height, width)
    for octave in range(OCTAVES):
        cells = 2 ** (octave + 1)
        total += _gradient_noise(height, width, cells, random) / 2**octave
    low, high = total.amin((1, 2), keepdim=True), total.amax((1, 2), keepdim=True)
    return ((total - low) / (high - low).clamp(min=1e-6))[None]


def gradient(height: int, width: int, random: torch.Generator) -> Tensor:
    """A smooth course from one colour to another in a random direction, (1, 3, H, W) in [0, 1]."""
    import torch

    angle = 2 * torch.pi * torch.rand((), generator=random)
    first, second = torch.rand(2, 3, 1, 1, generator=random)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    way = x * angle.cos() + y * angle.sin()
    share = (way - way.min()) / (way.max() - way.min())
    return (first + (second - first) * share)[None].clamp(0, 1)


def flat(height: int, width: int, random: torch.Generator) -> Tensor:
    """One random colour all over, (1, 3, H, W) in [0, 1]."""
    import torch

    return torch.rand(1, 3, 1, 1, generator=random).expand(1, 3, height, width)


def spot(height: int, width: int, random: torch.Generator) -> Tensor:
    """A soft round spot of a random strong colour in the middle of a random light one, (1, 3, H, W) in [0, 1].

    A canvas with a figure and a ground invites one subject where an even one invites a pattern of many.
    """
    import torch

    hues = torch.rand(2, generator=random).tolist()
    ground, figure = (torch.tensor(hsv_to_rgb(hue, *rest)) for hue, rest in zip(hues, (LIGHT, STRONG), strict=True))
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    distance = ((x - width / 2).square() + (y - height / 2).square()).sqrt() / min(height, width)
    inside = torch.sigmoid((RADIUS - distance) * 50)[None, None]
    return torch.lerp(ground.view(1, 3, 1, 1), figure.view(1, 3, 1, 1), inside)


def spots(height: int, width: int, random: torch.Generator) -> Tensor:
    """Spots of different colours to choose from, (SPOTS, 3, H, W) in [0, 1]."""
    import torch

    return torch.cat([spot(height, width, random) for _ in range(SPOTS)])


def _gradient_noise(height: int, width: int, cells: int, random: torch.Generator) -> Tensor:
    """One octave, (3, H, W) about 0: random slopes at the corners of `cells` per side, blended in between."""
    import torch

    angles = 2 * torch.pi * torch.rand(3, cells + 1, cells + 1, generator=random)
    y = torch.arange(height) * cells / height
    x = torch.arange(width) * cells / width
    row, column = y.long()[:, None], x.long()[None, :]
    v, u = (y % 1)[:, None], (x % 1)[None, :]

    def slope(down: int, right: int) -> Tensor:
        angle = angles[:, row + down, column + right]
        return angle.cos() * (u - right) + angle.sin() * (v - down)

    def fade(t: Tensor) -> Tensor:  # its first two derivatives vanish at the corners, so no grid shows
        return t**3 * (t * (6 * t - 15) + 10)

    top = torch.lerp(slope(0, 0), slope(0, 1), fade(u))
    bottom = torch.lerp(slope(1, 0), slope(1, 1), fade(u))
    return torch.lerp(top, bottom, fade(v))

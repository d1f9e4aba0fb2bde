"""What the starter pack's text-to-image models share: VQGAN, memory, sentence encoder, and how they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families.pictograms_memory import NEIGHBOURS, SIDE, Memory, as_channels, chances_of, offsets
from models.families.pictograms_query import lookups, split_pair, wanted_colours, wanted_style

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.families.sentence import SentenceEncoder

SIZE = 128  # pixels; what the memory holds
VQGAN, MEMORY = "pictograms-vqgan", "pictograms-ldm"  # folders beside a model's own


class Painter:
    """Paints latents after remembered neighbours. `facts` holds `mean` and `std` of the latents, by channel."""

    def __init__(self, vqgan: nn.Module, memory: Memory, sentence: SentenceEncoder, facts: Mapping[str, Any]) -> None:
        import torch

        self.vqgan, self.memory, self.sentence = vqgan.eval().requires_grad_(False), memory, sentence
        self.mean, self.std = (torch.tensor(facts[name])[:, None, None] for name in ("mean", "std"))

    def neighbours(self, prompt: str, seeds: Sequence[int]) -> Tensor:
        """Each candidate's own draw from the memory: (n, NEIGHBOURS * (C + 1), 16, 16)."""
        import torch

        pair, style = split_pair(prompt), wanted_style(prompt)
        if pair is None:
            return self.redrawn_from(prompt, seeds)
        draws = [self._draws(thing, seeds, style, place) for place, thing in enumerate((pair[0], pair[2]))]
        rows = [
            [self.memory.composed(first, second, pair[1]) for first, second in zip(*things, strict=True)]
            for things in zip(*draws, strict=True)
        ]
        return torch.stack([as_channels(pictures, self.mean, self.std) for pictures in rows])

    def redrawn_from(self, thing: str, seeds: Sequence[int], place: int = 0) -> Tensor:
        """The same for one thing, the first or the second (`place` 0 or 1) that a prompt asks for."""
        import torch

        draws = self._draws(thing, seeds, wanted_style(thing), place)
        rows = [list(self.memory.latents(drawn)) for drawn in draws]
        return torch.stack([as_channels(pictures, self.mean, self.std) for pictures in rows])

    def _draws(self, thing: str, seeds: Sequence[int], style: str | None, place: int) -> list[list[int]]:
        """NEIGHBOURS pictures of the memory for each seed."""
        vectors, colours = self.sentence.encode(list(lookups(thing))).cpu(), wanted_colours(thing)
        return [
            [self.memory.draw(vectors, chance, style, colours) for chance in chances_of(int(seed))[place]]
            for seed in seeds
        ]

    def shown(self, prompt: str, seed: int) -> Tensor:
        """The neighbours that a candidate is given, as pictures (NEIGHBOURS, 3, 128, 128) in [0, 1]."""
        import torch

        planes = self.neighbours(prompt, [seed]).reshape(NEIGHBOURS, len(self.mean) + 1, SIZE // 8, SIZE // 8)
        device = next(self.vqgan.parameters()).device
        with torch.no_grad():
            return self.decode(planes[:, :-1].to(device)).clamp(0, 1).cpu()  # without the mask planes

    def decode(self, latents: Tensor) -> Tensor:
        """Latents of unit variance (n, C, 16, 16) to pictures (n, 3, 128, 128), about [0, 1]."""
        raw = latents * self.std.to(latents) + self.mean.to(latents)
        # Not rounded to codes: the decoder learned to bear small errors, and rounding costs a decibel.
        return self.vqgan.decode(raw, force_not_quantize=True).sample / 2 + 0.5


def set_out(first: Tensor, second: Tensor, relation: str) -> Tensor:
    """Pictures (n, 3, 128, 128) of two things, each alone on white, at half size where `relation` says."""
    import torch
    import torch.nn.functional as F

    canvas, half = torch.ones_like(first), SIZE // 2
    for alone, corner in zip((first, second), offsets(relation), strict=True):
        y, x = (cells * SIZE // SIDE for cells in corner)
        canvas[:, :, y : y + half, x : x + half] = F.interpolate(alone.clamp(0, 1), (half, half), mode="area")
    return canvas


def read_shared(weights: Path) -> tuple[nn.Module, Memory]:
    """The VQGAN and the memory from their folders in `weights`."""
    from diffusers import VQModel

    vqgan = VQModel.from_pretrained(weights / VQGAN)
    return vqgan, Memory.read(weights / MEMORY, vqgan.quantize.embedding.weight)

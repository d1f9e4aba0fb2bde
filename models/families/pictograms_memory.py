"""The memory of the starter pack's diffusion model: pictograms as VQGAN codes, found by what a prompt says.

Retrieval-augmented diffusion (Blattmann et al. 2022; Re-Imagen, Chen et al. 2022): a small network that is shown a few
related pictures only has to draw a new one from them. Every candidate gets its own draw of neighbours, from its seed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families.pictograms_query import COLOURS, STYLES

if TYPE_CHECKING:
    from torch import Tensor

# The golden and the silver ratio, in 64-bit fractions: their multiples fill [0, 1) most evenly (Weyl sequences).
_STEPS = tuple(int(2**64 * ratio) for ratio in ((5**0.5 - 1) / 2, 2**0.5 - 1))
NEIGHBOURS = 2  # pictures shown to the network
NEAREST = 6  # concepts that a candidate's neighbours are drawn from
TEMPERATURE = 0.05  # cosine; how strongly the draw prefers the nearest concept
# How often each style is drawn when the prompt names none: few people who ask for a pizza mean a black line drawing.
UNASKED = {"3D": 1.0, "flat": 1.0, "cartoon": 1.0, "high contrast": 0.05, "clip art": 0.5}
SIDE = 16  # latents are (C, 16, 16): 128 pixels at factor 8


def offsets(relation: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Top left corners (y, x), in latent cells, of the two half-size pictures of a composition."""
    low, middle, high = 0, SIDE // 4, SIDE // 2
    places = {
        "next to": ((middle, low), (middle, high)),
        "to the left of": ((middle, low), (middle, high)),
        "to the right of": ((middle, high), (middle, low)),
        "above": ((low, middle), (high, middle)),
        "below": ((high, middle), (low, middle)),
    }
    return places[relation]


@dataclass(frozen=True)
class Memory:
    """Pictograms and their concepts. N pictures, K concepts.

    full (N, 256) and half (N, 64): code numbers; concept_of (N,): concept of each picture; vectors (K, 2, 384):
    MiniLM unit vectors of the concept's name and of its name with keywords; white (4,): latent of empty paper;
    codebook (V, C); names: the concepts' names; style_of (N,): place of
    each picture's style in ``pictograms_query.STYLES``; colours_of (N, 12) bool: which COLOURS it mainly has. The
    first ``trained`` pictures were training data, the others were kept out of it.
    """

    full: Tensor
    half: Tensor
    concept_of: Tensor
    vectors: Tensor
    white: Tensor
    codebook: Tensor
    names: tuple[str, ...]
    trained: int
    style_of: Tensor
    colours_of: Tensor

    @classmethod
    def read(cls, folder: Path, codebook: Tensor) -> Memory:
        """From ``memory-*.safetensors`` and ``memory.json``."""
        from safetensors.torch import load_file

        parts: dict[str, Tensor] = {}
        for shard in sorted(folder.glob("memory*.safetensors")):
            parts |= load_file(shard)
        facts: dict[str, Any] = json.loads((folder / "memory.json").read_text())
        return cls(
            full=parts["full"].long(),
            half=parts["half"].long(),
            concept_of=parts["concept_of"].long(),
            vectors=parts["vectors"].float() * parts["scale"],
            white=parts["white"].float(),
            codebook=codebook.float().cpu(),
            names=tuple(facts["names"]),
            trained=facts["trained"],
            style_of=parts["style_of"].long(),
            colours_of=parts["colours_of"].bool(),
        )

    def seen_in_training(self) -> Memory:
        """Without the pictures that were kept out of training: what a fair evaluation may use."""
        concepts = int(self.concept_of[: self.trained].max()) + 1
        return replace(
            self,
            full=self.full[: self.trained],
            half=self.half[: self.trained],
            concept_of=self.concept_of[: self.trained],
            vectors=self.vectors[:concepts],
            names=self.names[:concepts],
            style_of=self.style_of[: self.trained],
            colours_of=self.colours_of[: self.trained],
        )

    def latents(self, rows: Sequence[int], *, half: bool = False) -> Tensor:
        """Quantised latents (n, C, 16, 16) of pictures, or (n, C, 8, 8) of their half-size versions."""
        import torch

        side = SIDE // 2 if half else SIDE
        codes = (self.half if half else self.full)[torch.as_tensor(list(rows))]
        return self.codebook[codes].reshape(len(codes), side, side, -1).permute(0, 3, 1, 2)

    def composed(self, first: int, second: int, relation: str) -> Tensor:
        """Two pictures at half size on white, in the places that ``relation`` says: (C, 16, 16)."""
        canvas = self.white[:, None, None].expand(-1, SIDE, SIDE).clone()
        for row, (y, x) in zip((first, second), offsets(relation), strict=True):
            canvas[:, y : y + SIDE // 2, x : x + SIDE // 2] = self.latents([row], half=True)[0]
        return canvas

    def concepts_near(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cosines and numbers of the concepts nearest to text vectors (k, 384), best first, each (NEAREST,)."""
        similarity = (self.vectors @ vectors.T).amax(1).mean(1)  # (K, 2, k): best name, then all lookups
        nearest = similarity.topk(min(NEAREST, len(similarity)))
        return nearest.values, nearest.indices

    def draw(self, vectors: Tensor, chance: float, style: str | None = None, colours: Sequence[str] = ()) -> int:
        """One picture for text vectors (k, 384): of a near concept, nearer ones more often, and rather in that style
        and those colours. `chance` in [0, 1) says which, from the likeliest on; near ones often mean the same picture.
        """
        import torch

        values, concepts = self.concepts_near(vectors)
        chances = ((values - values.max()) / TEMPERATURE).exp()
        members = torch.isin(self.concept_of, concepts).nonzero()[:, 0]
        near = self.concept_of[members, None] == concepts  # (m, NEAREST)
        weight = (near * chances).sum(1) * self._fitness(members, style, colours)
        likeliest = weight.argsort(descending=True, stable=True)
        shares = weight[likeliest].double().cumsum(0)
        place = int(torch.searchsorted(shares, chance * shares[-1], right=True))
        return int(members[likeliest[min(place, len(members) - 1)]])

    def _fitness(self, members: Tensor, style: str | None, colours: Sequence[str]) -> Tensor:
        """How welcome pictures (m,) are, by style and colour: factors (m,). Where several hands drew a concept in
        one style, that style is drawn more often by the square root of their number only: all styles shall be seen."""
        import torch

        names = tuple(STYLES)
        styles = torch.tensor([UNASKED[name] if style is None else (1.0 if name == style else 0.1) for name in names])
        alike = self.concept_of[members] * len(names) + self.style_of[members]
        _, which, counts = alike.unique(return_inverse=True, return_counts=True)
        factor = styles[self.style_of[members]] / counts[which].sqrt()
        for colour in colours:
            factor = factor * torch.where(self.colours_of[members, COLOURS.index(colour)], 1.0, 0.15)
        return factor


def as_channels(pictures: list[Tensor | None], mean: Tensor, std: Tensor) -> Tensor:
    """Neighbours as input channels (NEIGHBOURS * (C + 1), 16, 16): latents made unit-variance, and a mask plane each.

    A missing neighbour (None) is all zeros, its mask too. mean and std are (C, 1, 1).
    """
    import torch

    planes = []
    for picture in pictures:
        if picture is None:
            planes.append(torch.zeros(len(mean) + 1, SIDE, SIDE))
        else:
            planes.append(torch.cat([(picture - mean) / std, torch.ones(1, SIDE, SIDE)]))
    return torch.cat(planes)


def chances_of(seed: int) -> list[list[float]]:
    """Where in [0, 1) a candidate draws: its NEIGHBOURS for the first thing that it shows, and for the second.

    The first neighbours of seeds that follow each other lie far apart, so candidates differ as much as the memory lets
    them; the others are drawn at random.
    """
    import numpy as np

    rng = np.random.default_rng([seed, 0x6D656D])
    first = [(seed * step % 2**64) / 2**64 for step in _STEPS]
    return [[chance, *rng.random(NEIGHBOURS - 1).tolist()] for chance in first]

"""What the painters are trained on: cached latents, captions and neighbours."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.families.pictograms_ground import GROUNDS, ground_of
from models.families.pictograms_memory import NEIGHBOURS, Memory, as_channels
from training.pictures import Pictograms

EDITED = 0.15  # mean squared change of unit-variance latents; rounding to codes alone changes them by about 0.04


def alone(sample: dict[str, Any]) -> bool:
    """One thing on white: a painter is never asked for more (``things_alone``, ``ground_of``)."""
    return not sample["relation"] and ground_of(sample["caption"])[1] in (None, GROUNDS["white"])


class Batches:
    """Cached latents with captions and neighbours, as the network is trained on them.

    ``wanted`` leaves samples out; ``mean`` and ``std`` are always those of all.
    """

    def __init__(
        self,
        folder: Path,
        data: Pictograms,
        memory: Memory,
        seed: int,
        wanted: Callable[[dict[str, Any]], bool] = lambda sample: True,
    ) -> None:
        self.latents = load_file(folder / "samples.safetensors")["latents"]
        with open(folder / "samples.jsonl") as file:
            self.samples = [json.loads(line) for line in file]
        self.memory, self.rng = memory, np.random.default_rng(seed)
        self.position = {int(row): k for k, row in enumerate(data.rows)}
        self.members: dict[int, list[int]] = defaultdict(list)
        for k, concept in enumerate(memory.concept_of.tolist()):
            self.members[concept].append(k)
        similarity = torch.einsum("ad,bd->ab", memory.vectors[:, 1], memory.vectors[:, 1]).fill_diagonal_(-1)
        self.near = similarity.topk(min(6, len(similarity))).indices
        everything = self.latents.float()
        self.mean = everything.mean((0, 2, 3))[:, None, None]
        self.std = everything.std((0, 2, 3))[:, None, None]
        kept = [k for k, sample in enumerate(self.samples) if wanted(sample)]
        self.latents, self.samples = self.latents[kept], [self.samples[k] for k in kept]
        self.lookalike, self.is_edited = self.lookalikes(), self.edited()

    def lookalikes(self) -> dict[int, int]:
        """For each picture that has others of its concept, the one whose latents differ least from it."""
        found = {}
        for members in self.members.values():
            if len(members) > 1:
                flat = self.memory.latents(members).flatten(1)
                nearest = torch.cdist(flat, flat).fill_diagonal_(torch.inf).argmin(1)
                found |= {k: members[int(other)] for k, other in zip(members, nearest, strict=True)}
        return found

    def edited(self) -> Tensor:
        """Whether each sample differs from what it was made of: recoloured, on a background, or a pair; (M,)."""
        firsts = [self.position[sample["rows"][0]] for sample in self.samples]
        change = torch.cat(
            [
                ((latents.float() - self.memory.latents(rows)) / self.std).square().mean((1, 2, 3))
                for latents, rows in zip(
                    self.latents.split(1024), (firsts[k : k + 1024] for k in range(0, len(firsts), 1024)), strict=True
                )
            ]
        )
        pairs = torch.tensor([len(sample["rows"]) == 2 for sample in self.samples])
        return pairs | (change > EDITED)

    def neighbour(self, k: int) -> int:
        """Another picture of the same concept, or now and then one of a related concept. Never the picture itself."""
        concept = int(self.memory.concept_of[k])
        others = [member for member in self.members[concept] if member != k]
        if others and self.rng.random() < 0.75:
            return int(self.rng.choice(others))
        return int(self.rng.choice(self.members[int(self.rng.choice(self.near[concept].numpy()))]))

    def close_neighbour(self, k: int, edited: bool) -> int:
        """The original of an edited picture, so that edits are learned; else mostly the lookalike, in another style."""
        if edited and self.rng.random() < 0.6:
            return k
        return self.lookalike[k] if k in self.lookalike and self.rng.random() < 0.8 else self.neighbour(k)

    def help(self, pick: int, drop_all: bool, itself: float = 0.0) -> Tensor:
        """Neighbour channels (NEIGHBOURS * (C + 1), 16, 16) for one sample: a close neighbour first, then others.

        ``itself``: how often the first is the picture itself as it was before it was edited.
        """
        if drop_all:
            return as_channels([None] * NEIGHBOURS, self.mean, self.std)
        sample, pictures = self.samples[pick], []
        same = self.rng.random() < itself
        for place in range(NEIGHBOURS):
            mine = [self.position[row] for row in sample["rows"]]
            if place:
                rows = [self.neighbour(k) for k in mine]
            else:
                rows = mine if same else [self.close_neighbour(k, bool(self.is_edited[pick])) for k in mine]
            if self.rng.random() < (0.1 if place else 0.03):
                pictures.append(None)
            elif len(rows) == 2:
                pictures.append(self.memory.composed(*rows, sample["relation"]))
            else:
                pictures.append(self.memory.latents(rows)[0])
        return as_channels(pictures, self.mean, self.std)

    def draw(self, n: int, itself: float = 0.0) -> tuple[Tensor, Tensor, list[str]]:
        """Standardised latents (n, C, 16, 16), neighbour channels, captions ("" where the text is dropped).

        ``itself`` as in `help`."""
        picks = self.rng.integers(len(self.samples), size=n)
        dropped = self.rng.random(n)
        captions, helps = [], []
        for pick, chance in zip(picks, dropped, strict=True):
            sample = self.samples[pick]
            captions.append("" if chance < 0.12 else sample["caption"])  # 8 % lose all, 4 % the text, 8 % the pictures
            helps.append(self.help(int(pick), drop_all=chance < 0.08 or chance > 0.92, itself=itself))
        latents = (self.latents[torch.from_numpy(picks)].float() - self.mean) / self.std
        return latents, torch.stack(helps), captions

    def matched(self, n: int, itself: float = 0.0) -> tuple[Tensor, Tensor, list[str], list[str]]:
        """As `draw`, but nothing is dropped, and beside each caption there is one that is not true of the picture:
        an almost true one every other time, where there is such a one, else another picture's. ``itself`` as in `help`.
        """
        picks = self.rng.integers(len(self.samples), size=n)
        chosen, almost = [self.samples[pick] for pick in picks], self.rng.random(n) < 0.5
        captions = [sample["caption"] for sample in chosen]
        # Another picture's caption can be true by chance, seldom enough not to mind.
        others = [*captions[1:], captions[0]]
        wrongs = [
            sample["wrong"] if use and sample["wrong"] else other
            for sample, use, other in zip(chosen, almost, others, strict=True)
        ]
        latents = (self.latents[torch.from_numpy(picks)].float() - self.mean) / self.std
        return latents, torch.stack([self.help(int(pick), False, itself) for pick in picks]), captions, wrongs

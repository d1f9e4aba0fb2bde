"""A network that is a table of opinions: it thinks of the next token by the last one alone."""

from __future__ import annotations

import itertools

import torch

from models.decoding.search import Search, Tokens, make_search
from models.families.caption_contract import Decoding

SIZE = 24


class Table:
    """`pictures` rows with a table each; `sharp` opinions differ much."""

    def __init__(self, pictures: int = 2, seed: int = 0, sharp: float = 2.0) -> None:
        dice = torch.Generator().manual_seed(seed)
        self.logits = torch.randn(pictures, SIZE + 1, SIZE, generator=dice) * sharp  # the last row: the beginning
        self.rows, self.steps = torch.arange(pictures), 0

    @property
    def opinions(self) -> torch.Tensor:
        return self.logits.log_softmax(-1)

    def first(self) -> torch.Tensor:
        self.steps += 1
        return self.logits[self.rows, SIZE].clone()

    def next(self, tokens: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        assert tokens.shape == source.shape == (len(self.rows), tokens.shape[1])
        return self.logits[self.rows[:, None], tokens].clone()

    def keep(self, pictures: torch.Tensor) -> None:
        self.rows = self.rows[pictures]

    def log_prob(self, picture: int, tokens: tuple[int, ...]) -> float:
        return sum(self.opinions[picture, last, token].item() for last, token in itertools.pairwise((SIZE, *tokens)))


def search(table: Table, known: Tokens | None = None, **decoding) -> Search:
    found = make_search(table, Decoding(**decoding), known or Tokens())
    while not found.finished:
        found.step()
    return found


def texts(found: Search) -> list[list[tuple[int, ...]]]:
    return [[each.tokens for each in row] for row in found.results]

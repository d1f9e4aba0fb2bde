"""Beam search for captions in which given words occur."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from models.decoding.beams import BeamSearch
from models.decoding.search import Hypothesis

Spellings = tuple[tuple[int, ...], ...]


class _Candidate(NamedTuple):
    standing: float
    row: int
    token: int
    total: float


class RequiredSearch(BeamSearch):
    """Beams shared out among hypotheses by how much of the required words they have (Post & Vilar 2018).

    Beside its likeliest tokens, each hypothesis is offered the next token of every word that it lacks; the best
    hypothesis with most of the words, then the best with less, and so on in turn, get a beam. So a word is written
    where it is least out of place. Only what has all words may end, and only that is answered with.
    """

    def choose(self, log_probs: Tensor, first: bool) -> tuple[Tensor, Tensor]:
        """See `Search.choose`."""
        pasts = [[()]] * len(log_probs) if first else self.tokens.tolist()
        log_probs = self._allowed(log_probs, pasts)
        tops = log_probs.topk(self.width)
        values, tokens = tops.values.tolist(), tops.indices.tolist()
        picked = []
        for picture, rows in enumerate(pasts):
            found: dict[tuple[int, int], _Candidate] = {}
            for row, past in enumerate(rows):
                if not first and self.done[picture, row]:
                    found[row, 0] = self._candidate(picture, row, 0, 0.0, first)
                    continue
                offers = dict(zip(tokens[picture][row], values[picture][row], strict=True))
                offers |= {token: float(log_probs[picture, row, token]) for token in self._wanted(past)}
                found |= {(row, each): self._candidate(picture, row, each, offers[each], first) for each in offers}
            picked.append(self._share_out(list(found.values()), rows))
        device = log_probs.device
        self.scores = torch.tensor([[each.total for each in row] for row in picked], device=device)
        chosen, source = (
            torch.tensor([[getattr(each, name) for each in row] for row in picked], device=device)
            for name in ("token", "row")
        )
        return chosen, source

    def over(self) -> Tensor:
        """Done when enough have ended and none that still grows stands better."""
        standing, count = self.standing(), self.decoding.count
        ended = standing.masked_fill(~self.done, float("-inf")).topk(count).values[:, -1]
        growing = standing.masked_fill(self.done, float("-inf")).amax(1)
        return (self.done.sum(1) >= count) & (ended >= growing) | super().over()

    def order(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """See `Search.order`; only those with all words."""
        return super().order([each for each in found if self._progress(each.tokens) == self._total])

    @property
    def _total(self) -> int:
        return sum(len(spellings[0]) for spellings in self.known.required)

    def _candidate(self, picture: int, row: int, token: int, gain: float, first: bool) -> _Candidate:
        if first:
            return _Candidate(gain, row, token, gain)
        total = float(self.scores[picture, row]) + gain
        length = int(self.lengths[picture, row]) + (not self.done[picture, row])
        return _Candidate(total / length**self.decoding.length_penalty, row, token, total)

    def _share_out(self, candidates: list[_Candidate], pasts: list) -> list[_Candidate]:
        """As many as there are beams, from the banks in turn, that with most of the words first; those that have no
        room left for the words they lack come last."""
        banks: dict[int, list[_Candidate]] = {}
        for each in sorted(candidates):
            banks.setdefault(self._progress((*pasts[each.row], each.token)), []).append(each)
        room = self.decoding.max_tokens - self.made - 1
        late = {bank: self._total - bank > room for bank in banks}
        chosen: list[_Candidate] = []
        for part in (False, True):
            ranked = [banks[bank] for bank in sorted(banks, reverse=True) if late[bank] == part]
            while any(ranked) and len(chosen) < self.width:
                chosen += [bank.pop() for bank in ranked if bank][: self.width - len(chosen)]
        return chosen

    def _allowed(self, log_probs: Tensor, pasts: list) -> Tensor:
        """No end before all words are there, and no continuing a required word into another one."""
        short = [[self._progress(past) < self._total for past in rows] for rows in pasts]
        stop = torch.zeros(self.vocabulary, dtype=torch.bool, device=log_probs.device)
        stop[self.stop] = True
        never = torch.tensor(short, device=log_probs.device)[..., None] & stop
        if self.known.continues is not None:
            fresh = torch.tensor([[self._just_written(past) for past in rows] for rows in pasts])
            never = never | (fresh[..., None] & self.known.continues).to(log_probs.device)
        return log_probs.masked_fill(never, float("-inf"))

    def _progress(self, past: tuple[int, ...]) -> int:
        """How many tokens of the required words are there, and of the one that is being written."""
        written = [(_written(spellings, past), len(spellings[0])) for spellings in self.known.required]
        # One word alone is being written, even where several begin alike.
        return sum(n for n, whole in written if n == whole) + max([n for n, whole in written if n < whole], default=0)

    def _just_written(self, past: tuple[int, ...]) -> bool:
        """True when the last token completed a required word."""
        words = self.known.required
        return any(_written(word, past) == len(word[0]) > _written(word, past[:-1]) for word in words)

    def _wanted(self, past: tuple[int, ...]) -> set[int]:
        """The next tokens of all words that are not there yet."""
        wanted = ((spellings[0], _written(spellings, past)) for spellings in self.known.required)
        return {spelling[done] for spelling, done in wanted if done < len(spelling)}


def _written(spellings: Spellings, past: tuple[int, ...]) -> int:
    """How much of a word is in `past`: all of its first spelling's tokens for any spelling, else those at the end."""
    past = tuple(past)
    for each in spellings:
        if any(past[start : start + len(each)] == each for start in range(len(past) - len(each) + 1)):
            return len(spellings[0])
    first = spellings[0]
    return next((n for n in range(len(first) - 1, 0, -1) if past[-n:] == first[:n]), 0)

"""Beam search, as ClipCap has it, and diverse beams."""

from __future__ import annotations

import torch
from torch import Tensor

from models.decoding.search import Continuation, Search, Tokens
from models.families.caption_contract import Decoding


class BeamSearch(Search):
    """The `beams` likeliest hypotheses by log-probability / length ** `length_penalty`, at every step.

    With a penalty of 1 it is the search of ClipCap (Mokady et al. 2021): what has ended keeps its place and its score
    in the list and competes with what still grows; a picture is done when all in its list have ended.
    With groups it is diverse beam search (Vijayakumar et al. 2018): each group searches by itself, paying `diversity`
    for every earlier group that chose the same token at this step.
    """

    def __init__(self, network: Continuation, decoding: Decoding, tokens: Tokens) -> None:
        super().__init__(network, decoding, tokens, decoding.beams)
        self.groups = decoding.groups if decoding.method == "diverse" else 1

    def choose(self, log_probs: Tensor, first: bool) -> tuple[Tensor, Tensor]:
        """See `Search.choose`."""
        if self.groups == 1:
            chosen, source, self.scores = self._choose(log_probs, slice(0, self.width), first)
            return chosen, source
        size, parts = self.width // self.groups, []
        taken = torch.zeros_like(log_probs[:, 0])  # (N, V): how many groups chose a token
        for start in range(0, self.width, size):
            rows = slice(start, start + size)
            mine = log_probs if first else log_probs[:, rows]
            chosen, source, scores = self._choose(mine - self.decoding.diversity * taken[:, None], rows, first)
            parts.append((chosen, source + (0 if first else start), scores))
            taken.scatter_(1, chosen, taken.gather(1, chosen) + 1)
        chosen, source, self.scores = (torch.cat(part, 1) for part in zip(*parts, strict=True))
        return chosen, source

    def order(self, scores: Tensor, lengths: Tensor) -> list[int]:
        """See `Search.order`; with groups, the best of each group comes before any second best."""
        order = super().order(scores, lengths)
        size, seen = self.width // self.groups, dict.fromkeys(range(self.groups), 0)
        rank = {}
        for each in order:
            rank[each] = seen[each // size]
            seen[each // size] += 1
        chosen = sorted(order, key=lambda each: rank[each])[: self.decoding.count] if self.groups > 1 else order
        return sorted(chosen, key=order.index)

    def _choose(self, log_probs: Tensor, rows: slice, first: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The best tokens, sources and scores for the beams `rows`, k of them: (N, k) each."""
        count = rows.stop - rows.start
        if first:
            scores, chosen = log_probs[:, 0].topk(count)
            return chosen, torch.zeros_like(chosen), scores
        done, lengths = self.done[:, rows], self.lengths[:, rows]
        # The best of all are among the best of each hypothesis, and those are quicker to find.
        gains, tokens = log_probs.topk(count)  # (N, k, k)
        totals = self.scores[:, rows, None] + gains
        only = torch.arange(count, device=done.device) == 0
        ended = torch.where(only, self.scores[:, rows, None], float("-inf"))  # itself, once
        totals = torch.where(done[..., None], ended, totals)
        tokens = tokens.masked_fill(done[..., None], 0)
        standing = totals / ((lengths + ~done)[..., None] ** self.decoding.length_penalty)
        places = standing.flatten(1).topk(count).indices  # (N, k)
        return tokens.flatten(1).gather(1, places), places // count, totals.flatten(1).gather(1, places)

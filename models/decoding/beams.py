"""Beam search, as ClipCap has it, and diverse beams."""

from __future__ import annotations

import torch
from torch import Tensor

from models.decoding.search import Continuation, Hypothesis, Search, Tokens
from models.families.caption_contract import Decoding


class BeamSearch(Search):
    """The `beams` likeliest hypotheses by log-probability / length ** `length_penalty`, at every step.

    With a penalty of 1 it is the search of ClipCap (Mokady et al. 2021): what has ended keeps its place and its score
    in the list and competes with what still grows; a picture is done when all in its list have ended.
    With groups it is diverse beam search (Vijayakumar et al. 2018): each group searches by itself, paying `diversity`
    for every earlier group that chose the same token at this step.
    With a done-list what has ended is also set aside: it is answered with although others pushed it out of the beams
    before they fell behind, and a picture is done as soon as nothing that grows can come before what is wanted of it.
    """

    def __init__(self, network: Continuation, decoding: Decoding, tokens: Tokens) -> None:
        super().__init__(network, decoding, tokens, decoding.beams)
        self.groups = decoding.groups if decoding.method == "diverse" else 1
        self.size = self.width // self.groups  # beams of a group
        self.ended: dict[int, list[list[Hypothesis]]] = {}  # by picture and group, best first, `size` at most

    def choose(self, log_probs: Tensor, first: bool) -> tuple[Tensor, Tensor]:
        """See `Search.choose`."""
        if self.groups == 1:
            chosen, source, self.scores = self._choose(log_probs, slice(0, self.width), first)
            return chosen, source
        parts = []
        taken = torch.zeros_like(log_probs[:, 0])  # (N, V): how many groups chose a token
        for start in range(0, self.width, self.size):
            rows = slice(start, start + self.size)
            mine = log_probs if first else log_probs[:, rows]
            chosen, source, scores = self._choose(mine - self.decoding.diversity * taken[:, None], rows, first)
            parts.append((chosen, source + (0 if first else start), scores))
            # The token 0 that follows an ended hypothesis was chosen by nobody.
            grows = torch.ones_like(scores) if first else 1 - self.done[:, rows].gather(1, source).to(scores)
            taken += torch.zeros_like(taken).scatter_add(1, chosen, grows).clamp(max=1)
        chosen, source, self.scores = (torch.cat(part, 1) for part in zip(*parts, strict=True))
        return chosen, source

    def order(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """See `Search.order`; with groups, the best of each group comes before any second best."""
        order = super().order(found)
        if self.groups == 1:
            return order[: self.width]
        seen, ranks = [0] * self.groups, []
        for each in order:
            ranks.append(seen[each.row // self.size])
            seen[each.row // self.size] += 1
        chosen = sorted(range(len(order)), key=ranks.__getitem__)[: self.decoding.count]
        return [order[place] for place in sorted(chosen)]

    def _grow(self, raw: Tensor, chosen: Tensor) -> None:
        super()._grow(raw, chosen)
        if self.decoding.done_list:
            self._set_aside()

    def _set_aside(self) -> None:
        """What has just ended goes to the done-list."""
        rows, places = self.ending.nonzero(as_tuple=True)
        for row, each in zip(rows.tolist(), self.hypotheses(rows, places), strict=True):
            groups = self.ended.setdefault(self.live[row], [[] for _ in range(self.groups)])
            best = groups[each.row // self.size]
            best[:] = super().order([*best, each])[: self.size]

    def found(self, row: int) -> list[Hypothesis]:
        """See `Search.found`: what ever ended, and what is cut off at the longest that is allowed."""
        if not self.decoding.done_list:
            return super().found(row)
        ended = [each for group in self.ended.get(self.live[row], ()) for each in group]
        if self.made < self.decoding.max_tokens:
            return ended
        (places,) = (~self.done[row]).nonzero(as_tuple=True)
        return [*ended, *self.hypotheses(torch.full_like(places, row), places)]

    def over(self) -> Tensor:
        """See `Search.over`."""
        return super().over() | self.unbeatable() if self.decoding.done_list else super().over()

    def unbeatable(self) -> Tensor:
        """Pictures (N,) of whose groups each has ended hypotheses enough that nothing it grows can come before.

        Log-probabilities only fall, so at best a hypothesis keeps its own over the length that favours it most: the
        longest allowed where the penalty is positive, else the next.
        """
        penalty = self.decoding.length_penalty
        longest = self.decoding.max_tokens if penalty > 0 else self.made + 1
        hopes = (self.scores / longest**penalty).masked_fill(self.done, float("-inf"))
        wanted = -(-self.decoding.count // self.groups)
        nothing = [[] for _ in range(self.groups)]
        bars = [
            [group[wanted - 1].score if len(group) >= wanted else float("-inf") for group in groups]
            for groups in (self.ended.get(picture, nothing) for picture in self.live)
        ]
        best = hopes.unflatten(1, (self.groups, self.size)).amax(-1)  # (N, G)
        return ((best <= hopes.new_tensor(bars)) & (hopes.new_tensor(bars) > float("-inf"))).all(1)

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

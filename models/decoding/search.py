"""Searches: which words to choose, given what a network thinks of each. The loop is `Search.step`.

All of them work on tensors of pictures × hypotheses (N, B) and know nothing about the network but `Continuation`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from models.decoding.adjust import adjusted
from models.families.caption_contract import Decoding


class Continuation(Protocol):
    """A network that continues N beginnings, each in B hypotheses."""

    def first(self) -> Tensor:
        """Logits (N, V) float32 of the first token."""

    def next(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Logits (N, B, V) float32 after hypothesis b, which is `source[:, b]` continued by `tokens[:, b]`."""

    def keep(self, pictures: Tensor) -> None:
        """Forget all pictures but these, (K,) int64."""


@dataclass(frozen=True)
class Tokens:
    """What a tokenizer knows that a search must. `stop`: tokens that end a caption; `forbidden`: that are never chosen;
    `required`: of each required word the spellings as tokens, the one to write first; `continues`: (V,) bool, tokens
    that go on with a word and do not begin one."""

    stop: tuple[int, ...] = ()
    forbidden: tuple[int, ...] = ()
    required: tuple[tuple[tuple[int, ...], ...], ...] = ()
    continues: Tensor | None = None


@dataclass(frozen=True)
class Hypothesis:
    """A caption as tokens, the stop token included, each with its log-probability; `score` is what it was ranked by,
    and `row` which of the picture's hypotheses it was."""

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    score: float
    row: int = 0


class Search(ABC):
    """Hypotheses that grow by one token at each `step` until `finished`; `results` has those of each picture, best
    first, and `best` the tokens so far. A picture that is done leaves the batch."""

    def __init__(self, network: Continuation, decoding: Decoding, tokens: Tokens, hypotheses: int) -> None:
        self.network, self.decoding, self.known, self.width = network, decoding, tokens, hypotheses
        self.results: list[list[Hypothesis]] = []
        self.best: list[tuple[int, ...]] = []
        self.made = 0  # tokens so far

    @property
    def finished(self) -> bool:
        """True when every caption has ended or is as long as allowed."""
        return self.made > 0 and not self.live

    @torch.inference_mode()
    def step(self) -> None:
        """One more token for every hypothesis that has not ended."""
        if self.made == 0:
            logits = self.network.first()[:, None]  # (N, 1, V): all hypotheses are still one
            self._open(logits)
        else:
            logits = self.network.next(self.tokens[:, :, -1], self.source)
        raw, log_probs = self._log_probs(logits)
        chosen, self.source = self.choose(log_probs, self.made == 0)
        self._grow(raw, chosen)
        self.made += 1
        self._leave()

    @abstractmethod
    def choose(self, log_probs: Tensor, first: bool) -> tuple[Tensor, Tensor]:
        """Adjusted log-probabilities (N, B, V), of the `first` token (N, 1, V) -> the chosen tokens and the hypotheses
        that they continue, both (N, B); `self.scores` moves along. An ended hypothesis continues with token 0."""

    def order(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """Those of one picture to answer with, best first."""
        return sorted(found, key=lambda each: -each.score)

    def _open(self, logits: Tensor) -> None:
        pictures, device, shape = len(logits), logits.device, (len(logits), self.width)
        self.live = list(range(pictures))  # which pictures the rows of all tensors are
        self.results, self.best = [[] for _ in self.live], [() for _ in self.live]
        self.tokens = torch.zeros(*shape, 0, dtype=torch.long, device=device)
        self.log_probs = torch.zeros(*shape, 0, device=device)
        self.scores = torch.zeros(shape, device=device)
        self.lengths = torch.zeros(shape, dtype=torch.long, device=device)
        self.done = torch.zeros(shape, dtype=torch.bool, device=device)
        self.stop = torch.tensor(self.known.stop, dtype=torch.long, device=device)
        self.vocabulary = logits.shape[-1]

    def _log_probs(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The model's own log-probabilities, and those to choose by."""
        if self.known.forbidden:
            logits[..., list(self.known.forbidden)] = float("-inf")
        raw = logits.log_softmax(-1)
        return raw, adjusted(logits, raw, self.tokens[:, : logits.shape[1]], self.decoding)

    def _grow(self, raw: Tensor, chosen: Tensor) -> None:
        """Append the chosen tokens to the hypotheses that they continue."""
        if self.made:
            long = self.source[..., None].expand_as(self.tokens)
            self.tokens, self.log_probs = self.tokens.gather(1, long), self.log_probs.gather(1, long)
            self.lengths, self.done = self.lengths.gather(1, self.source), self.done.gather(1, self.source)
        flat = raw.flatten(1).gather(1, self.source * self.vocabulary + chosen)  # (N, B)
        self.tokens = torch.cat([self.tokens, chosen[..., None]], -1)
        self.log_probs = torch.cat([self.log_probs, flat.masked_fill(self.done, 0)[..., None]], -1)
        self.lengths = self.lengths + ~self.done
        self.ending = torch.isin(chosen, self.stop) & ~self.done  # with this token
        self.done = self.done | self.ending

    def _leave(self) -> None:
        """Note what is best now; pictures whose hypotheses have all ended leave with their results."""
        over = (self.over() | (self.made == self.decoding.max_tokens)).tolist()
        leader = self.standing().argmax(1)
        rows, length = torch.arange(len(leader), device=leader.device), self.lengths
        texts, lengths = self.tokens[rows, leader].tolist(), length[rows, leader].tolist()
        for row, picture in enumerate(self.live):
            self.best[picture] = tuple(texts[row][: lengths[row]])
            if over[row]:
                self.results[picture] = found = self.order(self.found(row))
                self.best[picture] = found[0].tokens if found else self.best[picture]
        if any(over):
            stay = [row for row, ended in enumerate(over) if not ended]
            self.live = [self.live[row] for row in stay]
            if self.live:
                self._keep(torch.tensor(stay, device=self.tokens.device))

    def over(self) -> Tensor:
        """Which pictures are done, (N,) bool."""
        return self.done.all(1)

    def standing(self) -> Tensor:
        """What hypotheses are ranked by, (N, B)."""
        return self.scores / self.lengths**self.decoding.length_penalty

    def found(self, row: int) -> list[Hypothesis]:
        """All that may be answered with for the picture in row `row` of the batch."""
        places = torch.arange(self.width, device=self.tokens.device)
        return self.hypotheses(torch.full_like(places, row), places)

    def hypotheses(self, rows: Tensor, places: Tensor) -> list[Hypothesis]:
        """The hypotheses number `places` of the pictures in `rows` of the batch, both (K,) int64."""
        table = (self.tokens, self.log_probs, self.lengths, self.standing())
        columns = [each[rows, places].tolist() for each in table]
        return [
            Hypothesis(tuple(tokens[:length]), tuple(log_probs[:length]), score, place)
            for tokens, log_probs, length, score, place in zip(*columns, places.tolist(), strict=True)
        ]

    def _keep(self, rows: Tensor) -> None:
        self.network.keep(rows)
        for name in ("tokens", "log_probs", "scores", "lengths", "done", "source"):
            setattr(self, name, getattr(self, name)[rows])


def make_search(network: Continuation, decoding: Decoding, tokens: Tokens) -> Search:
    """The search that `decoding` names."""
    from models.decoding.beams import BeamSearch
    from models.decoding.required import RequiredSearch
    from models.decoding.sampling import Sampling

    if decoding.method == "sample":
        return Sampling(network, decoding, tokens)
    if decoding.required:
        return RequiredSearch(network, decoding, tokens)
    if decoding.method == "greedy":
        decoding = replace(decoding, beams=1, groups=1)
    return BeamSearch(network, decoding, tokens)


def hypotheses_of(decoding: Decoding) -> int:
    """How many hypotheses a picture has under `decoding`."""
    return {"sample": decoding.count, "greedy": 1}.get(decoding.method, decoding.beams)

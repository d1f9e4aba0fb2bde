"""A prompt that grows phrase by phrase, each time by the one that brings it nearest to the picture.

The greedy chain of CLIP Interrogator, with what it repeats left out: the shared beginning of all candidates is read
once where the ranker's tower allows (`models.prompting`), and the similarity of the winner is the one just computed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.prompting.readers import joined
from pipelines.image_to_prompt.promises import Compared, Promises

if TYPE_CHECKING:
    from torch import Tensor

    from models.prompting.readers import Reader


@dataclass(frozen=True)
class Term:
    """A phrase of a prompt. `kind` is its list's name; `gain` is how much the cosine rose when it was added, `loss` how
    much it falls when it alone is left out (None: not computed)."""

    phrase: str
    kind: str
    gain: float
    loss: float | None = None


@dataclass(frozen=True)
class Prompt:
    """A prompt and how it came about.

    `cosine` is that of its vector and the picture's, in [-1, 1]; `curve` has the cosine of `start` and of the prompt
    after each of its `terms`. Of the `limit` tokens that it may have it takes `tokens`, both with the markers.
    """

    text: str
    cosine: float
    start: str = ""
    terms: tuple[Term, ...] = ()
    curve: tuple[float, ...] = ()
    tokens: int = 0
    limit: int = 0


@dataclass(frozen=True)
class Effort:
    """How far a chain looks. Published values: 2,048 candidates, all compared at each step, 8 to 32 phrases.

    `pool`: the candidates. `keep`: None compares all of them at each step, which is exact. A number compares all of
    them at the first step, then so many: half those that gained most when last looked at, half those that a mixture
    of their vector with the prompt's promises most; and `again` more before the chain ends. `least`: phrases that are
    added whether they gain or not; the best prompt on the way is kept. `most`: phrases at most. `gain`: by how much a
    further phrase must raise the cosine. `top`: phrases that the mode “fast” adds.
    """

    pool: int = 2048
    keep: int | None = None
    again: int = 0
    least: int = 8
    most: int = 32
    gain: float = 0.0
    top: int = 32


CHUNK = 256  # candidates read between two moments at which a chain can be stopped
EXACT = Effort()
# For towers that read every candidate from its first word; see benchmarks/interrogator_pruning.py for what it loses.
# To a small CLIP nearly any phrase brings a prompt a little nearer: on pictures that it never saw, those that gain less
# than 0.02 led away from the true caption.
PRUNED = Effort(pool=256, keep=16, again=64, least=0, most=10, gain=0.02, top=10)


class Chain:
    """Candidates are `phrases`, each with the name of its list; `image` is the picture's unit vector (D,).

    `vectors` (N, D) are the phrases' own, which only an `effort` with `keep` needs. With `away` the prompt grows away
    from the picture instead. `best` is the best prompt so far, None before there is any; `compared` counts what was
    read.
    """

    def __init__(
        self,
        reader: Reader,
        image: Tensor,
        start: str,
        phrases: Sequence[tuple[str, str]],
        effort: Effort = EXACT,
        away: bool = False,
        vectors: Tensor | None = None,
    ) -> None:
        self.reader, self.image, self.start, self.effort = reader, image, start, effort
        self.prompt, self.compared = start, 0
        self.best: Prompt | None = None
        self._now: Prompt | None = None
        self._sign = -1.0 if away else 1.0
        self._terms: list[Term] = []
        self._left = {phrase: kind for phrase, kind in phrases if phrase != start}
        self._promises = Promises(reader, image, [phrase for phrase, _ in phrases], vectors, self._sign)
        self._curve: list[float] = []
        if start:
            self._now = self._take(finish(self._compare("", [start])))

    def grow(self) -> Iterator[Prompt]:
        """Add phrases until none gains; the prompt after each, which is not always the best so far.

        While many candidates are compared the prompt as it is comes again and again, so that whoever wants to stop need
        not wait for the step; before there is one, the best candidate so far stands for it.
        """
        while len(self._terms) < self.effort.most and (found := (yield from self._next())) is not None:
            if not self._gains(found) and len(self._terms) >= self.effort.least:
                return
            before = self._curve[-1] if self._curve else 0.0
            self._terms.append(Term(found.phrase, self._left.pop(found.phrase), found.cosine - before))
            self.prompt = joined(self.prompt, found.phrase)
            self._now = self._take(found)
            yield self._now

    def _take(self, found: Compared) -> Prompt:
        """The prompt as it now is, whose vector was just found."""
        self._curve.append(found.cosine)
        self._promises.prompt(self.prompt, found)
        tokens = self.reader.count(self.prompt)
        now = Prompt(
            self.prompt, found.cosine, self.start, tuple(self._terms), tuple(self._curve), tokens, self.reader.budget
        )
        if self.best is None or self._sign * (now.cosine - self.best.cosine) > 0:
            self.best = now
        return now

    def _next(self) -> Generator[Prompt, None, Compared | None]:
        """The phrase to add; None when none fits any more."""
        fitting = [phrase for phrase in self._left if self.reader.fits(self.prompt, phrase)]
        keep, again = self.effort.keep, self.effort.again
        if not fitting:
            return None
        if keep is None or not self._promises.known:
            return (yield from self._compare(self.prompt, fitting))
        order = self._promises.order(fitting)
        found = yield from self._compare(self.prompt, order[:keep])
        if not self._gains(found) and len(order) > keep:  # look at more before giving up
            more = yield from self._compare(self.prompt, order[keep : keep + again])
            found = max(found, more, key=lambda each: self._sign * each.cosine)
        return found

    def _gains(self, found: Compared) -> bool:
        return not self._curve or self._sign * (found.cosine - self._curve[-1]) > self.effort.gain

    def _compare(self, prompt: str, additions: Sequence[str]) -> Generator[Prompt, None, Compared]:
        """The best of the additions, the first of equals; a prompt after each CHUNK but the last."""
        best: tuple[Compared, int] | None = None
        # Those of one length are read together, so they stay together where they do not fit into one chunk.
        order = list(range(len(additions)))
        if len(additions) > CHUNK:
            order.sort(key=lambda row: self.reader.length(additions[row]))
        for start in range(0, len(order), CHUNK):
            rows = sorted(order[start : start + CHUNK])
            found, place = self._read(prompt, [additions[row] for row in rows])
            if best is None or self._beats(found, rows[place], *best):
                best = found, rows[place]
            if start + CHUNK < len(order):
                yield self._now or self._so_far(best[0])
        return best[0]

    def _read(self, prompt: str, additions: Sequence[str]) -> tuple[Compared, int]:
        """The best of the additions and its place among them."""
        self.compared += len(additions)
        vectors = self.reader.extend(prompt, additions)  # (N, D)
        cosines = vectors @ self.image
        if prompt:
            self._promises.learn(additions, (cosines - self._curve[-1]).tolist())
        best = int((self._sign * cosines).argmax())
        return Compared(additions[best], float(cosines[best]), vectors[best].clone()), best

    def _beats(self, one: Compared, row: int, other: Compared, other_row: int) -> bool:
        """Whether an addition in this row is better than another in its row."""
        return (self._sign * one.cosine, -row) > (self._sign * other.cosine, -other_row)

    def _so_far(self, found: Compared) -> Prompt:
        """The prompt that the best candidate so far would be by itself."""
        kind, tokens = self._left.get(found.phrase, ""), self.reader.count(found.phrase)
        terms, curve = (Term(found.phrase, kind, found.cosine),), (found.cosine,)
        return Prompt(found.phrase, found.cosine, "", terms, curve, tokens, self.reader.budget)


def finish(steps: Generator[Prompt, None, Compared]) -> Compared:
    """What a comparison that nobody waits for comes to."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value

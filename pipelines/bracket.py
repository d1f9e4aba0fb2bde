"""Who is still in the race during a run, and how they look."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from common.images import to_pil
from pipelines import halving

if TYPE_CHECKING:
    from PIL.Image import Image

    from models.clip_scorer import Scores

EVERY = 0.25  # seconds between previews
SHARE = 0.15  # of the run's time that previews may take: a large decoder costs more than a step


class Bracket:
    """The candidates of one `Sampling` by their index in the batch that it began with.

    `inside` are the indices still sampled, in the order of the sampling's rows; `outside` holds, for each one given
    up, its index, its place in the `Scores` that decided, those scores, and the step.
    """

    def __init__(self, sampling: Any, candidates: int) -> None:
        self._sampling = sampling
        self.inside = list(range(candidates))
        self.outside: list[tuple[int, int, Scores, int]] = []
        self._latest: dict[int, Image] = {}  # by index; one given up keeps its last
        self._scores: dict[int, float] = {}
        self._seen_at = -1  # the step that `_latest` shows
        self._began = self._looked = time.monotonic()
        self._spent = 0.0

    def look(self) -> None:
        """Decode previews if some time has passed since the last ones and they have not cost too much so far."""
        now = time.monotonic()
        last_step = self._sampling.done == self._sampling.total  # finished pictures follow at once
        if not last_step and now - self._looked >= EVERY and self._spent <= SHARE * (now - self._began):
            self.pictures()
            self._spent += time.monotonic() - now

    def pictures(self) -> list[Image]:
        """Where each candidate still inside is heading at this step, in the order of `inside`."""
        if self._seen_at != self._sampling.done:
            images = to_pil(self._sampling.predicted())
            self._latest.update(zip(self.inside, images, strict=True))
            self._seen_at, self._looked = self._sampling.done, time.monotonic()
        return [self._latest[index] for index in self.inside]

    def give_up(self, scores: Scores, keep: int) -> None:
        """Go on with the `keep` best of those inside, whose `scores` come in the order of `inside`."""
        chosen = halving.survivors(scores.cosine, keep)
        self._scores.update(zip(self.inside, scores.cosine, strict=True))
        gone = [place for place in range(len(self.inside)) if place not in chosen]
        self.outside += [(self.inside[place], place, scores, self._sampling.done) for place in gone]
        self._sampling.keep(chosen)
        self.inside = [self.inside[place] for place in chosen]

    def note(self) -> str:
        """How many are left, once some are gone."""
        total = len(self.inside) + len(self.outside)
        return f"{len(self.inside)} of {total} candidates go on" if self.outside else ""

    def previews(self) -> tuple[Image, ...]:
        """The latest look at every candidate, those given up too, by index; empty before the first look."""
        return tuple(self._latest[index] for index in sorted(self._latest))

    def data(self) -> dict[str, Any]:
        """`dropped`: step by index of those given up; `scores`: latest cosine by index, of those scored on the way."""
        return {"dropped": {index: step for index, _, _, step in self.outside}, "scores": dict(self._scores)}

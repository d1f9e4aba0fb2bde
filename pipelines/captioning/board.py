"""The rows of a captioning run while it goes on: what is finished, what is left, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.captioning.request import CaptionRequest
from pipelines.captioning.rows import CaptionRow, ScoredCaption
from pipelines.captioning.scoring import Scoring
from pipelines.captioning.writing import Drafts, Written
from pipelines.services import Services
from pipelines.steps import Step
from safeguards.wording import file_name

if TYPE_CHECKING:
    from PIL.Image import Image


class Board:
    """Rows by picture and captioner, which is "" for a picture that nobody can read.

    `finished` are all rows, by picture and then in the order of the captioners; `read` tells of each picture that could
    be read, by number, what was changed for that ("" for nothing).
    """

    def __init__(self, request: CaptionRequest, services: Services, device: str) -> None:
        self._request, self._catalog = request, services.catalog
        self.scoring = Scoring(request, services, device)
        self.finished: tuple[CaptionRow, ...] = ()
        self.read: dict[int, str] = {}
        self._rows: dict[tuple[int, str], CaptionRow] = {}
        self._order = {name: place for place, name in enumerate(("", *request.captioners))}
        self._began = time.monotonic()

    @property
    def captioned(self) -> int:
        """How many pictures have at least one caption."""
        return len({row.picture for row in self.finished if row.captions})

    def waiting(self, name: str) -> list[int]:
        """The pictures with which the captioner of this name has still something to do."""
        numbers = range(len(self._request.paths))
        return [number for number in numbers if not {(number, ""), (number, name)} & self._rows.keys()]

    def keep(self, name: str, written: Written, images: Mapping[int, Image]) -> None:
        """Note what a captioner wrote about the pictures `images`, with its scores."""
        made = {number: tuple(map(ScoredCaption, each)) for number, each in written.captions.items()}
        rows = [self._row(number, name, captions=each) for number, each in made.items()]
        rows += [self._row(number, name, error=error) for number, error in written.errors.items()]
        self._rows |= {(row.picture, name): row for row in rows}
        self.scoring.score(rows, {number: images[number] for number in made})
        self.judge(made)

    def judge(self, numbers: Mapping[int, object]) -> None:
        """Scores and consensus for all captions that these pictures have by now."""
        for number in numbers:
            rows = [self._rows[key] for name in self._order if (key := (number, name)) in self._rows]
            self._rows |= {(number, row.captioner): row for row in self.scoring.judged(rows)}
        self.finished = tuple(sorted(self._rows.values(), key=lambda row: (row.picture, self._order[row.captioner])))

    def step(self, name: str, drafts: Drafts) -> Step:
        """What to tell while the captioner of this name works; a unit of progress is a token of a picture at most."""
        each, many = self._request.decoding.max_tokens + 1, len(self._request.captioners)
        pairs = sum(1 if row.captioner else many for row in self.finished)
        total = len(self._request.paths) * many
        number = pairs * each + min(drafts.tokens, each - 1) * len(drafts.texts)
        seconds, captioned = time.monotonic() - self._began, self.captioned
        data = {
            "rows": self.finished,
            "drafts": tuple((picture, name, text) for picture, text in drafts.texts.items()),
            "captioned": captioned,
            "left": seconds / pairs * (total - pairs) if pairs else None,
        }
        note = f"{captioned:,} of {len(self._request.paths):,} pictures, {self._catalog.get(name).title}"
        return Step(number, total * each, note, data=data)

    def _row(self, number: int, name: str, **more: object) -> CaptionRow:
        path = self._request.paths[number]
        return CaptionRow(number, path, file_name(path), name, note=self.read.get(number, ""), **more)

"""A build under way: files are looked at, and written a few hundred at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from pipelines.image_index.rows import Picture, SeenFile, check_vectors
from pipelines.image_index.store import ImageIndex
from pipelines.image_index.walk import meet, sha256
from pipelines.services import Services

if TYPE_CHECKING:
    from safeguards.admit import Admitted

# What is not written yet is lost when the process is killed; each write adds a piece that has to be joined later.
FLUSH_FILES, FLUSH_SECONDS = 512, 5.0


@dataclass
class Work:
    """What is known, what is `waiting` to be written, and counts for the result."""

    index: ImageIndex
    services: Services
    device: str | None
    known: dict[str, SeenFile] = field(default_factory=dict)  # by path
    by_bytes: dict[str, SeenFile] = field(default_factory=dict)  # by sha256
    pictures: set[str] = field(default_factory=set)
    waiting: list[tuple[Picture, np.ndarray]] = field(default_factory=list)
    noted: list[SeenFile] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    flushed: float = field(default_factory=time.monotonic)
    new: int = 0
    copies: int = 0

    def __post_init__(self) -> None:
        self.known = self.index.files()
        self.by_bytes = {each.sha256: each for each in self.known.values()}
        self.pictures = {key for batch in self.index.pictures(columns=["picture"]) for key in batch[0].to_pylist()}

    def unchanged(self, path: str, about: tuple[int, int]) -> bool:
        """Whether the file looks as it did, and its picture is in the index."""
        known = self.known.get(path)
        return known is not None and (known.bytes, known.modified) == about and known.picture in self.pictures

    def take(self, files: list[tuple[str, tuple[int, int]]]) -> None:
        """Look at some files; those that cannot be read go to `refused`."""
        fresh: dict[str, tuple[SeenFile, Admitted]] = {}
        for path, about in files:
            try:
                seen, admitted = self._meet(path, about)
            except BadRequest as error:
                self.refused.append((path, str(error)))
                continue
            if seen.picture in self.pictures or seen.picture in fresh:
                before = self.known.get(path)
                self.copies += before is None or before.picture != seen.picture
                self._note(seen)
            elif admitted is not None:
                fresh[seen.picture] = (seen, admitted)
        if fresh:
            self._encode(list(fresh.values()))

    def _meet(self, path: str, about: tuple[int, int]) -> tuple[SeenFile, Admitted | None]:
        digest = sha256(path)
        same = self.by_bytes.get(digest)
        if same and same.picture in self.pictures:
            return SeenFile(path, *about, digest, same.picture, same.prompt, same.program), None
        return meet(path, about, digest, self.services.settings)

    def _encode(self, fresh: list[tuple[SeenFile, Admitted]]) -> None:
        images = [admitted.image for _, admitted in fresh]
        vectors = self.services.scorer.image_vectors(self.index.card.ranker, images, self.device).numpy()  # (n, D)
        for (seen, admitted), vector in zip(fresh, vectors, strict=True):
            try:
                check_vectors(vector[None], [seen.path], self.index.card.dimension)
            except BadRequest as error:
                self.refused.append((seen.path, str(error)))
                continue
            self.waiting.append((Picture(admitted.width, admitted.height, (seen,)), vector))
            self.pictures.add(seen.picture)
            self.new += 1
            self._note(seen)

    def _note(self, seen: SeenFile) -> None:
        self.known[seen.path] = self.by_bytes[seen.sha256] = seen
        self.noted.append(seen)

    def flush(self, now: bool = False) -> None:
        """Write what is waiting, if it is time or `now`. Pictures go first: a file is known only with its picture."""
        if now or len(self.noted) >= FLUSH_FILES or time.monotonic() - self.flushed > FLUSH_SECONDS:
            if self.waiting:
                self.index.add([picture for picture, _ in self.waiting], np.stack([row for _, row in self.waiting]))
            self.index.note({each.path: each for each in self.noted}.values())
            self.waiting, self.noted, self.flushed = [], [], time.monotonic()

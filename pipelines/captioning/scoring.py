"""CLIPScore and consensus of captions, kept up to date while a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from common.errors import AtelierError, OutOfMemory
from models.devices import free_memory, is_out_of_memory
from pipelines.captioning.consensus import judge, shares
from pipelines.captioning.request import CaptionRequest
from pipelines.captioning.rows import CaptionRow, ScoredCaption
from pipelines.evaluation.sentences import encoder, sentence_vectors
from pipelines.services import Services

if TYPE_CHECKING:
    from PIL.Image import Image

NO_ENCODER = "The sentence encoder is not installed, so the consensus goes by CLIPScore alone."


class Scoring:
    """Remembers the vectors of one run's pictures and captions.

    `notes` are sentences. Where a model has no room beside the captioner, captions stay without its scores until
    `score` is called again.
    """

    def __init__(self, request: CaptionRequest, services: Services, device: str) -> None:
        self._request, self._services, self._device = request, services, device
        self._pictures: dict[int, np.ndarray] = {}  # (D,) of the ranker
        self._words: dict[str, np.ndarray] = {}  # (D,) of the ranker
        self._meanings: dict[str, np.ndarray] = {}  # (384,) of the sentence encoder
        self._reads = bool(encoder(services))
        self.notes: list[str] = [] if self._reads else [NO_ENCODER]

    def knows(self, picture: int) -> bool:
        """Whether the picture was looked at already."""
        return picture in self._pictures

    def lacks(self, row: CaptionRow) -> bool:
        """Whether a caption of the row has no score that it could have."""
        return any(each.cosine is None or (self._reads and each.agreement is None) for each in row.captions)

    def score(self, rows: Sequence[CaptionRow], images: Mapping[int, Image]) -> AtelierError | None:
        """Look at the pictures `images`, by number, and read the captions of `rows`.

        Returns the error of a model that could not be used, None when all is known.
        """
        texts = sorted({each.text for row in rows for each in row.captions})
        errors = [
            self._tried(lambda: self._see(images)),
            self._tried(lambda: self._read(texts)),
            self._tried(lambda: self._understand(texts)),
        ]
        return next(filter(None, errors), None)

    def _tried(self, step: Callable[[], None]) -> AtelierError | None:
        try:
            step()
        except AtelierError as error:
            return error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        else:
            return None
        free_memory(self._device)
        return OutOfMemory("There is not enough memory for the models that score captions.")

    def judged(self, rows: Sequence[CaptionRow]) -> list[CaptionRow]:
        """The rows of one picture with all scores that are known, and its best caption chosen."""
        captions = [each.caption for row in rows for each in row.captions]
        if not captions:
            return list(rows)
        picture = rows[0].picture
        meanings = [self._meanings.get(each.text) for each in captions]
        vectors = None if any(vector is None for vector in meanings) else np.stack(meanings)
        words = [self._words.get(each.text) for each in captions]
        seen = picture in self._pictures and all(vector is not None for vector in words)
        cosines = (np.stack(words) @ self._pictures[picture]).clip(-1, 1).astype(np.float64) if seen else None
        clip_scores = None if cosines is None else 2.5 * cosines.clip(min=0)
        logs = [[each.caption.log_probability for each in row.captions] for row in rows if row.captions]
        weights = shares(logs, self._request.decoding.method == "sample")
        verdict = judge(vectors, weights, clip_scores, self._request.blend)
        columns = (cosines, clip_scores, verdict.agreement, verdict.consensus)
        scored = []
        for k, caption in enumerate(captions):
            values = (None if column is None else float(column[k]) for column in columns)
            scored.append(ScoredCaption(caption, *values, chosen=k == verdict.best))
        queue = iter(scored)
        return [replace(row, captions=tuple(islice(queue, len(row.captions)))) for row in rows]

    def _see(self, images: Mapping[int, Image]) -> None:
        new = {number: image for number, image in images.items() if number not in self._pictures}
        if new:
            vectors = self._services.scorer.image_vectors(self._request.ranker, list(new.values()), self._device)
            self._pictures |= zip(new, vectors.numpy(), strict=True)

    def _read(self, texts: Sequence[str]) -> None:
        if new := [text for text in texts if text not in self._words]:
            vectors = self._services.scorer.text_vectors(self._request.ranker, new, self._device)
            self._words |= zip(new, vectors.numpy(), strict=True)

    def _understand(self, texts: Sequence[str]) -> None:
        if self._reads and (new := [text for text in texts if text not in self._meanings]):
            vectors = sentence_vectors(self._services, new, self._device)
            self._meanings |= zip(new, vectors.numpy(), strict=True)

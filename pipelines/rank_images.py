"""Rank images: how well any pictures fit any words, by CLIP on its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines import limits
from pipelines.ranking import passes, recipe_table, summary, unread_note
from pipelines.services import Services
from pipelines.steps import Result, Run, Step, Stop
from safeguards.admit import admit
from safeguards.prompts import check_prompt
from safeguards.recipe import Recipe
from safeguards.wording import file_name

if TYPE_CHECKING:
    from torch import Tensor

    from models.catalog import Catalog

TASK = "rank_images"
MAX_PICTURES = 500
SLICE = 8  # pictures between two steps: as many as are in memory at a time


@dataclass(frozen=True)
class RankImagesRequest:
    """Files of pictures, and the words to compare them with. `ranker` "" is the default one.

    `threshold` is a cosine in [-1, 1] below which a picture fails, or None.
    """

    paths: tuple[str | Path, ...]
    prompt: str
    ranker: str = ""
    threshold: float | None = None

    def resolve(self, catalog: Catalog) -> RankImagesRequest:
        """The same request with every default filled in.

        Raises BadRequest for a value that is not allowed, Blocked for a prompt that is not, and ModelUnavailable when
        the ranker's files are not here.
        """
        check_prompt(self.prompt)
        if not 1 <= len(self.paths) <= MAX_PICTURES:
            raise BadRequest(f"There are {len(self.paths):,} pictures; allowed are 1 to {MAX_PICTURES}.")
        ranker = limits.model(catalog, "ranker", self.ranker).name
        threshold = None if self.threshold is None else limits.number("threshold", self.threshold, -1, 1)
        return replace(self, paths=tuple(self.paths), ranker=ranker, threshold=threshold)


@dataclass(frozen=True)
class Ranked:
    """One picture and its scores, as `models.clip_scorer.Scores` defines them; `path` as it was given."""

    path: str | Path
    cosine: float
    clip_score: float
    share: float
    passes: bool | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class RankImagesResult(Result):
    """Rows, best first; `refused` are the files that were left out, each with the reason as one sentence.

    `best`, `mean` and `spread` (best minus mean) are cosines; `notes` are sentences, those of `refused` among them.
    """

    rows: tuple[Ranked, ...]
    refused: tuple[tuple[str | Path, str], ...] = ()
    best: float = 0.0
    mean: float = 0.0
    spread: float = 0.0
    notes: tuple[str, ...] = ()


def run(request: RankImagesRequest, services: Services, device: str | None = None) -> Run:
    """Admit, look at and rank the pictures; yields a `Step` after each few and the `RankImagesResult` at the end.

    `device` is one of the pool's devices, None for its first. On `Stop` those looked at so far are ranked. Raises what
    `resolve` and the model pool raise, and BadRequest when not one of the pictures can be read.
    """
    import torch

    began, stopped = time.monotonic(), False
    request = request.resolve(services.catalog)
    kept: list[str | Path] = []
    vectors, notes, refused = [], [], []
    for start in range(0, len(request.paths), SLICE):
        images = []
        for path in request.paths[start : start + SLICE]:
            try:
                admitted = admit(path, services.settings)
            except BadRequest as error:
                refused.append((path, str(error)))
                continue
            images.append(admitted.image)
            kept.append(path)
            notes += [f"{file_name(path)}: {admitted.note}."] if admitted.note else []
        if images:
            vectors.append(services.scorer.image_vectors(request.ranker, images, device))  # (n, D)
        done = min(start + SLICE, len(request.paths))
        command = yield Step(done, len(request.paths))
        if isinstance(command, Stop) and kept:
            stopped = done < len(request.paths)
            break
    if not kept:
        raise BadRequest(" ".join(reason for _, reason in refused[:3]))
    made = _finish(request, services, device, kept, torch.cat(vectors))
    reasons = [reason for _, reason in refused]
    notes = (*made.pop("notes"), *notes, *reasons)
    seconds = time.monotonic() - began
    yield RankImagesResult(seconds=seconds, stopped=stopped, refused=tuple(refused), notes=notes, **made)


def _finish(
    request: RankImagesRequest, services: Services, device: str | None, paths: Sequence[str | Path], vectors: Tensor
) -> dict[str, Any]:
    """Compare the pictures' vectors (N, D) with the prompt; the fields of the result that follow from it."""
    scores = services.scorer.compare(request.ranker, vectors, request.prompt, device)
    columns = zip(paths, scores.cosine, scores.clip_score, scores.share, strict=True)
    rows = [Ranked(*row, passes(row[1], request.threshold)) for row in columns]
    unread = services.scorer.overflow(request.ranker, request.prompt, device)
    return {
        "model": services.catalog.get(request.ranker).title,
        "recipe": recipe_table(_recipe(request, services)),
        "rows": tuple(sorted(rows, key=lambda row: -row.cosine)),
        "notes": (unread_note(unread, "ranker"),) if unread else (),
        **summary(scores.cosine),
    }


def _recipe(request: RankImagesRequest, services: Services) -> Recipe:
    settings = {"prompt": request.prompt, "ranker": request.ranker, "threshold": request.threshold}
    return Recipe(TASK, request.ranker, services.catalog.get(request.ranker).revision or "", settings)

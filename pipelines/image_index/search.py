"""Ask an index: which pictures are like this one, like these words, or like both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.image_index.card import index_folder
from pipelines.image_index.request import FoundPrompt, Hit, SearchImagesRequest, SearchImagesResult
from pipelines.image_index.store import Found, ImageIndex
from pipelines.ranking import unread_note
from pipelines.services import Services
from pipelines.steps import Run, Step
from safeguards.admit import admit

if TYPE_CHECKING:
    import numpy as np


def run(request: SearchImagesRequest, services: Services, device: str | None = None) -> Run:
    """Search; yields a `Step` when the question is understood and the `SearchImagesResult` at the end.

    Raises what `resolve`, `admit` and the model pool raise.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    index = ImageIndex.open(index_folder(services.settings, request.index))
    vector = question(request, services, device)
    yield Step(1, 2, "searching")
    hits = tuple(_hit(each) for each in index.search(vector, request.count, request.filters.sql()))
    missing = sum(not hit.here for hit in hits)
    unread = services.scorer.overflow(request.ranker, request.text, device) if request.text else ""
    notes = (
        unread_note(unread, "ranker"),
        f"{missing:,} of the pictures found are no longer there; build the index again." if missing else "",
        "" if hits else "No picture of the index passes the filters." if len(index) else "The index is empty.",
    )
    yield SearchImagesResult(
        seconds=time.monotonic() - began,
        model=index.card.title,
        hits=hits,
        prompts=prompts_of(hits),
        pictures=len(index),
        card=index.card,
        notes=tuple(note for note in notes if note),
    )


def question(request: SearchImagesRequest, services: Services, device: str | None = None) -> np.ndarray:
    """The unit vector (D,) float32 to search with: of the picture, of the words, or of their weighted sum."""
    parts = []
    both = request.image is not None and bool(request.text)
    if request.image is not None:
        image = admit(request.image, services.settings).image
        vector = services.scorer.image_vectors(request.ranker, [image], device)[0].numpy()
        parts.append(vector * (request.image_share if both else 1))
    if request.text:
        vector = services.scorer.text_vectors(request.ranker, [request.text], device)[0].numpy()
        parts.append(vector * (1 - request.image_share if both else 1))
    total = sum(parts)
    return total / (total**2).sum() ** 0.5


def prompts_of(hits: Sequence[Hit]) -> tuple[FoundPrompt, ...]:
    """The different prompts of pictures that were found, by the best cosine among the pictures that have each."""
    cosines: dict[str, list[float]] = {}
    for hit in hits:
        if hit.prompt:
            cosines.setdefault(" ".join(hit.prompt.split()), []).append(hit.cosine)
    found = [FoundPrompt(prompt, max(values), len(values)) for prompt, values in cosines.items()]
    return tuple(sorted(found, key=lambda each: -each.cosine))


def _hit(found: Found) -> Hit:
    names = {each.name for each in fields(Hit)} & set(found.row)
    row = {name: found.row[name] for name in names}
    here = next((path for path in (row["path"], *row["copies"]) if Path(path).is_file()), None)
    # A copy stands in for a file that was deleted: the picture is still to be seen.
    row |= {"path": here or row["path"], "copies": tuple(p for p in (row["path"], *row["copies"]) if p != here)}
    return Hit(cosine=found.cosine, here=here is not None, **row)

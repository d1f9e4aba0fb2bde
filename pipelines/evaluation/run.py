"""Evaluation as a run: looks at the pictures a few at a time, then scores all captions."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines import limits
from pipelines.captioning.table import TableRow, read_table
from pipelines.evaluation.bootstrap import RESAMPLES, Estimate
from pipelines.evaluation.coco import CocoCaptions, read_captions, read_results
from pipelines.evaluation.evaluate import Report, evaluate
from pipelines.services import Services
from pipelines.steps import Command, Result, Run, Step, Stop
from safeguards.admit import admit
from safeguards.wording import file_name, refuse, shown

if TYPE_CHECKING:
    from torch import Tensor

    from models.catalog import Catalog

SLICE = 16  # pictures in memory at a time
MAX_PICTURES = 50_000


@dataclass(frozen=True)
class EvaluationRequest:
    """One caption a picture, its references, and where there are any the files of the pictures, all by one key.

    `ranker` "" is the default one; `prefix` goes before every text that CLIP reads (see `likeness.clip_scores`).
    `notes` are sentences that the result repeats.
    """

    candidates: Mapping[Any, str]
    references: Mapping[Any, Sequence[str]]
    pictures: Mapping[Any, str | Path] = field(default_factory=dict)
    ranker: str = ""
    prefix: str = ""
    resamples: int = RESAMPLES
    seed: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def from_files(
        cls, captions: str | Path, results: str | Path, folder: str | Path | None = None, **more: Any
    ) -> EvaluationRequest:
        """From COCO's two files, and the folder of the pictures that the first one names.

        The second may also be a table of captions (`.csv` or `.jsonl`, see `captioning.table`), which names pictures
        by their files; of several captions the chosen one counts, else the first.
        Raises BadRequest for files that are not so, and when they are about different pictures.
        """
        known = read_captions(captions)
        is_table = Path(results).suffix.lower() in (".csv", ".jsonl")
        made = _from_table(results, known) if is_table else read_results(results)
        both = {key: text for key, text in made.items() if key in known.captions}
        if not both:
            names = f"{file_name(results)} is about the image {shown(next(iter(made)))}"
            raise BadRequest(f"The two files have no image in common: {names}, which {file_name(captions)} lacks.")
        notes = []
        if len(both) < len(made):
            lost = len(made) - len(both)
            verb = "is" if lost == 1 else "are"
            notes.append(f"{lost:,} of {len(made):,} captions {verb} about no image with references and left out.")
        if len(both) < len(known.captions):
            missing = len(known.captions) - len(both)
            notes.append(f"{missing:,} of {len(known.captions):,} images have no caption and do not count.")
        pictures = {key: Path(folder) / known.files[key] for key in both} if folder is not None else {}
        return cls(both, known.captions, pictures, notes=tuple(notes), **more)

    def resolve(self, catalog: Catalog) -> EvaluationRequest:
        """The same request with every default filled in. Raises BadRequest and ModelUnavailable as others do."""
        if not 1 <= len(self.candidates) <= MAX_PICTURES:
            raise BadRequest(f"There are {len(self.candidates):,} captions; allowed are 1 to {MAX_PICTURES:,}.")
        return replace(
            self,
            pictures={key: path for key, path in self.pictures.items() if key in self.candidates},
            ranker=limits.model(catalog, "ranker", self.ranker).name if self.pictures else "",
            resamples=limits.whole("number of resamples", self.resamples, 1, 100_000),
            seed=limits.whole("seed", self.seed, 0, 2**32 - 1),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationResult(Result):
    """The scores with their intervals by metric, `report` with those of each picture, and sentences.

    `refused` are the pictures that could not be looked at, by key, each with the reason as one sentence.
    """

    estimates: Mapping[str, Estimate]
    report: Report
    refused: tuple[tuple[Any, str], ...] = ()
    notes: tuple[str, ...] = ()


def run(request: EvaluationRequest, services: Services, device: str | None = None) -> Run:
    """Look at the pictures and score the captions; yields a `Step` after each few and the `EvaluationResult` last.

    On `Stop` CLIPScore counts the pictures looked at so far; the other scores are about all captions in any case.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    vectors, refused, stopped = yield from _look(request, services, device)
    yield Step(len(request.pictures), len(request.pictures) + 1, "scoring the captions")  # with no pause in it to stop
    rest = (request.ranker, request.prefix, device, request.resamples, request.seed)
    report = evaluate(request.candidates, request.references, services, vectors, *rest)
    title = services.catalog.get(request.ranker).title if vectors else ""
    notes = [*request.notes, *report.notes, *_left_out(refused), *_how(title, request.prefix)]
    yield EvaluationResult(
        seconds=time.monotonic() - began,
        model=title,
        stopped=stopped,
        estimates=report.estimates(),
        report=report,
        refused=tuple(refused),
        notes=tuple(notes),
    )


def _from_table(path: str | Path, known: CocoCaptions) -> dict[Any, str]:
    """One caption a picture, by the picture's id or, where the references lack it, by the name of its file.

    Raises BadRequest for a name that several images of the references have, and for an image that several rows name.
    """
    best: dict[str, TableRow] = {}
    for row in read_table(path):
        held = best.get(row.file_name)
        if held is None or (row.chosen, -row.rank) > (held.chosen, -held.rank):
            best[row.file_name] = row
    found: dict[Any, TableRow] = {}
    for name, row in best.items():
        key = known.key_of(name)
        if key in found:
            raise refuse(path, f"names {shown(found[key].file_name)} and {shown(name)}, which are one image there.")
        found[name if key is None else key] = row
    return {key: row.caption for key, row in found.items()}


def _look(
    request: EvaluationRequest, services: Services, device: str | None
) -> Generator[Step, Command | None, tuple[dict[Any, Tensor], list[tuple[Any, str]], bool]]:
    """Vectors (D,) of the pictures by key, those that could not be read with the reason, and whether to stop."""
    keys = list(request.pictures)
    vectors: dict[Any, Tensor] = {}
    refused: list[tuple[Any, str]] = []
    for start in range(0, len(keys), SLICE):
        images = {}
        for key in keys[start : start + SLICE]:
            try:
                images[key] = admit(request.pictures[key], services.settings).image
            except BadRequest as error:
                refused.append((key, str(error)))
            except MemoryError:
                said = f"{file_name(request.pictures[key])} needs more memory to be read than there is."
                refused.append((key, said))
        if images:
            found = services.scorer.image_vectors(request.ranker, list(images.values()), device)  # (n, D)
            vectors |= dict(zip(images, found, strict=True))
        done = min(start + SLICE, len(keys))
        if isinstance((yield Step(done, len(request.pictures) + 1, "looking at the pictures")), Stop):
            return vectors, refused, done < len(keys)
    return vectors, refused, False


def _how(title: str, prefix: str) -> list[str]:
    words = f", which read “{prefix}” before each text" if prefix else ""
    return [f"CLIPScore and RefCLIPScore are by {title}{words}."] if title else []


def _left_out(refused: Sequence[tuple[Any, str]]) -> list[str]:
    if not refused:
        return []
    plural = "picture" if len(refused) == 1 else "pictures"
    return [f"{len(refused):,} {plural} could not be looked at and have no CLIPScore. {refused[0][1]}"]

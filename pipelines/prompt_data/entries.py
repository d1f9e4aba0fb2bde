"""Predictions of several methods scored as the competition does, checked as its entries are, and written as one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from pipelines import limits
from pipelines.evaluation.bootstrap import RESAMPLES, Estimate, Statistic, differences
from pipelines.prompt_data.compare import MethodSummary, agreements, comparison_plots, summarised
from pipelines.prompt_data.entry_files import Entry, read_entries, read_truth
from pipelines.prompt_data.explore import encode
from pipelines.prompt_data.scoring import cosines as cosines_of
from pipelines.prompt_data.submission import problems, write_submission
from pipelines.prompt_data.submission_rows import NUMBERS
from pipelines.services import Services
from pipelines.steps import Result, Run
from safeguards.wording import shown

if TYPE_CHECKING:
    from models.catalog import Catalog


@dataclass(frozen=True)
class EntriesRequest:
    """Files of predictions and, where it is known, one of the truth: prompts or submissions, each (see `entry_files`).

    `column` is that of the prompts in all of them, "" to look for it; `resamples` and `seed` are those of the
    intervals.
    """

    predictions: tuple[str | Path, ...]
    truth: str | Path | None = None
    column: str = ""
    resamples: int = RESAMPLES
    seed: int = 0

    def resolve(self, catalog: Catalog) -> EntriesRequest:
        """The same request, checked. Raises BadRequest and ModelUnavailable as others do."""
        if not self.predictions:
            raise BadRequest("There is nothing to score: choose at least one file of predictions.")
        limits.model(catalog, "sentence", "")
        return replace(
            self,
            predictions=tuple(self.predictions),
            resamples=limits.whole("number of resamples", self.resamples, 1, 100_000),
            seed=limits.whole("seed", self.seed, 0, 2**32 - 1),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EntriesResult(Result):
    """The methods with a vector for any image, in their order, and what is wrong with these and others by name.

    `ids` are the images of the truth, or without one those that any method saw. `cosines` (methods, images) to the
    truth are NaN where there is none; `apart` is by method the largest difference of any number from the truth's.
    `summaries` are best mean first, and `lead` is how far the best mean is above the second, over the images that both
    have. `vectors` (images, 384) by method have NaN for an image without one. `texts` are by method and by TRUTH.
    """

    methods: tuple[str, ...]
    ids: tuple[str, ...]
    texts: Mapping[str, Mapping[str, str]]
    vectors: Mapping[str, np.ndarray]
    cosines: np.ndarray
    apart: Mapping[str, float]
    summaries: tuple[MethodSummary, ...]
    lead: Estimate | None
    problems: Mapping[str, tuple[str, ...]]
    plots: Mapping[str, str]
    notes: tuple[str, ...] = ()


def run(request: EntriesRequest, services: Services, device: str | None = None) -> Run:
    """Read, check, encode and compare; yields a `Step` after each few prompts and the `EntriesResult` at the end.

    On `Stop` the prompts encoded so far stand for the rest. A method whose submission is refused has no score but its
    problems; raises BadRequest for files that cannot be read, and when no method is about any image of the truth.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    truth = read_truth(request.truth, request.column) if request.truth else None
    entries = read_entries(request.predictions, request.column, truth)
    sources = [*([truth] if truth else []), *entries]
    texts = [text for entry in sources for text in entry.prompts.values()]
    made, stopped = np.zeros((0, NUMBERS), np.float32), False
    if texts:
        made, stopped = yield from encode(texts, services, device)
        stopped = stopped and len(made) < len(texts)
    known = _vectors(sources, made)
    ids = tuple(known[0]) if truth else tuple(dict.fromkeys(each for table in known for each in table))
    scored = [
        (entry, table) for entry, table in zip(entries, known[-len(entries) :], strict=True) if set(table) & set(ids)
    ]
    if not scored and not any(entry.problems for entry in entries):
        raise BadRequest("There is nothing to score: none of the files has a prediction.")
    vectors = {entry.name: _placed(table, ids) for entry, table in scored}
    true = _placed(known[0], ids) if truth else np.full((len(ids), NUMBERS), np.nan)
    yield EntriesResult(
        seconds=time.monotonic() - began,
        model=services.catalog.default("sentence").title,
        stopped=stopped,
        ids=ids,
        texts={entry.name: entry.prompts for entry in sources if entry.prompts},
        vectors=vectors,
        problems={entry.name: entry.problems for entry in entries if entry.problems},
        **_compared(request, scored, vectors, true, ids),
    )


def write_entry(result: EntriesResult, method: str, path: str | Path) -> Path:
    """Write a method's submission, in the order of `ids`, check it as `problems` does, and return `path`.

    Raises BadRequest for a method without a vector for every image, and for what `write_submission` refuses.
    """
    if method not in result.vectors:
        raise BadRequest(
            f"There are no predictions of {shown(method)}; there are those of {', '.join(result.methods)}."
        )
    if (missing := np.isnan(result.vectors[method]).any(1)).any():
        first = result.ids[int(missing.argmax())]
        raise BadRequest(
            f"{method} has no prediction for {int(missing.sum()):,} of {len(result.ids):,} images, the first is "
            f"{shown(first)}; an entry needs one for each."
        )
    made = write_submission(path, result.ids, result.vectors[method])
    if found := problems(made, result.ids):
        raise BadRequest(found[0])
    return made


def _vectors(sources: Sequence[Entry], made: np.ndarray) -> list[dict[str, np.ndarray]]:
    """By image the vectors of each source; `made` (n, 384) are those of the first n prompts of all, in their order."""
    tables, place = [], 0
    for entry in sources:
        mine = made[place : place + len(entry.prompts)]
        place += len(entry.prompts)
        tables.append(dict(entry.vectors) or dict(zip(entry.prompts, mine, strict=False)))  # a stop leaves fewer
    return tables


def _placed(table: Mapping[str, np.ndarray], ids: Sequence[str]) -> np.ndarray:
    """The vectors (len(ids), 384) float64, NaN where an image has none."""
    placed = np.full((len(ids), NUMBERS), np.nan)
    for row, each in enumerate(ids):
        if each in table:
            placed[row] = table[each]
    return placed


def _compared(
    request: EntriesRequest,
    scored: Sequence[tuple[Entry, Mapping[str, np.ndarray]]],
    vectors: Mapping[str, np.ndarray],
    true: np.ndarray,
    ids: tuple[str, ...],
) -> dict:
    """The fields of the result that follow from vectors (images, 384) of the methods and of the truth."""
    methods = tuple(vectors)
    table = np.stack([cosines_of(vectors[name], true) for name in methods]) if methods else np.zeros((0, len(ids)))
    summaries = []
    for row, (entry, own) in enumerate(scored):
        times = [entry.seconds[each] for each in ids if each in entry.seconds]
        images = sum(each in own for each in ids)
        plain = MethodSummary(entry.name, images, seconds=sum(times) / len(times) if times else None)
        summaries.append(summarised(plain, row, table, request.resamples, request.seed))
    summaries.sort(key=lambda each: -each.mean.value if each.mean else 0)
    unit = [vectors[name] / np.linalg.norm(vectors[name], axis=1, keepdims=True) for name in methods]
    plots = comparison_plots(methods, ids, table, agreements(unit), summaries) if methods else {}
    apart = {name: np.abs(vectors[name] - true) for name in methods}
    return {
        "methods": methods,
        "cosines": table,
        "apart": {name: float(np.nanmax(each)) for name, each in apart.items() if not np.isnan(each).all()},
        "summaries": tuple(summaries),
        "lead": _lead(request, methods, table, summaries),
        "plots": plots,
        "notes": () if request.truth else ("The true prompts are not known, so there is no score.",),
    }


def _lead(
    request: EntriesRequest, methods: Sequence[str], table: np.ndarray, summaries: Sequence[MethodSummary]
) -> Estimate | None:
    """How far the best mean is above the second, with a paired interval over the images that both have."""
    first = [each for each in summaries if each.mean][:2]
    if len(first) < 2:
        return None
    one, other = (table[methods.index(each.name)] for each in first)
    both = ~np.isnan(one + other)
    if both.sum() < 2:
        return None
    parts = (Statistic.mean("lead", values[both]) for values in (one, other))
    return differences(*parts, request.resamples, request.seed)["lead"]

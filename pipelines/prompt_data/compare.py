"""Methods beside each other: how near each one's prompts are to the truth, how evenly, and how long they take."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines import limits
from pipelines.evaluation.bootstrap import RESAMPLES, Estimate, Statistic, estimates
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.prompt_data.charts import Bar, bars, heat, strips
from pipelines.prompt_data.prompt_sets import PromptSets
from pipelines.services import Services
from pipelines.steps import Result, Run, Step, Stop

if TYPE_CHECKING:
    from models.catalog import Catalog

NO_TRUTH = "The true prompts are not known, so methods are compared with each other alone."


@dataclass(frozen=True)
class CompareRequest:
    """Prompts of methods, and the truth where it is known; `resamples` and `seed` are those of the intervals."""

    sets: PromptSets
    resamples: int = RESAMPLES
    seed: int = 0

    def resolve(self, catalog: Catalog) -> CompareRequest:
        """The same request, checked. Raises BadRequest and ModelUnavailable as others do."""
        limits.model(catalog, "sentence", "")
        return replace(
            self,
            resamples=limits.whole("number of resamples", self.resamples, 1, 100_000),
            seed=limits.whole("seed", self.seed, 0, 2**32 - 1),
        )


@dataclass(frozen=True)
class MethodSummary:
    """One method over its images.

    `mean` is the mean cosine to the truth with its interval and `spread` its sample standard deviation (of one image
    0); `variation`, the coefficient of variation, is spread over mean, None where the mean is not above 0. `best` is on
    how many images no other method has a higher cosine. All are None where the truth is not known. `seconds` is the
    mean time an image, None where no time was measured; `images` how many it has prompts for.
    """

    name: str
    images: int
    mean: Estimate | None = None
    spread: float | None = None
    variation: float | None = None
    best: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class CompareResult(Result):
    """`summaries`, best mean first where the truth is known; `cosines` (methods, images) to the truth, NaN for none.

    Rows of `cosines` and of `agreement`, the mean cosine (methods, methods) between the prompts of two, are in the
    order of `methods`. `table` has a row for each image: id, true prompt, and each method's prompt ("" for none).
    `plots` are inline SVG by name.
    """

    methods: tuple[str, ...]
    ids: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    cosines: np.ndarray
    agreement: np.ndarray
    summaries: tuple[MethodSummary, ...]
    plots: Mapping[str, str]
    notes: tuple[str, ...] = ()


def run(request: CompareRequest, services: Services, device: str | None = None) -> Run:
    """Encode and compare; yields a `Step` after each method and the `CompareResult` at the end.

    On `Stop` the methods read so far are compared.
    """
    began, stopped = time.monotonic(), False
    request = request.resolve(services.catalog)
    sets, ids = request.sets, request.sets.ids
    truth = _vectors(sets.truth, {}, ids, services, device)
    vectors = {}
    for number, (name, prompts) in enumerate(sets.predictions.items(), start=1):
        vectors[name] = _vectors(prompts, sets.vectors.get(name, {}), ids, services, device)
        if isinstance((yield Step(number, len(sets.predictions) + 1, name)), Stop):
            stopped = number < len(sets.predictions)
            break
    sets = replace(sets, predictions={name: sets.predictions[name] for name in vectors})
    cosines = np.stack([(rows * truth).sum(1) for rows in vectors.values()])  # (M, N)
    summaries = [_summary(replace(request, sets=sets), name, row, cosines) for row, name in enumerate(vectors)]
    if sets.truth:
        summaries.sort(key=lambda each: -each.mean.value if each.mean else 0)
    agreement = agreements(list(vectors.values()))
    methods = tuple(vectors)
    yield CompareResult(
        seconds=time.monotonic() - began,
        model=services.catalog.default("sentence").title,
        stopped=stopped,
        methods=methods,
        ids=ids,
        table=tuple((each, *(part.get(each, "") for part in (sets.truth, *sets.predictions.values()))) for each in ids),
        cosines=cosines,
        agreement=agreement,
        summaries=tuple(summaries),
        plots=comparison_plots(methods, ids, cosines, agreement, summaries),
        notes=_notes(sets),
    )


def _vectors(
    prompts: Mapping[str, str],
    known: Mapping[str, np.ndarray],
    ids: tuple[str, ...],
    services: Services,
    device: str | None,
) -> np.ndarray:
    """Unit vectors (len(ids), 384), NaN where an image has no prompt; those `known` (384,) are taken as they are."""
    made = np.full((len(ids), 384), np.nan, np.float32)
    for row, each in enumerate(ids):
        if each in known:
            made[row] = known[each] / np.linalg.norm(known[each])
    rows = [row for row, each in enumerate(ids) if each in prompts and each not in known]
    if rows:
        made[rows] = sentence_vectors(services, [prompts[ids[row]] for row in rows], device).numpy()
    return made


def _summary(request: CompareRequest, name: str, row: int, cosines: np.ndarray) -> MethodSummary:
    """What is known of one method; `cosines` (M, N) are those of all."""
    sets, ids = request.sets, request.sets.ids
    times = [sets.seconds[name][each] for each in ids if each in sets.seconds.get(name, {})]
    summary = MethodSummary(
        name,
        images=sum(each in sets.predictions[name] for each in ids),
        seconds=sum(times) / len(times) if times else None,
    )
    return summarised(summary, row, cosines, request.resamples, request.seed)


def summarised(summary: MethodSummary, row: int, cosines: np.ndarray, resamples: int, seed: int) -> MethodSummary:
    """The summary with what follows from the cosines (M, N) of all methods, of which the method's are in `row`."""
    mine = cosines[row][~np.isnan(cosines[row])].astype(np.float64)
    if not len(mine):
        return summary
    mean = estimates(Statistic.mean("mean", cosines[row].astype(np.float64)), resamples, seed)["mean"]
    spread = float(mine.std(ddof=1)) if len(mine) > 1 else 0.0
    variation = spread / mean.value if mean.value > 0 else None
    best = cosines[row] >= np.fmax.reduce(cosines, axis=0) - 1e-6
    return replace(summary, mean=mean, spread=spread, variation=variation, best=int(best.sum()))


def comparison_plots(
    methods: Sequence[str],
    ids: Sequence[str],
    cosines: np.ndarray,
    agreement: np.ndarray,
    summaries: Sequence[MethodSummary],
) -> dict[str, str]:
    """Inline SVG by name, of the fields of a `CompareResult`."""
    plots = {"agreement": heat(agreement, methods, methods, "Mean cosine between the prompts of two methods")}
    timed = [Bar(each.name, each.seconds) for each in summaries if each.seconds is not None]
    if timed:
        plots["seconds"] = bars(timed, "Time an image", ".2f", unit="seconds")
    known = [each for each in summaries if each.mean]
    if not known:
        return plots
    order = [methods.index(each.name) for each in known]
    means = [Bar(each.name, each.mean.value, each.mean.low, each.mean.high) for each in known if each.mean]
    variation = [Bar(each.name, 100 * each.variation if each.variation is not None else math.nan) for each in known]
    return {
        "mean": bars(means, "Mean cosine to the truth, with its 95 % interval", ".3f"),
        "spread": strips(
            {methods[row]: cosines[row].tolist() for row in order}, "Cosine of every image", "cosine", ids
        ),
        "variation": bars(variation, "Coefficient of variation", ".1f", unit="%"),
        "images": heat(cosines[order], [methods[row] for row in order], ids, "Cosine to the truth"),
        **plots,
    }


def agreements(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """The mean cosine (M, M) between the unit vectors (N, D) of every two methods; a row of NaN does not count."""
    return np.array([[_mean((one * other).sum(1)) for other in vectors] for one in vectors])


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _notes(sets: PromptSets) -> tuple[str, ...]:
    missing = {name: sum(each not in prompts for each in sets.ids) for name, prompts in sets.predictions.items()}
    told = [
        f"{name} has no prompt for {count:,} of {len(sets.ids):,} images." for name, count in missing.items() if count
    ]
    return (*(() if sets.truth else (NO_TRUTH,)), *told)

"""Predictions against the truth: the mean cosine in the space of all-MiniLM-L6-v2, image by image, with an interval."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from pipelines import limits
from pipelines.evaluation.bootstrap import RESAMPLES, Estimate, Statistic, estimates
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.prompt_data.charts import Bar, bars, histogram
from pipelines.prompt_data.prompts_file import prompts_by_id
from pipelines.prompt_data.submission import HEADER, read_submission
from pipelines.services import Services
from pipelines.steps import Result, Run, Step
from safeguards.wording import file_name, shown

if TYPE_CHECKING:
    from models.catalog import Catalog


@dataclass(frozen=True)
class ScoreRequest:
    """Two files about the same images: predictions and the truth.

    Each is a file of prompts (see `prompts_file`; matched by its ids) or a submission (see `submission`), in either
    place. `column` is that of the prompts in both, "" to look for it.
    """

    predictions: str | Path
    truth: str | Path
    column: str = ""
    resamples: int = RESAMPLES
    seed: int = 0

    def resolve(self, catalog: Catalog) -> ScoreRequest:
        """The same request, checked. Raises BadRequest and ModelUnavailable as others do."""
        limits.model(catalog, "sentence", "")
        limits.whole("number of resamples", self.resamples, 1, 100_000)
        limits.whole("seed", self.seed, 0, 2**32 - 1)
        return self


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreResult(Result):
    """`score` is the competition's: the mean of `cosines`, one an image of `ids`; `plots` are inline SVG by name."""

    ids: tuple[str, ...]
    cosines: tuple[float, ...]
    score: Estimate
    plots: Mapping[str, str]
    notes: tuple[str, ...] = ()


def run(request: ScoreRequest, services: Services, device: str | None = None) -> Run:
    """Read, encode and compare; yields a `Step` after each file and the `ScoreResult` at the end.

    Images of the truth without a prediction are not left out in silence: they are refused, as the competition does.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    truth = vectors_of(request.truth, request.column, services, device)
    yield Step(1, 3, f"read {file_name(request.truth)}")
    predictions = vectors_of(request.predictions, request.column, services, device, tuple(truth))
    yield Step(2, 3, f"read {file_name(request.predictions)}")
    _same_images(request, predictions, truth)
    ids = tuple(truth)
    values = cosines(np.stack([predictions[each] for each in ids]), np.stack([truth[each] for each in ids]))
    score = estimates(Statistic.mean("score", values), request.resamples, request.seed)["score"]
    more = len(predictions) - len(truth)
    yield ScoreResult(
        seconds=time.monotonic() - began,
        model=services.catalog.default("sentence").title,
        ids=ids,
        cosines=tuple(values.tolist()),
        score=score,
        plots=_plots(ids, values),
        notes=(f"{more:,} predictions are about images without a truth and do not count.",) if more else (),
    )


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The cosine of each pair of rows of two (N, D) arrays, (N,) float64. Lengths do not count."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return (one * other).sum(1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))


def vectors_of(
    path: str | Path, column: str, services: Services, device: str | None = None, expected: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Vectors (384,) by image id, from a file of prompts or a submission, in the file's order.

    A submission is checked first; `expected` are then the images it must be about. Raises BadRequest.
    """
    if is_submission(path):
        submission = read_submission(path, expected)
        return dict(zip(submission.ids, submission.vectors, strict=True))
    prompts = prompts_by_id(path, column)
    vectors = sentence_vectors(services, list(prompts.values()), device).numpy()
    return dict(zip(prompts, vectors, strict=True))


def is_submission(path: str | Path) -> bool:
    """Whether the first line of a file begins as that of a submission."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file), [])[:1] == [HEADER[0]]
    except (OSError, UnicodeDecodeError, csv.Error):
        return False  # whoever reads it next says what is wrong with it


def _same_images(request: ScoreRequest, predictions: Mapping[str, object], truth: Mapping[str, object]) -> None:
    missing = [each for each in truth if each not in predictions]
    if not missing:
        return
    about = next(iter(predictions))
    others = f" and {len(missing) - 1:,} others" if len(missing) > 1 else ""
    raise BadRequest(
        f"{file_name(request.predictions)} has no prediction for the image {shown(missing[0])}{others} of "
        f"{file_name(request.truth)}; its own first image is {shown(about)}. Both need a column with the same ids."
    )


def _plots(ids: Sequence[str], values: np.ndarray) -> dict[str, str]:
    order = np.argsort(-values)
    plots = {"cosines": histogram(values.tolist(), "Cosine to the truth", "cosine")}
    if len(ids) <= 100:
        table = [Bar(ids[row], float(values[row])) for row in order]
        return {"images": bars(table, "Cosine to the truth, image by image", ".3f"), **plots}
    for name, rows in (("best", order[:20]), ("worst", order[::-1][:20])):
        table = [Bar(ids[row], float(values[row])) for row in rows]
        plots[name] = bars(table, f"The {name} images", ".3f")
    return plots

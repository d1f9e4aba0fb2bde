"""The ensemble's weights as a run of their own: from vectors that methods gave and the true prompts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from common.errors import BadRequest
from models.catalog import Catalog
from pipelines import limits
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.image_to_prompt.ensemble import FittedWeights, fit_weights
from pipelines.services import Services
from pipelines.steps import Result, Run, Step, Stop


@dataclass(frozen=True, eq=False)
class WeighRequest:
    """By method and by the picture's name the vectors (384,) that it gave, and by name the `truth`."""

    vectors: Mapping[str, Mapping[str, np.ndarray]]
    truth: Mapping[str, str]

    def resolve(self, catalog: Catalog) -> WeighRequest:
        """The same request, checked. Raises BadRequest when it says too little, and ModelUnavailable."""
        limits.model(catalog, "sentence", "")
        if not self.truth:
            raise BadRequest("Weights are fitted to true prompts, and none are known; give the file with them.")
        if len(self.vectors) < 2:
            raise BadRequest("Weights need at least two methods; choose more of them and find the words again.")
        if len(self.names) < 2:
            raise BadRequest(
                f"Weights need at least two pictures with a true prompt and an answer of every method; there "
                f"{'is 1' if self.names else 'are none'}."
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The pictures that everything is known of, in the order of the truth."""
        return tuple(name for name in self.truth if all(name in known for known in self.vectors.values()))


@dataclass(frozen=True, kw_only=True, eq=False)
class WeighResult(Result):
    """See `FittedWeights`; `notes` are sentences."""

    fitted: FittedWeights
    notes: tuple[str, ...] = ()


def run(request: WeighRequest, services: Services, device: str | None = None) -> Run:
    """Fit the weights; yields a `Step` when the true prompts are read and the `WeighResult` at the end.

    Raises what `resolve`, `fit_weights` and the model pool raise, and BadRequest on `Stop`.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    names = request.names
    truth = sentence_vectors(services, [request.truth[name] for name in names], device).numpy()
    if isinstance((yield Step(1, 2, "fitting weights, with every picture left out once")), Stop):
        raise BadRequest("It was stopped before the weights were fitted.")
    stacks = {method: np.stack([known[name] for name in names]) for method, known in request.vectors.items()}
    fitted = fit_weights(stacks, truth)
    few = f"{len(names)} pictures say little; look at the intervals." if len(names) < 30 else ""
    yield WeighResult(
        seconds=time.monotonic() - began,
        model=services.catalog.default("sentence").title,
        fitted=fitted,
        notes=(few,) if few else (),
    )

"""Prompts of pictures, or texts, that lie near a picture; and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from common.errors import BadRequest
from pipelines.image_index.filters import Filters
from pipelines.image_to_prompt.heads import unit

if TYPE_CHECKING:
    from pipelines.services import Services

POWER = 6  # of the distance, in the weights of the vote


@dataclass(frozen=True)
class Neighbour:
    """A prompt found, and the cosine of its picture (or of its own vector) to the picture asked about."""

    prompt: str
    cosine: float


class PromptIndex(Protocol):
    """Anything that finds prompts by a ranker's vector."""

    def find(self, vector: np.ndarray, count: int) -> Sequence[Neighbour]:
        """At most `count` different prompts near a unit vector (D,), best first."""


class PlainIndex:
    """Prompts with a unit vector (N, D) each, all of them compared. Raises BadRequest for vectors that are none."""

    def __init__(self, prompts: Sequence[str], vectors: np.ndarray) -> None:
        if len(prompts) != len(vectors) or not len(prompts):
            raise BadRequest(
                f"There are {len(prompts)} prompts and {len(vectors)} vectors; both must be as many, and some."
            )
        if not np.isfinite(vectors).all():
            raise BadRequest("The vectors of the prompts hold numbers that are none (NaN); make them again.")
        self._prompts, self._vectors = tuple(prompts), unit(np.asarray(vectors, np.float32))

    def find(self, vector: np.ndarray, count: int) -> list[Neighbour]:
        """See `PromptIndex.find`."""
        cosines = self._vectors @ vector
        found: dict[str, float] = {}
        for row in np.argsort(-cosines, kind="stable").tolist():
            found.setdefault(self._prompts[row], float(cosines[row]))
            if len(found) == count:
                break
        return [Neighbour(*pair) for pair in found.items()]


class PictureIndex:
    """The prompts of an image index, by the pictures that carry them. Raises BadRequest as that index does."""

    def __init__(self, name: str, ranker: str, services: Services) -> None:
        from pipelines.image_index.card import Card, index_folder, read_card, revision_of
        from pipelines.image_index.store import ImageIndex

        folder = index_folder(services.settings, name)
        card, spec = read_card(folder), services.catalog.get(ranker)
        card.check(Card(spec.name, spec.title, revision_of(spec, services.settings), card.dimension), name)
        self._index = ImageIndex.open(folder)

    def find(self, vector: np.ndarray, count: int) -> list[Neighbour]:
        """See `PromptIndex.find`. Pictures without a prompt are passed over."""
        found: dict[str, float] = {}
        # Some share a prompt, so more are asked for than are wanted.
        for each in self._index.search(vector, 5 * count, Filters(has_prompt=True).sql()):
            if prompt := " ".join((each.row["prompt"] or "").split()):
                found.setdefault(prompt, each.cosine)
        return [Neighbour(*pair) for pair in list(found.items())[:count]]


def vote(neighbours: Sequence[Neighbour], vectors: np.ndarray) -> np.ndarray:
    """The unit vector (E,) that the neighbours' sentence vectors (N, E) make together, the near ones counting most.

    Weights are 1 / distance^6, as in the nearest-neighbour regressions of Kaggle's Image to Prompts; the distance of
    unit vectors is sqrt(2 - 2 · cosine).
    """
    distances = np.sqrt(np.maximum(2 - 2 * np.array([each.cosine for each in neighbours]), 1e-4))
    weights = (distances.min() / distances) ** POWER  # of the nearest 1, so that nothing overflows
    return unit((weights[:, None] * unit(np.asarray(vectors, np.float64))).sum(0))

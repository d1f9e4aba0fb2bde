"""The embeddings view: true and predicted prompts as points, on maps, in a heat map, and with their neighbours."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from pipelines import limits
from pipelines.prompt_data.charts import heat
from pipelines.prompt_data.explore import SLICE, encode
from pipelines.prompt_data.map_chart import scatter
from pipelines.prompt_data.maps import METHODS, TITLES, Map, make_map
from pipelines.prompt_data.prompt_sets import MAX_IMAGES, TRUTH, PromptSets
from pipelines.services import Services
from pipelines.steps import Result, Run, Step, Stop
from safeguards.wording import shown

if TYPE_CHECKING:
    from models.catalog import Catalog


@dataclass(frozen=True)
class EmbeddingsRequest:
    """Which maps to make of which prompts. `methods` are among METHODS; `neighbours` as in `maps.make_map`.

    With more than `images` images as many are drawn by `seed`.
    """

    sets: PromptSets
    methods: tuple[str, ...] = METHODS
    neighbours: int = 15
    images: int = MAX_IMAGES
    seed: int = 0

    def resolve(self, catalog: Catalog) -> EmbeddingsRequest:
        """The same request, checked. Raises BadRequest and ModelUnavailable as others do."""
        if not self.methods:
            raise BadRequest(f"No map is asked for; allowed are {', '.join(METHODS)}.")
        limits.model(catalog, "sentence", "")
        return replace(
            self,
            methods=tuple(limits.one_of("method of the map", each, METHODS, METHODS[0]) for each in self.methods),
            neighbours=limits.whole("number of neighbours", self.neighbours, 2, 200),
            images=limits.whole("number of images", self.images, 1, MAX_IMAGES),
            seed=limits.whole("seed", self.seed, 0, 2**32 - 1),
        )


@dataclass(frozen=True)
class Neighbour:
    """Another row and its cosine to the chosen one."""

    row: int
    cosine: float


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddingsResult(Result):
    """A row for each prompt, the true ones first: its source (`sets`, an index into `names`), image, text and vector.

    `vectors` (N, 384) float32 are of length 1. `maps` are by method, all rows on each. `arrows` lead from the row of a
    true prompt to that of each prediction for it.
    """

    names: tuple[str, ...]
    sets: tuple[int, ...]
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: np.ndarray
    maps: Mapping[str, Map]
    arrows: tuple[tuple[int, int], ...]
    notes: tuple[str, ...] = ()

    def neighbours(self, row: int, count: int = 8) -> tuple[Neighbour, ...]:
        """The rows with the highest cosine to one of them, best first; BadRequest for a row that is not there."""
        row = limits.whole("row", row, 0, len(self.texts) - 1)
        cosines = self.vectors @ self.vectors[row]
        cosines[row] = -2
        best = np.argsort(-cosines, kind="stable")[: min(count, len(cosines) - 1)]
        return tuple(Neighbour(int(each), float(cosines[each])) for each in best)

    def map_plot(self, method: str, chosen: int | None = None) -> str:
        """A map as inline SVG; each point carries `data-row`. With a `chosen` row its neighbours are lit."""
        if method not in self.maps:
            raise BadRequest(f"There is no map {shown(method)}; there are {', '.join(self.maps)}.")
        near = [each.row for each in self.neighbours(chosen)] if chosen is not None else []
        tips = [f"{self.names[each]} · {self.ids[row]}: {self.texts[row]}" for row, each in enumerate(self.sets)]
        title = f"Prompts by meaning ({TITLES[method]})"
        points = self.maps[method].points
        return scatter(points, self.sets, self.names, tips, title, self.arrows, chosen, near)

    def cosines(self, one: str, other: str) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
        """Cosines (A, B) of all prompts of one source with all of another, and the images of the rows and columns."""
        for name in (one, other):
            if name not in self.names:
                raise BadRequest(f"There are no prompts of {shown(name)}; there are those of {', '.join(self.names)}.")
        rows, columns = (np.flatnonzero(np.array(self.sets) == self.names.index(name)) for name in (one, other))
        names = tuple(tuple(self.ids[row] for row in part) for part in (rows, columns))
        return self.vectors[rows] @ self.vectors[columns].T, *names

    def heat_plot(self, one: str, other: str) -> str:
        """Those cosines as inline SVG. Where a method is right the diagonal stands out."""
        return heat(*self.cosines(one, other), f"Cosine of {one} (rows) and {other} (columns)")


def run(request: EmbeddingsRequest, services: Services, device: str | None = None) -> Run:
    """Encode and map; yields a `Step` after each few prompts and each map, which tells what comes next, and the
    `EmbeddingsResult` at the end.

    On `Stop` the maps made so far are shown, or one by PCA of the prompts encoded so far.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    ids = request.sets.ids
    if len(ids) > request.images:
        places = np.random.default_rng(request.seed).choice(len(ids), request.images, replace=False)
        ids = tuple(ids[place] for place in sorted(places))
    rows = _rows(request.sets, ids)
    texts, first = [text for _, _, text in rows], TITLES[request.methods[0]]
    vectors, stopped = yield from encode(texts, services, device, len(request.methods), first)
    rows = rows[: len(vectors)]
    methods = ("pca",) if stopped else request.methods  # the quick one, so that there is something to see
    total = -(-len(rows) // SLICE) + len(methods)
    maps: dict[str, Map] = {}
    for number, method in enumerate(methods, start=1):
        maps[method] = make_map(vectors, method, request.seed, request.neighbours)
        left = methods[number:]
        if left and isinstance((yield Step(total - len(left), total, TITLES[left[0]])), Stop):
            stopped = True
            break
    note = f"{len(ids):,} of {len(request.sets.ids):,} images, drawn by chance."
    names = tuple(dict.fromkeys(name for name, _, _ in rows))
    true = {each: row for row, (name, each, _) in enumerate(rows) if name == TRUTH}
    arrows = [(true[each], row) for row, (name, each, _) in enumerate(rows) if name != TRUTH and each in true]
    yield EmbeddingsResult(
        seconds=time.monotonic() - began,
        model=services.catalog.default("sentence").title,
        stopped=stopped,
        names=names,
        sets=tuple(names.index(name) for name, _, _ in rows),
        ids=tuple(each for _, each, _ in rows),
        texts=tuple(text for _, _, text in rows),
        vectors=vectors,
        maps=maps,
        arrows=tuple(arrows),
        notes=(note,) if len(ids) < len(request.sets.ids) else (),
    )


def _rows(sets: PromptSets, ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Source, image and text of every prompt for these images, the true ones first."""
    sources = {**({TRUTH: sets.truth} if sets.truth else {}), **sets.predictions}
    return [(name, each, prompts[each]) for name, prompts in sources.items() for each in ids if each in prompts]

"""Exploring files of prompts: lengths, words, repetitions, clusters, and what leaks from one part into another."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from pipelines import limits
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.prompt_data import words
from pipelines.prompt_data.clusters import MAX_CLUSTERS, Cluster, find_clusters
from pipelines.prompt_data.explore_plots import explore_plots
from pipelines.prompt_data.near import MAX_PAIRS, Leak, NearPair, copies, groups_of, leaks, near_pairs
from pipelines.prompt_data.prompts_file import PromptTable, read_prompts
from pipelines.services import Services
from pipelines.steps import Command, Result, Run, Step, Stop
from safeguards.wording import shown

if TYPE_CHECKING:
    from models.catalog import Catalog

MAX_FILES = 20
SLICE = 256  # prompts encoded between two steps


@dataclass(frozen=True)
class ExploreRequest:
    """Files of prompts to look into (see `prompts_file`).

    `column` "" is looked for in each. With several files these are the parts between which leaks are looked for; with
    one, the values of its column of splits `split_column` ("" to look for one). `threshold` is the cosine from which
    prompts count as near. `clusters` 0 chooses the number. `sample`: prompts that are encoded, drawn by `seed` when
    there are more; everything that needs no vectors is about all.
    """

    files: tuple[str | Path, ...]
    column: str = ""
    split_column: str = ""
    threshold: float = 0.9
    clusters: int = 0
    sample: int = 5_000
    seed: int = 0

    def resolve(self, catalog: Catalog) -> ExploreRequest:
        """The same request, checked. Raises BadRequest and ModelUnavailable as others do."""
        if not 1 <= len(self.files) <= MAX_FILES:
            raise BadRequest(f"There are {len(self.files)} files of prompts; allowed are 1 to {MAX_FILES}.")
        limits.model(catalog, "sentence", "")
        return replace(
            self,
            files=tuple(self.files),
            threshold=limits.number("cosine from which prompts count as near", self.threshold, 0.5, 1),
            clusters=limits.whole("number of clusters", self.clusters, 0, MAX_CLUSTERS),
            sample=limits.whole("number of prompts to encode", self.sample, 10, 50_000),
            seed=limits.whole("seed", self.seed, 0, 2**32 - 1),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ExploreResult(Result):
    """What there is in the files. Rows count from 0 over all files, in their order; `texts` are the prompts.

    `parts` has the number of prompts by part, `empty` those without one. `lengths` are "words" and "characters" of
    each prompt that is not empty. `top` has the most frequent "words", "pairs", "triples" and "phrases", each with the
    number of prompts. `copies` are groups of rows with the same words, `near` pairs of rows that are near (best first,
    copies left out), `near_groups` how many groups they form, and `encoded` the rows that were looked at for them.
    `plots` are inline SVG by name.
    """

    texts: tuple[str, ...]
    parts: Mapping[str, int]
    columns: Mapping[str, str]
    empty: int
    lengths: Mapping[str, tuple[int, ...]]
    top: Mapping[str, list[tuple[str, int]]]
    copies: tuple[tuple[int, ...], ...]
    near: tuple[NearPair, ...]
    near_groups: tuple[tuple[int, ...], ...]
    clusters: tuple[Cluster, ...]
    leaks: tuple[Leak, ...]
    encoded: tuple[int, ...]
    threshold: float
    plots: Mapping[str, str]
    notes: tuple[str, ...] = ()


def run(request: ExploreRequest, services: Services, device: str | None = None) -> Run:
    """Read, encode and count; yields a `Step` after each few prompts and the `ExploreResult` at the end.

    On `Stop` the prompts encoded so far stand for the rest. Raises what `resolve` and `read_prompts` raise.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    several = len(request.files) > 1
    tables = [
        read_prompts(path, request.column, split_column=None if several else request.split_column)
        for path in request.files
    ]
    texts, parts = _joined(tables)
    filled = [row for row, text in enumerate(texts) if words.plain(text)]
    if not filled:
        raise BadRequest("None of the prompts has a word in it.")
    rows = filled
    if len(filled) > request.sample:
        rows = sorted(np.random.default_rng(request.seed).choice(filled, request.sample, replace=False).tolist())
    vectors, stopped = yield from encode([texts[row] for row in rows], services, device)
    stopped = stopped and len(vectors) < len(rows)  # a stop after the last of them left out nothing
    rows = rows[: len(vectors)]
    made = _counted(request, texts, parts, filled, rows, vectors)
    note = f"Repetitions in other words, clusters and near leaks are about {len(rows):,} of {len(filled):,} prompts."
    yield ExploreResult(
        seconds=time.monotonic() - began,
        model=services.catalog.default("sentence").title,
        stopped=stopped,
        columns={table.name: table.column for table in tables},
        threshold=request.threshold,
        notes=((note,) if len(rows) < len(filled) else ()) + made.pop("notes"),
        **made,
    )


def _joined(tables: Sequence[PromptTable]) -> tuple[list[str], list[str]]:
    """The texts of all files, and the part each belongs to."""
    texts = [text for table in tables for text in table.texts]
    if len(tables) == 1:
        only = tables[0]
        return texts, [split or "(none)" for split in only.splits] or [only.name] * len(texts)
    names: list[str] = []
    for table in tables:
        if table.name in names:
            raise BadRequest(f"Two of the files are named {shown(table.name)}; give one of them another name.")
        names.append(table.name)
    return texts, [table.name for table in tables for _ in table.texts]


def encode(
    texts: Sequence[str], services: Services, device: str | None, after: int = 1, then: str = "comparing the prompts"
) -> Generator[Step, Command | None, tuple[np.ndarray, bool]]:
    """Unit vectors (n, 384) of the first n texts, and whether a stop was said.

    `after` steps will follow, and what comes `then` is told by the last step here.
    """
    total = -(-len(texts) // SLICE) + after
    done = []
    for number, start in enumerate(range(0, len(texts), SLICE), start=1):
        done.append(sentence_vectors(services, texts[start : start + SLICE], device).numpy())
        note = "reading the prompts" if start + SLICE < len(texts) else then
        if isinstance((yield Step(number, total, note)), Stop):
            return np.concatenate(done), True
    return np.concatenate(done), False


def _counted(
    request: ExploreRequest,
    texts: list[str],
    parts: list[str],
    filled: list[int],
    rows: list[int],
    vectors: np.ndarray,
) -> dict:
    """The fields of the result that follow from the texts and from the vectors (len(rows), 384) of some of them."""
    known = [texts[row] for row in filled]
    pairs, values = near_pairs(vectors, request.threshold)
    near = [
        NearPair(rows[one], rows[other], float(value), words.overlap(texts[rows[one]], texts[rows[other]]))
        for (one, other), value in zip(pairs.tolist(), values, strict=True)
        if words.plain(texts[rows[one]]) != words.plain(texts[rows[other]])
    ]
    clusters = find_clusters(vectors, [texts[row] for row in rows], request.clusters, request.seed)
    made = {
        "texts": tuple(texts),
        "parts": {part: parts.count(part) for part in dict.fromkeys(parts)},
        "empty": len(texts) - len(filled),
        "lengths": {"words": tuple(len(words.words_in(text)) for text in known), "characters": tuple(map(len, known))},
        "top": {
            "words": words.top_words(known),
            "pairs": words.top_runs(known, 2),
            "triples": words.top_runs(known, 3),
            "phrases": words.top_phrases(known),
        },
        "copies": tuple(map(tuple, copies(texts))),
        "near": tuple(near),
        "near_groups": tuple(tuple(rows[place] for place in group) for group in groups_of(pairs, len(rows))),
        "clusters": tuple(Cluster(tuple(rows[place] for place in each.rows), each.words) for each in clusters),
        "leaks": tuple(leaks(texts, parts, rows, vectors, request.threshold)),
        "encoded": tuple(rows),
        "notes": (f"Only the nearest {MAX_PAIRS:,} pairs were kept.",) if len(pairs) == MAX_PAIRS else (),
    }
    return {**made, "plots": explore_plots(made, vectors)}

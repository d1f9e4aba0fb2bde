"""Prompts that all but repeat each other, and those that leak from one part of the data into another.

Nearness is the cosine of MiniLM vectors rather than MinHash over the words: it is the space the competition scores in,
so what is near there is what a model could have copied; it finds paraphrases, which share few shingles; and the
clusters and maps need the same vectors anyway. What it misses, the order of words, MinHash over words would miss too.
Copies that differ in case and punctuation alone are found by their words, in files of any length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipelines.prompt_data.words import overlap, plain

BLOCK = 1_024  # rows compared with all others at a time
MAX_PAIRS = 1_000_000


@dataclass(frozen=True)
class NearPair:
    """Rows of two prompts, their cosine, and the share of words they have in common."""

    one: int
    other: int
    cosine: float
    words: float


@dataclass(frozen=True)
class Leak:
    """How much of part `other` stands in part `one` already.

    `copies` are prompts of `other` with the same words as one of `one`; `near` those with a cosine of the threshold or
    more, copies among them, of the `looked_at` prompts of `other` that were compared. `examples` are pairs of rows.
    """

    one: str
    other: str
    prompts: int
    copies: int
    near: int
    looked_at: int
    examples: tuple[NearPair, ...] = ()

    @property
    def share(self) -> float:
        """The share of the prompts compared that are near, in [0, 1]."""
        return self.near / self.looked_at if self.looked_at else 0.0


def near_pairs(vectors: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of rows of unit vectors (N, D) with a cosine of at least `threshold`: rows (P, 2) and cosines (P,).

    Best first; at most MAX_PAIRS.
    """
    rows, values, total = [], [], 0
    for start in range(0, len(vectors), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors[start:].T
        one, other = np.nonzero(np.triu(cosines >= threshold, 1))
        rows.append(np.stack([one, other], 1) + start)
        values.append(cosines[one, other])
        total += len(one)
        if total > MAX_PAIRS:
            break
    pairs, found = np.concatenate(rows or [np.zeros((0, 2), int)]), np.concatenate(values or [np.zeros(0)])
    order = np.argsort(-found, kind="stable")[:MAX_PAIRS]
    return pairs[order], found[order]


def groups_of(pairs: np.ndarray, count: int) -> list[list[int]]:
    """Rows 0..count-1 joined by pairs (P, 2) into groups of at least two, the largest first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if count else []
    return sorted((part.tolist() for part in parts if len(part) > 1), key=lambda part: (-len(part), part[0]))


def copies(texts: Sequence[str]) -> list[list[int]]:
    """Groups of rows whose texts have the same words in the same order, the largest first. Empty texts do not count."""
    found: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        if words := plain(text):
            found.setdefault(words, []).append(row)
    return sorted((rows for rows in found.values() if len(rows) > 1), key=lambda rows: (-len(rows), rows[0]))


def leaks(
    texts: Sequence[str], parts: Sequence[str], looked_at: Sequence[int], vectors: np.ndarray, threshold: float
) -> list[Leak]:
    """Every two parts of the data compared. `parts` names that of each text.

    Copies are looked for among all texts, near ones among the rows `looked_at`, whose unit vectors (N, D) these are.
    """
    by_part: dict[str, list[int]] = {}
    for row, part in enumerate(parts):
        by_part.setdefault(part, []).append(row)
    place = {row: number for number, row in enumerate(looked_at)}
    return [_leak(texts, pair, by_part, place, vectors, threshold) for pair in combinations(by_part, 2)]


def _leak(
    texts: Sequence[str],
    pair: tuple[str, str],
    by_part: Mapping[str, list[int]],
    place: Mapping[int, int],
    vectors: np.ndarray,
    threshold: float,
) -> Leak:
    one, other = (by_part[part] for part in pair)
    known = {plain(texts[row]) for row in one} - {""}
    same = sum(plain(texts[row]) in known for row in other)
    first, second = ([row for row in rows if row in place] for rows in (one, other))
    examples: list[NearPair] = []
    near = 0
    for start in range(0, len(second) if first else 0, BLOCK):
        block = second[start : start + BLOCK]
        cosines = vectors[[place[row] for row in block]] @ vectors[[place[row] for row in first]].T
        best = cosines.argmax(1)
        for number, row in enumerate(block):
            value = float(cosines[number, best[number]])
            if value >= threshold:
                near += 1
                match = first[best[number]]
                examples.append(NearPair(match, row, value, overlap(texts[match], texts[row])))
        examples = sorted(examples, key=lambda each: -each.cosine)[:20]
    return Leak(*pair, len(other), same, near, len(second), tuple(examples))

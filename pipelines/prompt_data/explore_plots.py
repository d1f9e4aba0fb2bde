"""The plots of an exploration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipelines.prompt_data.charts import Bar, bars, heat, histogram
from pipelines.prompt_data.map_chart import scatter
from pipelines.prompt_data.maps import pca
from pipelines.prompt_data.near import BLOCK
from pipelines.prompt_data.svg import COLOURS

TITLES = {
    "words": "The most frequent words",
    "pairs": "The most frequent runs of two words",
    "triples": "The most frequent runs of three words",
    "phrases": "The most frequent pieces between commas",
}
MAX_POINTS = 3_000


def explore_plots(found: Mapping[str, Any], vectors: np.ndarray) -> dict[str, str]:
    """Inline SVG by name, of the fields of an `ExploreResult` and the unit vectors (N, D) of its rows `encoded`."""
    plots = {
        "lengths": histogram(found["lengths"]["words"], "Length of the prompts", "words", bins=40),
        "characters": histogram(found["lengths"]["characters"], "Length in characters", "characters", bins=40),
    }
    for number, (name, title) in enumerate(TITLES.items()):
        table = [Bar(word, count) for word, count in found["top"][name][:20]]
        plots[name] = bars(table, title, colour=COLOURS[number], unit="number of prompts")
    plots["nearest"] = histogram(nearest(vectors).tolist(), "Cosine to the nearest other prompt", "cosine", bins=50)
    clusters = [Bar(", ".join(each.words[:4]) or "(no words)", len(each.rows)) for each in found["clusters"]]
    plots["clusters"] = bars(clusters, "Clusters by their typical words", unit="number of prompts")
    plots["map"] = _map(found, vectors)
    if found["leaks"]:
        plots["leaks"] = _leaks(found)
    return plots


def nearest(vectors: np.ndarray) -> np.ndarray:
    """The highest cosine of each row of unit vectors (N, D) to another row: (N,), empty for fewer than two rows."""
    if len(vectors) < 2:
        return np.zeros(0)
    best = []
    for start in range(0, len(vectors), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, rows + start] = -1
        best.append(cosines.max(1))
    return np.concatenate(best)


def _map(found: Mapping[str, Any], vectors: np.ndarray) -> str:
    rows = found["encoded"]
    cluster = {row: number for number, each in enumerate(found["clusters"]) for row in each.rows}
    shown = np.linspace(0, len(rows) - 1, min(len(rows), MAX_POINTS)).astype(int)
    names = [", ".join(each.words[:2]) or "(no words)" for each in found["clusters"]]
    title = "Map of the prompts (PCA), coloured by cluster"
    groups, tips = [cluster[rows[each]] for each in shown], [found["texts"][rows[each]] for each in shown]
    return scatter(pca(vectors).points[shown], groups, names[: len(COLOURS)], tips, title)


def _leaks(found: Mapping[str, Any]) -> str:
    names = list(found["parts"])
    table = np.full((len(names), len(names)), np.nan)
    for leak in found["leaks"]:
        table[names.index(leak.other), names.index(leak.one)] = leak.share
    return heat(table, names, names, "Share of a row's prompts that are near one of a column's")

"""Prompts sorted into groups of like meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.prompt_data.words import typical_words

MAX_CLUSTERS = 30
JUDGED = 1_000  # rows on which a number of clusters is judged
FEW = 5  # rows that a cluster has on average at least, when its number is chosen; else near copies would be clusters


@dataclass(frozen=True)
class Cluster:
    """A group: its rows, nearest to its centre first, and the words typical of it."""

    rows: tuple[int, ...]
    words: tuple[str, ...]


def find_clusters(vectors: np.ndarray, texts: Sequence[str], count: int = 0, seed: int = 0) -> list[Cluster]:
    """k-means over unit vectors (N, D), the largest cluster first.

    `count` 0 chooses the number whose clusters stand apart best: the highest mean silhouette (Rousseeuw 1987).
    """
    from sklearn.cluster import KMeans

    count = min(count or _best_count(vectors, seed), len(vectors))
    model = KMeans(count, n_init=4, random_state=seed).fit(vectors)
    distance = np.linalg.norm(vectors - model.cluster_centers_[model.labels_], axis=1)
    order = np.argsort(distance, kind="stable")
    groups = [order[model.labels_[order] == label].tolist() for label in range(count)]
    groups = sorted((group for group in groups if group), key=lambda group: (-len(group), group[0]))
    words = typical_words([[texts[row] for row in group] for group in groups])
    return [Cluster(tuple(group), tuple(each)) for group, each in zip(groups, words, strict=True)]


def _best_count(vectors: np.ndarray, seed: int) -> int:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    judged = vectors
    if len(vectors) > JUDGED:
        judged = vectors[np.random.default_rng(seed).choice(len(vectors), JUDGED, replace=False)]
    different = len(np.unique(judged.round(5), axis=0))
    scores = {}
    for count in (2, 3, 4, 5, 6, 8, 10, 12, 15, 20):
        if count < different and count <= len(judged) / FEW:
            labels = KMeans(count, n_init=2, random_state=seed).fit_predict(judged)
            scores[count] = silhouette_score(judged, labels)
    return max(scores, key=lambda count: (scores[count], -count)) if scores else 1

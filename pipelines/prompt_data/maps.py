"""Maps of meaning: many-dimensional vectors in the plane, by PCA, t-SNE and UMAP."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from common.errors import BadRequest
from pipelines import limits

METHODS = ("pca", "tsne", "umap")
TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
LEAST = 3  # points that a map needs


@dataclass(frozen=True, eq=False)
class Map:
    """Places (N, 2) float64 of the rows. `kept` is the share of the variance that PCA keeps, None for the others.

    On a map by t-SNE or UMAP neighbours are neighbours, but far distances and the sizes of groups mean little.
    """

    method: str
    points: np.ndarray
    kept: float | None = None


def make_map(vectors: np.ndarray, method: str, seed: int = 0, neighbours: int = 15) -> Map:
    """Unit vectors (N, D) in the plane; all that are to be compared must be in one call.

    `neighbours` is UMAP's n_neighbors and t-SNE's perplexity; both are lowered where there are too few points. The
    same seed gives the same map. Raises BadRequest for another method or fewer than three points.
    """
    method = limits.one_of("method of the map", method, METHODS, METHODS[0])
    if len(vectors) < LEAST:
        raise BadRequest(f"There are {len(vectors)} points; a map needs at least {LEAST}.")
    if method == "pca":
        return pca(vectors)
    return Map(method, (_tsne if method == "tsne" else _umap)(vectors, seed, neighbours))


def pca(vectors: np.ndarray) -> Map:
    """Principal component analysis onto two axes; each axis points where its largest share is positive."""
    centred = np.asarray(vectors, np.float64) - vectors.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.where(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(1)] < 0, -1, 1)[:, None]
    points = np.zeros((len(vectors), 2))
    points[:, : len(axes)] = centred @ axes.T
    total = float((sizes**2).sum())
    return Map("pca", points, float((sizes[:2] ** 2).sum() / total) if total else 0.0)


def _tsne(vectors: np.ndarray, seed: int, neighbours: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    perplexity = min(float(neighbours), (len(vectors) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, metric="cosine", init="random", random_state=seed, max_iter=1_000)
    return model.fit_transform(np.asarray(vectors, np.float32)).astype(np.float64)


def _umap(vectors: np.ndarray, seed: int, neighbours: int) -> np.ndarray:
    with warnings.catch_warnings():
        # A seed keeps UMAP to one thread, of which it warns every time.
        warnings.simplefilter("ignore")
        from umap import UMAP

        # The spectral start needs more points than dimensions to choose from; a few are laid out by chance instead.
        start = "spectral" if len(vectors) > 4 * LEAST else "random"
        size = max(2, min(neighbours, len(vectors) - 1))
        model = UMAP(n_neighbors=size, metric="cosine", init=start, random_state=seed, n_jobs=1)
        return np.asarray(model.fit_transform(np.asarray(vectors, np.float32)), np.float64)

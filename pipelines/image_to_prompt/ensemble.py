"""Several methods' answers as one vector: the weighted sum of unit vectors, with weights that can be fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.errors import BadRequest
from pipelines.evaluation.bootstrap import Estimate, Statistic, draws, estimates
from pipelines.image_to_prompt.heads import unit
from safeguards.wording import shown

# The ensemble of the first entry that this app grew out of: two captioners, evenly.
PRESETS: Mapping[str, Mapping[str, float]] = {
    "BLIP + CoCa": {"caption:blip-large": 0.5, "caption:coca-vit-l-14-coco": 0.5},
}
ROUNDS, RATE = 400, 2.0
EXACT_UP_TO, FOLDS = 200, 10
WEIGHT_RESAMPLES = 200


@dataclass(frozen=True)
class FittedWeights:
    """Weights by method, from 0 to 1 with the sum 1, with the interval of each over resamples of the pictures.

    `score` is the mean cosine of the mixture to the truth where each picture was left out of the fit that predicts it
    (above 200 pictures: tenths of them), `even` that of even weights, `alone` that of each method by itself, all with
    their 95 % bootstrap intervals. `pictures` is how many pairs there were.
    """

    weights: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    score: Estimate
    even: Estimate
    alone: Mapping[str, Estimate]
    pictures: int


def mix(vectors: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Vectors (..., E) by method -> the unit vector (..., E) of their weighted sum; each is normalised first.

    Methods without a weight count nothing. Raises BadRequest when no method with a weight is there.
    """
    used = {name: weight for name, weight in weights.items() if weight > 0 and name in vectors}
    if not used:
        raise BadRequest(f"The ensemble has none of its members: it wants {', '.join(weights) or 'none'}.")
    return unit(sum(weight * unit(np.asarray(vectors[name], np.float64)) for name, weight in used.items()))


def check_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights scaled to the sum 1. Raises BadRequest for one below 0 or no number, and when all are 0."""
    for name, value in weights.items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or not 0 <= value < float("inf"):
            raise BadRequest(f"The weight of {shown(name)} is {shown(value)}; allowed is a number from 0.")
    total = float(sum(weights.values()))
    if total <= 0:
        raise BadRequest("All weights of the ensemble are 0; give at least one method a weight.")
    return {name: value / total for name, value in weights.items()}


def fit_weights(
    vectors: Mapping[str, np.ndarray], truth: np.ndarray, resamples: int = 1000, seed: int = 0
) -> FittedWeights:
    """The weights with the largest mean cosine of the mixture to `truth`, (N, E); `vectors` (N, E) by method.

    Exponentiated gradient ascent on the simplex (Kivinen & Warmuth 1997), for the fit, for every picture left out and
    for every resample at once. Raises BadRequest for fewer than 2 pictures or methods, and for numbers that are none.
    """
    names = tuple(vectors)
    if len(names) < 2 or len(truth) < 2:
        raise BadRequest(f"Weights need 2 methods and 2 pictures; there are {len(names)} and {len(truth)}.")
    stack = np.stack([np.asarray(vectors[name], np.float64) for name in names], 1)  # (N, M, E)
    if not (np.isfinite(stack).all() and np.isfinite(truth).all()):
        raise BadRequest("The vectors to fit weights on hold numbers that are none (NaN); make them again.")
    stack, truth = unit(stack), unit(np.asarray(truth, np.float64))
    to_truth = np.einsum("nme,ne->nm", stack, truth)
    among = np.einsum("nme,nke->nmk", stack, stack)
    count = len(truth)
    folds = np.arange(count) if count <= EXACT_UP_TO else np.arange(count) % FOLDS
    kept = 1.0 - (folds == np.arange(folds.max() + 1)[:, None])  # (F, N): the pictures that each fit sees
    drawn = draws(count, WEIGHT_RESAMPLES, seed).astype(np.float64)
    fitted = _ascend(to_truth, among, np.concatenate([np.ones((1, count)), kept, drawn]))
    weights, held, spread = fitted[0], fitted[1 : 1 + len(kept)], fitted[1 + len(kept) :]
    outside = _cosines(to_truth, among, held[folds], paired=True)
    low, high = np.percentile(spread, (2.5, 97.5), axis=0)

    def about(values: np.ndarray) -> Estimate:
        return estimates(Statistic.mean("cosine", values), resamples, seed)["cosine"]

    even = np.full((1, len(names)), 1 / len(names))
    return FittedWeights(
        dict(zip(names, weights.tolist(), strict=True)),
        dict(zip(names, low.tolist(), strict=True)),
        dict(zip(names, high.tolist(), strict=True)),
        about(outside),
        about(_cosines(to_truth, among, even)[0]),
        {name: about(to_truth[:, place]) for place, name in enumerate(names)},
        count,
    )


def _cosines(to_truth: np.ndarray, among: np.ndarray, weights: np.ndarray, paired: bool = False) -> np.ndarray:
    """Of mixtures by weights (R, M) the cosine to the truth of each picture, (R, N); (N,) if `paired` row by row."""
    if paired:
        length = np.sqrt(np.einsum("nm,nmk,nk->n", weights, among, weights))
        return (to_truth * weights).sum(1) / np.maximum(length, 1e-12)
    length = np.sqrt(np.einsum("rm,nmk,rk->rn", weights, among, weights, optimize=True))
    return weights @ to_truth.T / np.maximum(length, 1e-12)


def _ascend(to_truth: np.ndarray, among: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For each row of `counts` (R, N), how often each picture counts, the best weights: (R, M)."""
    share = counts / counts.sum(1, keepdims=True)
    weights = np.full((len(counts), to_truth.shape[1]), 1 / to_truth.shape[1])
    for _ in range(ROUNDS):
        length = np.sqrt(np.einsum("rm,nmk,rk->rn", weights, among, weights, optimize=True)).clip(1e-12)
        cosine = weights @ to_truth.T / length  # (R, N)
        # The derivative of t·w / |Aw| by w is t / |Aw| - (t·w) A'Aw / |Aw|^3.
        slope = (share / length) @ to_truth
        slope -= np.einsum("rn,nmk,rk->rm", share * cosine / length**2, among, weights, optimize=True)
        weights = weights * np.exp(RATE * slope)
        weights /= weights.sum(1, keepdims=True)
    return weights


def decode(vector: np.ndarray, texts: Sequence[str], vectors: np.ndarray) -> list[tuple[str, float]]:
    """Texts with their unit vectors (N, E), by cosine to a unit vector (E,), best first.

    A mixture of vectors is nobody's sentence; the text nearest to it is what can be shown for it.
    """
    cosines = vectors @ vector
    order = np.argsort(-cosines, kind="stable")
    return [(texts[row], float(cosines[row])) for row in order]

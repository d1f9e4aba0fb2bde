"""Which of a picture's captions to believe: the one nearest to what all of them say, and to the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Verdict:
    """`agreement` and `consensus` of n captions, (n,) float64 each, and the place of the best."""

    agreement: np.ndarray | None
    consensus: np.ndarray | None
    best: int


def judge(vectors: np.ndarray | None, weights: np.ndarray, clip_scores: np.ndarray | None, blend: float) -> Verdict:
    """Minimum Bayes risk, blended with CLIPScore.

    With h over all captions of a picture and p(h) their `weights` (see `shares`),

        agreement(c) = Σ_h p(h) · cos(c, h)         cosines of the MiniLM `vectors`, (n, D) unit rows
        consensus(c) = (1 - blend) · agreement(c) + blend · CLIPScore(c)

    and the caption with the largest consensus is picked, the first of equals. The sum is the expected likeness to a
    caption drawn from the models, so its maximum has the least expected loss (Kumar & Byrne 2004, "Minimum Bayes-Risk
    Decoding for Statistical Machine Translation", equation 3; with samples Eikema & Aziz 2020, section 5). It favours
    what most captions say over what one of them is sure of, and CLIPScore, 2.5 · max(cosine, 0), in which the models'
    words count nothing, favours what is to be seen. Where vectors or scores
    (n,) are None the others decide alone, and the weights where both are.
    """
    agreement = None if vectors is None else (vectors @ vectors.T).astype(np.float64) @ weights  # (n,)
    if agreement is None or clip_scores is None:
        only = agreement if clip_scores is None else clip_scores
        return Verdict(agreement, only, int((weights if only is None else only).argmax()))
    consensus = (1 - blend) * agreement + blend * clip_scores
    return Verdict(agreement, consensus, int(consensus.argmax()))


def shares(log_probabilities: Sequence[Sequence[float]], sampled: bool) -> np.ndarray:
    """p(h) for the captions of several captioners, one after another: (n,) float64, sums to 1.

    Captioners share evenly, since their probabilities cannot be compared. Within one, samples count evenly, for they
    were drawn as often as they are likely; captions that a search found count by their probability.
    """
    parts = []
    for logs in log_probabilities:
        values = np.zeros(len(logs)) if sampled else np.asarray(logs, dtype=np.float64)
        weights = np.exp(values - values.max())
        parts.append(weights / weights.sum())
    return np.concatenate(parts) / len(parts)

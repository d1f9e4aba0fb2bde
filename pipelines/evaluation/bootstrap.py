"""How far a score would move with other pictures: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
CHUNK = 64  # resamples drawn at a time, so that 40,000 pictures need megabytes
LOW, HIGH = 2.5, 97.5  # percentiles that hold 95 % between them


@dataclass(frozen=True)
class Estimate:
    """A score over `count` pictures, and the 95 % interval in which it would lie for other such pictures."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, eq=False)
class Statistic:
    """A score that follows from sums over pictures.

    `table` is (N, K) float64, a row for each picture, and `combine` makes (..., M) scores from sums (..., K) over any
    of them; `names` are those of the M scores.
    """

    names: tuple[str, ...]
    table: np.ndarray
    combine: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def mean(cls, name: str, values: np.ndarray) -> Statistic:
        """The mean of one number a picture, (N,), over those pictures that have one: NaN stands for none."""
        known = ~np.isnan(values)
        return cls((name,), np.stack([np.where(known, values, 0), known], -1).astype(np.float64), _quotient)

    @property
    def count(self) -> int:
        """The pictures that have a part in it."""
        return int(self.table.any(-1).sum())

    def each(self) -> np.ndarray:
        """The scores of every picture by itself, (N, M), NaN where it has none."""
        return self.combine(self.table)

    def total(self) -> np.ndarray:
        """The scores of all pictures together, (M,)."""
        return self.combine(self.table.sum(0))


def _quotient(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return sums[..., :1] / sums[..., 1:]


def draws(pictures: int, resamples: int, seed: int) -> np.ndarray:
    """How often each picture is drawn in each resample, (resamples, pictures) int64; the same for the same seed."""
    random = np.random.default_rng(seed)
    return random.multinomial(pictures, np.full(pictures, 1 / pictures), size=resamples)


def resampled(statistic: Statistic, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """The scores of resamples of the pictures with replacement, (resamples, M)."""
    count, parts = len(statistic.table), []
    for number, start in enumerate(range(0, resamples, CHUNK)):
        # A seed a chunk, so that two statistics over the same pictures meet the same resamples: differences are paired.
        drawn = draws(count, min(CHUNK, resamples - start), seed * 1_000_003 + number)
        parts.append(statistic.combine(drawn @ statistic.table))
    return np.concatenate(parts)


def estimates(statistic: Statistic, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Estimate]:
    """Each score with its interval: percentiles of the bootstrap (Efron & Tibshirani 1993, section 13.3).

    Of one picture nothing can be said about others, so its interval is the score itself.
    """
    return _table(statistic, statistic.total(), resampled(statistic, resamples, seed))


def differences(one: Statistic, other: Statistic, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Estimate]:
    """`one` minus `other`, which must be about the same pictures in the same order, with paired intervals.

    Two captioners differ as far as such an interval leaves out 0; their own intervals may overlap all the same.
    """
    if one.names != other.names or len(one.table) != len(other.table):
        raise ValueError(f"not to be compared: {one.names} of {len(one.table)}, {other.names} of {len(other.table)}")
    apart = resampled(one, resamples, seed) - resampled(other, resamples, seed)
    return _table(one, one.total() - other.total(), apart)


def _table(statistic: Statistic, scores: np.ndarray, drawn: np.ndarray) -> dict[str, Estimate]:
    """Scores (M,) with the percentiles of their resamples (resamples, M)."""
    # A resample may happen to hold none of the few pictures that have this score.
    low, high = np.nanpercentile(drawn, (LOW, HIGH), axis=0)
    rows = zip(statistic.names, scores.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Estimate(score, below, above, statistic.count) for name, score, below, above in rows}

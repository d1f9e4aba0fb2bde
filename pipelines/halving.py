"""Best-of-N by successive halving: look at unfinished pictures and go on with the better half only.

Pure functions; `text_to_image.run` does what they say. When to look is a fact of the model (`ModelSpec.looks`):
`python -m benchmarks rank_agreement` measures how well the early order agrees with the final one. For the published
models the points are guesses still.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

POINTS = (0.25, 0.5)  # fractions of the steps after which to look, where nothing else is said
KEEP = 0.5  # of those still in, at each look
FROM = 4  # candidates; who asks for fewer wants to see each of them
AT_LEAST = 4  # of many so many get finished, of fewer than eight the better half


def plan(
    candidates: int, steps: int, points: Sequence[float] = POINTS, keep: float = KEEP, at_least: int = AT_LEAST
) -> dict[int, int]:
    """After which step (from 1) how many candidates go on; empty when nobody is given up.

    Each point is a fraction of the steps in (0, 1). Points that fall on one step make one look, for a second look at
    the same pictures tells nothing; the last step is never a point, for there is nothing left to save.
    Fewer than FROM candidates are all finished. Raises ValueError for a fraction outside (0, 1).
    """
    if not 0 < keep < 1 or not all(0 < point < 1 for point in points):
        raise ValueError(f"fractions must be between 0 and 1: points {tuple(points)}, keep {keep}")
    rounds: dict[int, int] = {}
    if candidates < FROM:
        return rounds
    left, at_least = candidates, min(at_least, math.ceil(candidates * keep))
    for step in sorted({math.ceil(point * steps) for point in points}):
        fewer = max(math.ceil(left * keep), at_least)
        if step < steps and fewer < left:
            rounds[step] = left = fewer
    return rounds


def survivors(scores: Sequence[float], count: int) -> list[int]:
    """The indices of the `count` highest scores, in ascending order. NaN is the lowest; of equals the first go on."""
    order = sorted(range(len(scores)), key=lambda index: (math.isnan(scores[index]), -scores[index], index))
    return sorted(order[:count])

"""Several canvases at once: the judge looks twice on the way, the weakest make room for branches of the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.vqgan_clip import starts
from pipelines.vqgan_clip.optimisers import copy_memory

if TYPE_CHECKING:
    from pipelines.vqgan_clip.optimisation import Optimisation

POINTS = (0.3, 0.6)  # fractions of the steps after which the judge looks
LOOKS = 8
FEWEST = 3  # canvases; of two, a branch would leave one idea only
MOVED = 0.35  # share of a branch's cells that begin somewhere else


@dataclass(frozen=True)
class Refill:
    """At `step`, canvas `index` (seed `dropped`) was replaced by a branch of canvas `source` with the seed `seed`."""

    step: int
    index: int
    dropped: int
    source: int
    seed: int


def rounds(runs: int, steps: int, refill: bool) -> frozenset[int]:
    """After which steps the weakest are dropped."""
    return frozenset(math.ceil(point * steps) for point in POINTS) if refill and runs >= FEWEST else frozenset()


def looks(steps: int) -> frozenset[int]:
    """After which steps the judge looks, so that people see how the canvases fare."""
    return frozenset(math.ceil(steps * part / LOOKS) for part in range(1, LOOKS))


def renew(optimisation: Optimisation, scores: Sequence[float]) -> list[Refill]:
    """Replace the weakest third of the canvases by branches of the best ones, the best of all first."""
    order = sorted(range(len(scores)), key=lambda k: (math.isnan(scores[k]), -scores[k], k))
    weakest = order[len(order) - len(order) // 3 :]
    made = []
    for rank, index in enumerate(weakest):
        seed = max(optimisation.seeds) + 1
        made.append(Refill(optimisation.step_number, index, optimisation.seeds[index], order[rank], seed))
        branch(optimisation, order[rank], index, seed)
    return made


def branch(optimisation: Optimisation, source: int, target: int, seed: int) -> None:
    """Let canvas `target` go on from `source` with cuts and noise of its own, some of its cells half way elsewhere."""
    import torch

    random, z = starts.generator(seed, "start"), optimisation.z
    with torch.no_grad():
        elsewhere = optimisation.vqgan.random(1, *z.shape[-2:], random)[0].to(z)
        moved = (torch.rand(z.shape[-2:], generator=random) < MOVED).to(z)
        z[target] = torch.lerp(z[source], elsewhere, moved / 2)
        optimisation.average[target] = optimisation.average[source]
        optimisation.goal[target] = optimisation.goal[source]
        copy_memory(optimisation.optimiser, source, target)
    optimisation.seeds[target] = seed
    for purpose, generators in optimisation.random.items():
        generators[target] = starts.generator(seed, purpose, str(generators[target].device))

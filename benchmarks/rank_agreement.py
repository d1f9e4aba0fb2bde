"""How soon the ranking is settled: agreement of the order after each step with the final one, and what pruning on it
would keep and cost. The points of `pipelines.halving` are chosen from this.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from benchmarks.bench import Bench, mean
from benchmarks.report import Figure
from common.images import to_pil
from pipelines import halving
from pipelines.text_to_image import start

FRACTIONS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75)


def measure(bench: Bench) -> list[Figure]:
    """Record every candidate's score after every step, once; everything else is arithmetic on that."""
    records = [_record(bench, request) for request in bench.requests(fast_ranking=False)]  # (prompts, steps, N)
    steps = len(records[0])
    agreement = [mean([spearman(record[step], record[-1]) for record in records]) for step in range(steps)]
    print("\nstep  agreement with the final order   top score kept by the better half")
    for step in range(steps):
        kept = mean([_top_kept(record, {step + 1: len(record[0]) // 2 or 1}) for record in records])
        print(f"{step + 1:4}  {agreement[step]:.3f}  {'#' * round(30 * max(0, agreement[step])):30}   {kept:.4f}")
    plans = best_plans(records)
    print("\npoints, fraction of the steps   cost   top score kept   (best first, those that keep 98 %)")
    for points, cost, kept in plans[:8]:
        print(f"{', '.join(f'{point:g}' for point in points):30}  {cost:.3f}  {kept:.4f}")
    looks = bench.services.catalog.get(bench.requests()[0].model).looks
    now = halving.plan(len(records[0][0]), steps, looks)
    kept = mean([_top_kept(record, now) for record in records])
    details = {
        "agreement_by_step": agreement,
        "points": list(looks),
        "top_score_kept": kept,
        "best_points": list(plans[0][0]) if plans else [],
    }
    what = f"share of the work done by halving at {', '.join(map(str, looks))}; keeps {100 * kept:.1f} %"
    return [
        Figure("rank_agreement", what, cost_of(now, steps, len(records[0][0])), 1.0, "of the steps", details=details)
    ]


def best_plans(
    records: Sequence[Sequence[Sequence[float]]], enough: float = 0.98
) -> list[tuple[tuple[float, ...], float, float]]:
    """Points, cost and kept top score of every plan with one or two points that keeps `enough`, cheapest first."""
    steps, count = len(records[0]), len(records[0][0])
    found = []
    for points in itertools.chain(((point,) for point in FRACTIONS), itertools.combinations(FRACTIONS, 2)):
        rounds = halving.plan(count, steps, points)
        kept = mean([_top_kept(record, rounds) for record in records])
        if rounds and kept >= enough:
            found.append((points, cost_of(rounds, steps, count), kept))
    return sorted(found, key=lambda plan: (plan[1], -plan[2]))


def cost_of(rounds: dict[int, int], steps: int, count: int) -> float:
    """Candidate steps done with these rounds, as a share of all of them; 1 without rounds."""
    left, done = count, 0
    for step in range(1, steps + 1):
        done += left
        left = rounds.get(step, left)
    return done / (steps * count)


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation in [-1, 1]; 0 when either has no order at all."""
    ranks_one, ranks_other = _ranks(one), _ranks(other)
    middle = (len(one) - 1) / 2
    products = sum((a - middle) * (b - middle) for a, b in zip(ranks_one, ranks_other, strict=True))
    spreads = sum((a - middle) ** 2 for a in ranks_one) * sum((b - middle) ** 2 for b in ranks_other)
    return products / spreads**0.5 if spreads else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    """The place of each value in ascending order; equals share the mean of their places."""
    ordered = sorted(values)
    places = {value: mean([i for i, other in enumerate(ordered) if other == value]) for value in set(values)}
    return [places[value] for value in values]


def _top_kept(record: Sequence[Sequence[float]], rounds: dict[int, int]) -> float:
    """The best final score among the survivors of `rounds`, as a share of the best of all."""
    inside = list(range(len(record[0])))
    for step, count in sorted(rounds.items()):
        chosen = halving.survivors([record[step - 1][index] for index in inside], count)
        inside = [inside[place] for place in chosen]
    return max(record[-1][index] for index in inside) / max(record[-1])


def _record(bench: Bench, request: object) -> list[tuple[float, ...]]:
    """The cosine of every candidate after every step: (steps, N)."""
    services = bench.services
    scores = []
    with services.pool.use(request.model) as model:
        sampling = start(model, request)
        while sampling.done < sampling.total:
            sampling.step()
            pictures = to_pil(sampling.predicted())
            scores.append(services.scorer.scores(request.ranker, pictures, request.prompt).cosine)
    return scores

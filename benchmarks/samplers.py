"""Which scheduler and how many steps: mean score and time of each, to choose defaults inside a time budget."""

from __future__ import annotations

from benchmarks.bench import Bench, mean
from benchmarks.report import Figure
from benchmarks.warm_speed import CANDIDATES, TARGET
from models.spec import Range

STEPS = (4, 6, 8, 10, 12, 16, 20, 25, 30, 40, 50)


def measure(bench: Bench) -> list[Figure]:
    """All schedulers of the model at several step counts, or at `bench.steps`, each until the time budget is spent; the
    best mean score inside the budget is the figure."""
    asked = bench.requests(candidates=CANDIDATES, fast_ranking=False)[0]
    spec = bench.services.catalog.get(asked.model)
    limits = spec.controls["steps"]
    assert isinstance(limits, Range)
    bench.warm_up(asked)
    rows, counts = [], STEPS if bench.steps is None else (bench.steps,)
    print(f"\n{'scheduler':20} steps  seconds  mean top cosine  mean cosine")
    for scheduler in spec.controls.get("schedulers", ("",)):
        for steps in (steps for steps in counts if limits.minimum <= steps <= limits.maximum):
            runs = [
                bench.timed(request)
                for request in bench.requests(
                    candidates=CANDIDATES, fast_ranking=False, scheduler=scheduler, steps=steps
                )
            ]
            seconds = mean([seconds for seconds, _ in runs])
            top, middle = mean([result.best for _, result in runs]), mean([result.mean for _, result in runs])
            rows.append({"scheduler": scheduler, "steps": steps, "seconds": seconds, "top": top, "mean": middle})
            print(f"{scheduler:20} {steps:5}  {seconds:7.2f}  {top:15.4f}  {middle:11.4f}", flush=True)
            if seconds > TARGET:
                break
    inside = [row for row in rows if row["seconds"] <= TARGET] or rows
    best = max(inside, key=lambda row: row["mean"])
    default = max(
        (row for row in rows if row["scheduler"] == asked.scheduler),
        key=lambda row: -abs(row["steps"] - asked.steps),
    )
    what = f"best mean score within {TARGET:g} s: {best['scheduler']}, {best['steps']} steps; theirs: the default"
    return [Figure("samplers", what, best["mean"], default["mean"], "cosine", details={"rows": rows})]

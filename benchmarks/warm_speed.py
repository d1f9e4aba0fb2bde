"""Four candidates at the model's defaults, all finished and all loaded already: from click to ranked, stamped files."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench
from benchmarks.report import Figure

CANDIDATES, RUNS, TARGET = 4, 5, 4.0


def measure(bench: Bench) -> list[Figure]:
    """The median of a few runs, beside the plain way with the same steps."""
    requests = (bench.requests(candidates=CANDIDATES, fast_ranking=False) * RUNS)[:RUNS]
    bench.warm_up(requests[0])
    ours = [bench.timed(request)[0] for request in requests]
    theirs = [bench.plain(request)[0] for request in requests]
    asked = requests[0]
    what = f"{CANDIDATES} candidates of {asked.width}×{asked.height}, {asked.model}, {asked.steps} steps, warm"
    starter = bench.services.catalog.get(asked.model).pack == "starter"
    return [
        Figure(
            "warm_speed",
            what,
            median(ours),
            median(theirs),
            "s",
            f"at most {TARGET:g} s on 2 cores" if starter else "",
            median(ours) <= TARGET if starter else None,
            {"scheduler": asked.scheduler, "slowest": max(ours)},
        )
    ]

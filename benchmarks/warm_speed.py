"""Four candidates at the model's defaults, all finished and all loaded already: from click to ranked, stamped files."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench
from benchmarks.report import Figure

CANDIDATES, RUNS, TARGET = 4, 5, 4.0


def measure(bench: Bench) -> list[Figure]:
    """The median of a few runs, beside the plain way with the same steps; of the asked model, or of all here."""
    catalog = bench.services.catalog
    names = [spec.name for spec in catalog.all("text_to_image") if catalog.is_available(spec)]
    return [_figure(bench, name) for name in ([bench.model] if bench.model else names)]


def _figure(bench: Bench, model: str) -> Figure:
    requests = (bench.requests(model=model, candidates=CANDIDATES, fast_ranking=False) * RUNS)[:RUNS]
    bench.warm_up(requests[0])
    ours = [bench.timed(request)[0] for request in requests]
    theirs = [bench.plain(request)[0] for request in requests]
    asked = requests[0]
    steps = f"{asked.steps} step{'s' * (asked.steps != 1)}"
    starter = bench.services.catalog.get(model).pack == "starter"
    return Figure(
        f"warm_speed_{model}",
        f"{CANDIDATES} candidates of {asked.width}×{asked.height}, {model}, {steps}, warm",
        median(ours),
        median(theirs),
        "s",
        f"at most {TARGET:g} s on 2 cores" if starter else "",
        median(ours) <= TARGET if starter else None,
        {"scheduler": asked.scheduler, "slowest": max(ours)},
    )

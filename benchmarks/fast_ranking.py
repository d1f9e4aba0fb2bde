"""Best-of-N by successive halving against finishing all N: the time it takes and the top score it keeps."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.bench import Bench, mean
from benchmarks.report import Figure
from pipelines.text_to_image import TextToImageRequest

Runs = list[tuple[float, float]]


def measure(bench: Bench) -> list[Figure]:
    """Time and mean top cosine over the prompts, of fast ranking, of finishing everything, and of the plain way."""
    requests = bench.requests()
    bench.warm_up(requests[0])
    fast, full, plain = [], [], []  # seconds and top cosine of each prompt
    for request in requests:  # in turn, so that a busy moment of the machine hits all three
        for runs, asked in ((fast, request), (full, replace(request, fast_ranking=False))):
            seconds, result = bench.timed(asked)
            runs.append((seconds, result.best))
        seconds, cosines = bench.plain(request)
        plain.append((seconds, max(cosines)))
    return _figures(bench, requests[0], fast, full, plain)


def _figures(bench: Bench, asked: TextToImageRequest, fast: Runs, full: Runs, plain: Runs) -> list[Figure]:
    time, time_full, time_plain = (mean([seconds for seconds, _ in runs]) for runs in (fast, full, plain))
    top, top_full, top_plain = (mean([top for _, top in runs]) for runs in (fast, full, plain))
    what = f"fast ranking against all finished, best of {bench.candidates}, {asked.model}, {len(fast)} prompts"
    about = {"scheduler": asked.scheduler, "steps": asked.steps, "candidates": bench.candidates}
    same = mean([float(abs(a[1] - b[1]) < 1e-3) for a, b in zip(fast, full, strict=True)])
    wanted = ("ratio at most 0.6", "ratio at least 0.98")
    met = (time / time_full <= 0.6, top / top_full >= 0.98)
    more = {**about, "same_winner": same}
    beside = {**about, "mean_top_cosine_plain": top_plain}
    unit = "s a prompt"
    return [
        Figure("fast_ranking_time", what, time, time_full, unit, wanted[0], met[0], about),
        Figure("fast_ranking_score", "the same, mean top score", top, top_full, "cosine", wanted[1], met[1], more),
        Figure("fast_ranking_plain", "the same against plain diffusers", time, time_plain, unit, details=beside),
    ]

"""VQGAN+CLIP: steps a second against the common loop, at the defaults, by size and cuts, and what previews cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.bench import FIRST_SEED, Bench
from benchmarks.plain_vqgan_clip import PlainLoop
from benchmarks.report import Figure
from pipelines.services import Services
from pipelines.steps import Step
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.optimisation import Optimisation
from pipelines.vqgan_clip.progress import Progress
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.run import run

PROMPT = "a red heart"
CUTS = 32  # of the comparison
WARM_UP, STEPS = 3, 20
SIZES, COUNTS = (128, 192, 256), (8, 16, 32, 64)


def measure(bench: Bench) -> list[Figure]:
    """The comparison, the defaults, the table of costs, and a whole run. `bench.steps` and `bench.size` change both."""
    asked = VqganClipRequest(PROMPT, clips=(bench.ranker,), width=bench.size, height=bench.size, seed=FIRST_SEED)
    asked = replace(asked, steps=10_000).resolve(bench.services.catalog)
    steps = bench.steps or STEPS
    return [
        *_comparison(bench.services, asked, steps),
        _defaults(bench.services, asked, steps),
        _table(bench.services, asked, max(2, steps // 4), bench.size),
        _whole_run(bench),
    ]


def _comparison(services: Services, asked: VqganClipRequest, steps: int) -> list[Figure]:
    """One run, 32 cuts of the CLIP's own size, previews included: ours four times a second, theirs after every step."""
    request = replace(asked, preset="classic", cuts=CUTS, cuts_end=CUTS)
    with opened(request, services) as canvases:
        progress, size, cut_size = Progress(request.steps), canvases.size[0], canvases.eye.towers[0].size
        ours_alone = _pace(canvases.step, steps, str(canvases.z.device))
        looked = _pace(lambda: _with_looks(canvases, progress), steps, str(canvases.z.device))
        cost = progress.spent / (looked * (WARM_UP + steps))
    with services.pool.use(request.model) as vqgan, services.pool.use(request.clips[0]) as ranker:
        theirs = PlainLoop(vqgan, ranker, PROMPT, size, CUTS, cut_size, request.rate or 0.1)
        plain = _pace(theirs.step, steps, str(vqgan.device))
        plain_alone = _pace(lambda: theirs.step(preview=False), steps, str(vqgan.device))
    cuda = services.pool.devices[0].startswith("cuda")
    goal = 4.0 if cuda else 3.0
    what = f"VQGAN+CLIP, {CUTS} cuts of {cut_size} px, {size} px, {request.model}, against the common loop"
    about = {"ours_without_previews": 1 / ours_alone, "theirs_without_previews": 1 / plain_alone}
    about["ratio_without_previews"] = plain_alone / ours_alone
    target, faster = f"ratio at least {goal:g}", plain / looked
    return [
        Figure("vqgan_clip_speed", what, 1 / looked, 1 / plain, "steps/s", target, faster >= goal, about),
        Figure("vqgan_clip_previews", "what previews add", 100 * cost, None, "%", "at most 5 %", cost <= 0.05),
    ]


def _defaults(services: Services, asked: VqganClipRequest, steps: int) -> Figure:
    with opened(asked, services) as canvases:
        progress = Progress(asked.steps)
        pace = _pace(lambda: _with_looks(canvases, progress), steps, str(canvases.z.device))
    starter = services.catalog.get(asked.model).pack == "starter"
    what = f"VQGAN+CLIP at the defaults: {asked.cuts} cuts, {asked.width} px, {asked.model}"
    met = 1 / pace >= 3 if starter else None
    return Figure("vqgan_clip_defaults", what, 1 / pace, None, "steps/s", "at least 3 on 2 cores" * starter, met)


def _table(services: Services, asked: VqganClipRequest, steps: int, size: int | None) -> Figure:
    """Seconds a step and memory by size and number of cuts; memory as planned and, on CUDA, as it was."""
    rows = []
    print(f"\n{'pixels':>7} {'cuts':>5} {'s/step':>8} {'planned MB':>11} {'peak MB':>8}")
    for side in SIZES if size is None else (size,):
        for cuts in COUNTS:
            request = replace(asked, width=side, height=side, cuts=cuts, cuts_end=cuts)
            with opened(request, services) as canvases:
                device = str(canvases.z.device)
                _reset_peak(device)
                pace = _pace(canvases.step, steps, device)
                planned = canvases.plan.peak_mb if canvases.plan else 0.0
                row = {"size": side, "cuts": cuts, "seconds": pace, "planned_mb": planned, "peak_mb": _peak_mb(device)}
            rows.append(row)
            peak = "-" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}"
            print(f"{side:7} {cuts:5} {pace:8.3f} {planned:11,.0f} {peak:>8}", flush=True)
    first = rows[0]
    what = f"VQGAN+CLIP, {first['cuts']} cuts, {first['size']} px; the others in details"
    return Figure("vqgan_clip_costs", what, first["seconds"], None, "s/step", details={"rows": rows})


def _whole_run(bench: Bench) -> Figure:
    """From the click to the saved picture, all defaults, as many steps as `bench.steps` when it is given."""
    request = VqganClipRequest(PROMPT, clips=(bench.ranker,), width=bench.size, height=bench.size, seed=FIRST_SEED)
    if bench.steps:
        request = replace(request, steps=bench.steps)
    began, events = time.perf_counter(), 0
    for event in run(request, bench.services):
        events += isinstance(event, Step)
    seconds = time.perf_counter() - began
    what = f"“{PROMPT}”, {events} steps, whole run"
    starter = bench.services.catalog.get(event.recipe["model"]).pack == "starter"
    about = {"score": event.pictures[0].score, "judge": event.judge, "fair": event.fair}
    met = seconds <= 60 if starter else None
    return Figure("vqgan_clip_run", what, seconds, None, "s", "at most 60 s" * starter, met, about)


def _with_looks(canvases: Optimisation, progress: Progress) -> None:
    """A step as a run makes it, with its looks at the canvases."""
    began = time.monotonic()
    moment = canvases.step()
    progress.step(canvases, moment, time.monotonic() - began)


def _pace(step: Callable[[], Any], steps: int, device: str) -> float:
    """Mean seconds a step, after a few to warm up; a mean, because only some steps are looked at."""
    for _ in range(WARM_UP):
        step()
    _finish(device)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    _finish(device)
    return (time.perf_counter() - began) / steps


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def _peak_mb(device: str) -> float | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_allocated(device) / 2**20

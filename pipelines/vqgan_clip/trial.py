"""A few steps that leave nothing behind: how fast this machine is, and how much memory a step takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from pipelines.services import Services
from pipelines.steps import Result, Run, Step, Stop
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.planner import Footprint, footprint
from pipelines.vqgan_clip.request import VqganClipRequest

STEPS = 4  # of which the first is not counted: libraries prepare themselves in it
ANYTHING = "a shape"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialResult(Result):
    """`pace` is seconds a step, `footprint` what a step keeps in memory."""

    pace: float
    footprint: Footprint


def run(request: VqganClipRequest, services: Services, device: str | None = None) -> Run:
    """Make a few steps of a request, one canvas of it, with any words; yields a `Step` after each, then the
    `TrialResult`. Nothing is saved, and on `Stop` it ends with the steps there are."""
    began, paces, stopped = time.monotonic(), [], False
    request = replace(request, prompts=request.prompts or ANYTHING, runs=1, steps=STEPS, log=()).resolve(
        services.catalog
    )
    with opened(request, services, device) as canvas:
        measured = footprint(canvas.vqgan, canvas.eye.towers)
        for number in range(1, STEPS + 1):
            since = time.monotonic()
            canvas.step().losses  # noqa: B018 (waits for the device)
            paces.append(time.monotonic() - since)
            if stopped := isinstance((yield Step(number, STEPS)), Stop) and number < STEPS:
                break
    title = services.catalog.get(request.model).title
    seconds = time.monotonic() - began
    yield TrialResult(seconds=seconds, model=title, stopped=stopped, pace=min(paces), footprint=measured)

"""The line that tells, before anything is begun, what a run will make, how long it will take and what memory."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError
from pipelines.vqgan_clip import trial
from pipelines.vqgan_clip.interpolate import InterpolateRequest
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.restore import request_of
from safeguards.admit_video import duration
from safeguards.recipe import Recipe
from safeguards.wording import megabytes
from tabs.rooms import App
from tabs.vqgan_clip_request import AnyRequest, image_of, make
from tabs.watching import finished
from tabs.widgets import size

if TYPE_CHECKING:
    from pipelines.services import Services
    from pipelines.vqgan_clip.planner import Footprint
    from pipelines.vqgan_clip.restore import FilmRequest

ROOM = "vqgan_clip"
TRIAL = f"{ROOM} trial"  # the key of the last one's id
HOUSE = "atelier"  # owner of the jobs that nobody pressed a button for
SMALL_MB = 200  # models up to this size are loaded when the room is opened, to tell what a run will take
NO_VIDEO = "There is no video to restyle. Upload one."
FEW_PICTURES = "The number of pictures to go between is"
EARLY = {
    NO_VIDEO: "Upload a video, and the length of its film and the time it takes are told here.",
    FEW_PICTURES: "Upload two or more pictures, and the length of the film is told here.",
}


@dataclass(frozen=True)
class Known:
    """What runs with some models have taught: `pace` in seconds per unit of cost, `footprint` when it was measured."""

    pace: float
    footprint: Footprint | None = None


def task(request: AnyRequest) -> str:
    """Under which name such runs are known: that of the models decides."""
    image = image_of(request)
    return f"{ROOM} {request.model} between" if image is None else f"{ROOM} {image.model} {' '.join(image.clips)}"


def unit(request: AnyRequest) -> float:
    """How much work a step is: pixels and cuts, which take about the same time at 128 pixels and 8 cuts."""
    image = image_of(request)
    if image is None:
        return request.width * request.height / 128**2
    cuts = (image.cuts + image.cuts_end) / 2
    return image.runs * (image.width * image.height / 128**2 + cuts / 8) / 2


def cost(request: AnyRequest) -> float:
    """How much work a run is."""
    return max(_steps(request) * unit(request), 0.01)


def _steps(request: AnyRequest) -> int:
    return request.steps if isinstance(request, VqganClipRequest) else request.outlook().steps


def learn(app: App, request: AnyRequest, pace: float, footprint: Footprint | None = None) -> None:
    """Remember the seconds that a step of this request took."""
    if pace > 0:
        before = app.learnt.get(task(request), Known(0.0))
        app.learnt[task(request)] = Known(pace / unit(request), footprint or before.footprint)


def learn_from(app: App, result: Any) -> None:
    """Remember how long the steps of a finished run took and what they kept, from the settings in its recipe."""
    learn(app, request_of(Recipe(**result.recipe)), result.pace, result.footprint)


async def try_out(app: App, named: Mapping[str, Any]) -> None:
    """Make a few steps to learn what a run will take, if nobody has yet, nobody waits, and the models are small."""
    try:
        request = image_of(await asyncio.to_thread(make, {**named, "mode": "picture"}, app.services, True))
        queue = app.jobs.status()
        if task(request) in app.learnt or queue.running or queue.waiting or not _is_quick(app.services, request):
            return
        plain = replace(request, start="noise", start_image=None, checkpoint=None, image_prompts=())
        start = functools.partial(_trial, plain, app.services)
        app.learnt[TRIAL] = app.jobs.submit(HOUSE, TRIAL, start).id
        view = await finished(app.jobs, app.learnt[TRIAL], HOUSE)
    except AtelierError:  # whoever presses Paint is told
        return
    if view.result is not None:
        learn(app, plain, view.result.pace, view.result.footprint)


def give_way(app: App) -> None:
    """Somebody has pressed the button: a trial that still goes on ends with the steps it has."""
    if trial_id := app.learnt.pop(TRIAL, ""):
        with contextlib.suppress(AtelierError):  # long ended and forgotten
            app.jobs.stop(trial_id, owner=HOUSE)


def _trial(request: VqganClipRequest, services: Services, device: str) -> Any:
    return trial.run(request, services, device)


def _is_quick(services: Services, request: VqganClipRequest) -> bool:
    loaded = {model.title for model in services.pool.status() if model.state == "ready"}
    specs = [services.catalog.get(name) for name in (request.model, *request.clips)]
    return sum(spec.memory_mb for spec in specs if spec.title not in loaded) <= SMALL_MB


async def line(app: App, named: Mapping[str, Any]) -> str:
    """HTML of the line for these values of the controls."""
    try:
        request = await asyncio.to_thread(make, named, app.services, True)
    except AtelierError as error:
        text = next((early for told, early in EARLY.items() if str(error).startswith(told)), str(error))
        return f"<p>{escape(text)}</p>"
    return f"<p>{escape(told(app, request))}</p>"


def told(app: App, request: AnyRequest) -> str:
    """What a resolved request will make and take, in words."""
    known = app.learnt.get(task(request))
    seconds = None if known is None else known.pace * cost(request)
    time = "time is told after a first run" if seconds is None else f"about {duration(max(1, round(seconds)))}"
    return " · ".join([*_made(request), time, memory(app.services, request, known)])


def _made(request: AnyRequest) -> list[str]:
    if isinstance(request, InterpolateRequest):
        return [_film(request)]
    image = image_of(request)
    times = f" on {image.runs} canvases" if image.runs > 1 else ""
    made = [f"{_steps(request):,} steps of {image.width} × {image.height} pixels{times}"]
    return made if isinstance(request, VqganClipRequest) else [*made, _film(request)]


def _film(request: FilmRequest) -> str:
    look = request.outlook()
    length = f"{look.length:.1f} s" if look.length < 60 else duration(round(look.length))
    return f"film of {length}, {look.frames:,} frames of {look.width} × {look.height}, {megabytes(look.bytes)}"


def memory(services: Services, request: AnyRequest, known: Known | None) -> str:
    """The memory that the models take, and what is planned beside them."""
    image = image_of(request)
    names = [image.model, *image.clips, image.draft_model] if image is not None else [request.model]
    models = size(sum(services.catalog.get(name).memory_mb for name in names if name))
    if image is None or known is None or known.footprint is None:
        return f"models {models}"
    cuts = max(image.cuts, image.cuts_end)
    peak = known.footprint.peak_mb((image.height, image.width), image.runs, cuts)
    return f"memory about {size(peak)} beside the models' {models}"

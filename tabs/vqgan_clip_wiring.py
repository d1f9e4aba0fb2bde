"""What happens in the VQGAN+CLIP room when something is pressed, chosen, dropped or sent here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.vqgan_clip import ranges
from pipelines.vqgan_clip.prompts import Prompt, write
from tabs import vqgan_clip_forecast as forecast
from tabs.rooms import App, Parcel, Receiver
from tabs.visits import on_coming_back
from tabs.vqgan_clip_controls import Controls
from tabs.vqgan_clip_painting import ground
from tabs.vqgan_clip_rehearsal import rehearsed
from tabs.vqgan_clip_request import AnyRequest, make, starter
from tabs.vqgan_clip_restore import from_checkpoint, remembered
from tabs.vqgan_clip_results import Outcome, pictures_of, prompt_of, story
from tabs.widgets import guarded, known_browser

if TYPE_CHECKING:
    from tabs.running import Runner

QUIET = {"show_progress": "hidden", "api_visibility": "private"}

AWAY = -0.5  # weight of words that were sent as what a picture should not show


def submit(app: App, owner: str, request: AnyRequest) -> str:
    """Queue a resolved request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    start = starter(request, app.services)
    forecast.give_way(app)
    return app.jobs.submit(owner, forecast.task(request), start, forecast.cost(request)).id


def connect(app: App, controls: Controls, runner: Runner, outcome: Outcome, line: gr.HTML, buttons: Any) -> None:
    """Connect all of the room's controls."""
    dice, again, row, look, way = buttons
    last_seed = gr.State(None)
    parts = controls.parts
    _connect_run(app, controls, runner, outcome, last_seed)
    _connect_choices(app, controls)
    _connect_forecast(app, controls, outcome, line)
    _connect_ways_on(app, controls, outcome)
    _connect_camera(app, controls, outcome, row, look, way)
    dice.click(lambda: "", None, parts["seed"], **QUIET)
    again.click(lambda seed: "" if seed is None else str(seed), last_seed, parts["seed"], **QUIET)
    taking, wish = _taking(controls), [parts["prompts"]]
    app.receivers += [
        Receiver(runner.room, "pictures", "Paint on from it →", lambda parcel: _taken(app, controls, parcel), taking),
        Receiver(runner.room, "prompt", "Use it in VQGAN+CLIP", lambda parcel: [as_wish(parcel)], wish),
    ]


def _connect_run(app: App, controls: Controls, runner: Runner, outcome: Outcome, last_seed: gr.State) -> None:
    async def on_paint(owner: str, *values: Any) -> str:
        """Reads every control, checks them together, and queues the job."""
        return submit(app, owner, await asyncio.to_thread(make, controls.named(values), app.services))

    def on_result(result: Any) -> dict[Any, Any]:
        """Fills the wall from a finished job."""
        forecast.learn_from(app, result)
        hung = runner.hang(pictures_of(result), prompt_of(result), None, story(result))
        return {**outcome.fill(result, hung), last_seed: result.recipe.get("seed")}

    def on_open(memory: Any) -> dict[Any, Any]:
        """Fills the controls as this browser left them."""
        return remembered(known_browser(memory)["settings"].get(runner.room, {}), controls) or {last_seed: None}

    runner.connect(on_paint, on_result, controls.inputs, [last_seed], controls.kept)
    on_coming_back(app, runner.room, on_open, [*controls.outputs, last_seed])


def _connect_choices(app: App, controls: Controls) -> None:
    parts = controls.parts
    # "input" and not "change": restored settings choose a model too, and must keep their own values.
    parts["model"].input(guarded(controls.for_model), [parts["model"], parts["start"]], controls.outputs, **QUIET)
    parts["mode"].input(controls.for_mode, parts["mode"], controls.outputs, **QUIET)
    parts["start"].input(controls.for_start, parts["start"], controls.outputs, **QUIET)

    shape = [parts["width"], parts["height"]]

    @guarded
    def on_picture(path: str | None, width: float, height: float) -> dict[Any, Any]:
        """A start picture came; the canvas to paint on shows of it what will be on the canvas."""
        return {parts["start"]: "image", parts["painting"]: ground(app.services.settings, path, width, height)}

    def on_gone(model: str, width: float, height: float) -> dict[Any, Any]:
        """The start picture was taken away; the start is the usual one again."""
        start = ranges.defaults(app.services.catalog.get(model))["start"]
        empty = ground(app.services.settings, None, width, height)
        return {parts["start"]: start, parts["painting"]: empty, **controls.for_start(start)}

    @guarded
    def on_size(path: str | None, width: float, height: float) -> Any:
        """The canvas to paint on has the shape of the picture to come."""
        return ground(app.services.settings, path, width, height)

    picture = parts["start_image"]
    picture.upload(on_picture, [picture, *shape], [parts["start"], parts["painting"]], **QUIET)
    gone = [parts["start"], parts["painting"], *controls.start_groups]
    picture.clear(on_gone, [parts["model"], *shape], gone, **QUIET)
    gr.on([part.release for part in shape], on_size, [picture, *shape], parts["painting"], **QUIET)

    @guarded
    def on_checkpoint(path: str | None) -> dict[Any, Any]:
        """A checkpoint came: the controls take its settings."""
        return from_checkpoint(path, controls)[1] if path else {}

    parts["checkpoint"].upload(on_checkpoint, parts["checkpoint"], controls.outputs, **QUIET)


def _connect_forecast(app: App, controls: Controls, outcome: Outcome, line: gr.HTML) -> None:
    parts = controls.parts
    watched = [name for name in parts if name not in ("painting", "prompts", "start_image", "image_prompts")]
    watched = [name for name in watched if not name.startswith("region.")]

    def named(values: Any) -> dict[str, Any]:
        given = dict.fromkeys(parts) | dict(zip(watched, values, strict=True))
        return controls.named([given[name] for name in parts])

    async def on_change(*values: Any) -> str:
        """Tells what these settings will make and take."""
        return await forecast.line(app, named(values))

    async def on_enter(*values: Any) -> AsyncIterator[str]:
        """Somebody opened the room: tell what is known, learn what a run will take, and tell that."""
        yield await forecast.line(app, named(values))
        await forecast.try_out(app, named(values))
        yield await forecast.line(app, named(values))

    inputs = [parts[name] for name in watched]
    triggers = [outcome.parcel.change, *(part.change for part in inputs)]  # a run teaches its pace
    gr.on(triggers, on_change, inputs, line, **QUIET, trigger_mode="always_last", concurrency_limit=None)
    app.tab.select(on_enter, inputs, line, **QUIET, concurrency_limit=None)


def _connect_ways_on(app: App, controls: Controls, outcome: Outcome) -> None:
    @guarded
    def on_going_on(step: str, kept: dict[str, str]) -> dict[Any, Any]:
        """The chosen checkpoint becomes the start."""
        return from_checkpoint(kept.get(step, ""), controls)[1]

    outcome.going_on.click(on_going_on, [outcome.step, outcome.checkpoints], controls.outputs, **QUIET)
    outcome.as_start.click(
        lambda parcel: dict(zip(_taking(controls), _taken(app, controls, parcel), strict=True)),
        outcome.parcel,
        _taking(controls),
        **QUIET,
    )


def _connect_camera(
    app: App, controls: Controls, outcome: Outcome, row: gr.Button, look: gr.Button, way: gr.Video
) -> None:
    parts = controls.parts
    table = parts["flight.camera"]
    row.click(_with_one_more, [table, parts["flight.frames"]], table, **QUIET)

    @guarded
    async def on_look(rows: Any, frames: Any, fill: str, fps: float, start: str | None, parcel: Parcel | None) -> Any:
        """Warps the start picture, or what hangs on the wall, along the camera's way; nothing is painted."""
        picture = start or (parcel.paths[0] if parcel is not None and parcel.paths else None)
        film = await asyncio.to_thread(rehearsed, app.services.settings, rows, frames, fill, fps, picture)
        return gr.Video(film, visible=True)

    shape = [parts[name] for name in ("flight.frames", "flight.fill", "film.fps", "start_image")]
    look.click(on_look, [table, *shape, outcome.parcel], way, api_visibility="private", concurrency_limit=1)


def _with_one_more(rows: list[list[Any]] | None, frames: Any) -> list[list[Any]]:
    """The camera's table with one more row: as the last one, half way from it to the end of the film."""
    rows = rows or [[0, 1, 0, 0, 0]]
    try:
        frame = (int(float(rows[-1][0])) + max(int(frames), 1)) // 2
    except (TypeError, ValueError):
        frame = 0
    return [*rows, [frame, *rows[-1][1:]]]


def _taking(controls: Controls) -> list[Any]:
    parts = controls.parts
    return [parts["start"], parts["start_image"], parts["painting"], *controls.start_groups]


def _taken(app: App, controls: Controls, parcel: Parcel | None) -> list[Any]:
    """A picture that was sent here becomes the start picture, and the canvas to paint on."""
    if parcel is None or not parcel.paths:
        return [gr.skip()] * len(_taking(controls))
    path, usual = parcel.paths[0], controls.first.controls
    shape = (usual["width"].default, usual["height"].default)
    return ["image", path, ground(app.services.settings, path, *shape), *controls.for_start("image").values()]


def as_wish(parcel: Parcel) -> str:
    """Words that were sent here, so that their own marks mean nothing; those of what is unwanted push away."""
    weighted = ((parcel.prompt, 1.0), (parcel.negative, AWAY))
    words = tuple(Prompt(text, weight) for text, weight in weighted if text.strip())
    return write((words,)) if words else ""

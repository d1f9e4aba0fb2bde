"""The view "Picture(s)" of the room image → prompt: pictures in, prompts out, growing before one's eyes."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import gradio as gr

from tabs import (
    image_to_prompt_compare,
    image_to_prompt_examples,
    image_to_prompt_folder,
    image_to_prompt_heads,
    image_to_prompt_round_trip,
    image_to_prompt_stage,
)
from tabs.image_to_prompt_api import build_api
from tabs.image_to_prompt_controls import Controls
from tabs.image_to_prompt_pictures import PromptPictures
from tabs.image_to_prompt_request import FIELDS
from tabs.image_to_prompt_results import Outcome
from tabs.image_to_prompt_settings import build_settings
from tabs.running import Runner
from tabs.visits import on_coming_back
from tabs.widgets import known_browser

if TYPE_CHECKING:
    from pipelines.image_to_prompt.request import ImageToPromptRequest
    from pipelines.image_to_prompt.rows import ImageToPromptResult
    from tabs.rooms import App

ROOM = "image_to_prompt"


def submit(app: App, owner: str, request: ImageToPromptRequest) -> str:
    """Queue a resolved request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    start = functools.partial(image_to_prompt_stage.start, request, app.services)
    kind = f"{ROOM} {request.ranker} {request.mode if 'interrogator' in request.methods else ''}"
    return app.jobs.submit(owner, kind.strip(), start, request.cost).id


def story(result: ImageToPromptResult) -> tuple[str, str]:
    """What was found, by what and in how long; and what else there is to say about it. Plain text."""
    count = f"{result.answered:,} picture{'s' * (result.answered != 1)}"
    of = f" of {result.pictures:,}" if result.answered != result.pictures else ""
    have = "has its prompt" if result.answered == 1 and not of else "have their prompts"
    told = f"{count}{of} {have}, by {result.model} in {result.seconds:.1f} s."
    return ("Stopped early, with the best so far: " if result.stopped else "") + told, " ".join(result.notes)


def build(app: App) -> None:
    """Lay out the view and connect its controls. Call it inside its tab."""
    controls = Controls(app.services)
    with gr.Column(elem_classes="atelier-room"):
        with gr.Row(elem_classes="atelier-desk"):
            with gr.Column(scale=5, min_width=240):
                pictures = PromptPictures(app, ROOM)
            with gr.Column(scale=1, min_width=150, elem_classes="atelier-go"):
                run = gr.Button("Find the words", variant="primary", size="lg", elem_classes="atelier-run")
                stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_classes="atelier-stop")
        with gr.Row(elem_classes="atelier-floor"):
            with gr.Column(scale=3, min_width=320) as left:
                stage = gr.HTML(visible=False)
                outcome = Outcome(app, ROOM)
                shelf = image_to_prompt_examples.build_shelf(app)
            with gr.Column(scale=1, min_width=280, elem_classes="atelier-settings"):
                build_settings(app, controls)
        with left:  # only now, because drawers read the settings
            image_to_prompt_compare.build(app, ROOM, outcome, controls)
            image_to_prompt_round_trip.build(app, ROOM, outcome)
            image_to_prompt_folder.build(app, ROOM, controls)
            image_to_prompt_heads.build(app, ROOM, controls, pictures)
    draw = functools.partial(image_to_prompt_stage.draw, app.services.settings)
    runner = Runner(app, ROOM, run, stop, stage, outcome, draw)
    _connect(app, controls, runner, pictures, outcome)
    pictures.clear(stage)
    if shelf is not None:
        image_to_prompt_examples.connect_shelf(*shelf, runner, pictures, outcome)
    build_api(app, submit)


def _connect(app: App, controls: Controls, runner: Runner, pictures: PromptPictures, outcome: Outcome) -> None:
    async def on_find(owner: str, paths: list[str], files: Any, prompts: Any, *values: Any) -> str:
        """Reads every control, checks them together, and queues the job."""
        return submit(app, owner, await asyncio.to_thread(controls.request, paths or (), files, prompts, values, owner))

    def on_result(result: ImageToPromptResult) -> dict[Any, Any]:
        """Fills the wall from a finished job."""
        return {**runner.hang((), "", None, story(result)), **outcome.fill(result)}

    def on_open(memory: Any) -> dict[Any, Any]:
        """Fills the controls as this browser left them."""
        return controls.restored(known_browser(memory)["settings"].get(ROOM, {})) or {
            controls.parts["start"]: gr.skip()
        }

    def kept(values: Any) -> dict[str, Any]:
        return dict(zip(FIELDS, values[3:], strict=True))  # not the files: a browser shall not hoard them

    given = [pictures.paths, controls.files, controls.prompts, *controls.inputs]
    runner.connect(on_find, on_result, given, (), kept)
    on_coming_back(app, ROOM, on_open, [*controls.inputs, *controls.groups.values()])

"""The room captioning: pictures in, true and varied sentences out, with all that speaks for them."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import gradio as gr

from tabs import captioning_evaluation, captioning_notes, captioning_stage
from tabs.captioning_api import build_api
from tabs.captioning_controls import FIELDS, Controls
from tabs.captioning_pictures import QUIET, Pictures
from tabs.captioning_results import Outcome
from tabs.rooms import App
from tabs.running import Runner
from tabs.visits import on_coming_back
from tabs.widgets import guarded, known_browser

if TYPE_CHECKING:
    from pipelines.captioning.request import CaptionRequest
    from pipelines.captioning.rows import CaptionResult

ROOM = "captioning"
TITLE = "Captioning"


def submit(app: App, owner: str, request: CaptionRequest) -> str:
    """Queue a resolved request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    start = functools.partial(captioning_stage.start, request, app.services)
    return app.jobs.submit(owner, f"{ROOM} {' '.join(request.captioners)}", start, request.cost).id


def story(result: CaptionResult) -> tuple[str, str]:
    """What was captioned, by what and in how long; and what else there is to say about it. Plain text."""
    count = f"{result.captioned:,} picture{'s' * (result.captioned != 1)}"
    of = f" of {result.pictures:,}" if result.captioned != result.pictures else ""
    made = f"{count}{of} captioned by {result.model} in {result.seconds:.1f} s."
    seed = result.recipe["seed"] if result.recipe["settings"]["decoding"]["method"] == "sample" else None
    more = [f"Seed {seed}."] if seed is not None else []
    scored = any(each.clip_score is not None for row in result.rows for each in row.captions)
    more += [f"CLIPScore by {result.ranker}."] if scored else []
    return ("Stopped early: " if result.stopped else "") + made, " ".join([*more, *result.notes])


def build(app: App) -> None:
    """Lay out the room and connect its controls."""
    controls = Controls(app.services)
    with gr.Column(elem_classes="atelier-room"):
        with gr.Row(elem_classes="atelier-desk"):
            with gr.Column(scale=5, min_width=240):
                pictures = Pictures(app, ROOM)
            with gr.Column(scale=1, min_width=150, elem_classes="atelier-go"):
                run = gr.Button("Caption", variant="primary", size="lg", elem_classes="atelier-run")
                stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_classes="atelier-stop")
        with gr.Row(elem_classes="atelier-floor"):
            with gr.Column(scale=3, min_width=320):
                stage = gr.HTML(visible=False)
                outcome = Outcome(app, ROOM)
                connect_evaluation = captioning_evaluation.build(app, outcome)
            with gr.Column(scale=1, min_width=280, elem_classes="atelier-settings"):
                controls.build_who()
                captioning_notes.build_notes(app, controls.parts["captioners"])
                buttons = controls.build_how()
                with gr.Accordion("Words", open=False):
                    controls.build_words()
                with gr.Accordion("More settings", open=False):
                    controls.build_more()
    draw = functools.partial(captioning_stage.draw, app.services.settings)
    runner = Runner(app, ROOM, run, stop, stage, outcome, draw)
    _connect_run(app, controls, runner, pictures, outcome, buttons)
    pictures.clear(stage)
    _connect_choices(controls)
    connect_evaluation(controls.parts["ranker"])
    build_api(app, submit)


def _connect_run(
    app: App, controls: Controls, runner: Runner, pictures: Pictures, outcome: Outcome, buttons: Any
) -> None:
    dice, again = buttons
    last_seed = gr.State(None)

    async def on_caption(owner: str, paths: list[str] | None, *values: Any) -> str:
        """Reads every control, checks them together, and queues the job."""
        return submit(app, owner, await asyncio.to_thread(controls.request, paths or (), values))

    def on_result(result: CaptionResult) -> dict[Any, Any]:
        """Fills the wall from a finished job."""
        hung = runner.hang((), "", None, story(result))
        return {**hung, **outcome.fill(result), last_seed: result.recipe.get("seed")}

    def on_open(memory: Any) -> dict[Any, Any]:
        """Fills the controls as this browser left them."""
        return controls.restored(known_browser(memory)["settings"].get(ROOM, {})) or {last_seed: None}

    def kept(values: Any) -> dict[str, Any]:
        return dict(zip(FIELDS, values[1:], strict=True))  # not the pictures: a browser shall not hoard them

    runner.connect(on_caption, on_result, [pictures.paths, *controls.inputs], [last_seed], kept)
    on_coming_back(app, ROOM, on_open, [*controls.inputs, controls.seed_row, last_seed])
    dice.click(lambda: "", None, controls.parts["seed"], **QUIET)
    again.click(lambda seed: "" if seed is None else str(seed), last_seed, controls.parts["seed"], **QUIET)


def _connect_choices(controls: Controls) -> None:
    parts = controls.parts
    # "input" and not "change": restored settings choose a method too, and must keep their own values.
    shape = [parts["method"], parts["beams"], parts["groups"]]
    parts["method"].input(guarded(controls.for_method), shape, [*controls.inputs, controls.seed_row], **QUIET)
    length = [parts["detail"], parts["max_tokens"]]
    parts["captioners"].change(guarded(controls.for_captioners), [parts["captioners"], *length], length, **QUIET)
    parts["detail"].input(guarded(controls.for_detail), parts["detail"], parts["max_tokens"], **QUIET)

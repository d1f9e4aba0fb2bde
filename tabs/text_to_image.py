"""The room text → image: type a prompt, watch the candidates form, see them ranked by CLIP."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines import text_to_image
from tabs import examples, fetching
from tabs.ranking import Row
from tabs.restore import build_restore, restored
from tabs.results import Results
from tabs.rooms import App, Parcel, Receiver
from tabs.running import Runner
from tabs.text_to_image_controls import FIELDS, Controls
from tabs.visits import on_coming_back
from tabs.widgets import guarded, known_browser

if TYPE_CHECKING:
    from pipelines.text_to_image import Candidate, TextToImageRequest, TextToImageResult

ROOM = "text_to_image"
TITLE = "Text → image"


def submit(app: App, owner: str, request: TextToImageRequest) -> str:
    """Queue a resolved request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    pixels = (request.width or 1) * (request.height or 1) / 128**2
    cost = request.candidates * (request.steps or 1) * pixels
    start = functools.partial(_start, request, app.services)
    # Seconds a step differ a hundredfold between models, so each model has its own statistics.
    return app.jobs.submit(owner, f"{ROOM} {request.model}", start, cost).id


def _start(request: TextToImageRequest, services: Any, device: str) -> Any:
    return text_to_image.run(request, services, device)


def rows_of(candidates: Sequence[Candidate]) -> list[Row]:
    """Candidates as rows of the ranking, in their order; one that was given up has no file."""
    return [
        Row(
            str(item.path or ""),
            f"seed {item.seed}",
            item.cosine,
            item.clip_score,
            item.share,
            item.passes,
            "" if item.dropped_at is None else f"given up at step {item.dropped_at}",
        )
        for item in candidates
    ]


def story(result: TextToImageResult) -> tuple[str, str]:
    """What was made, by what and in how long; and what else there is to say about it. Plain text."""
    count = len(result.candidates)
    seeds = f"seed {result.candidates[0].seed}" if count == 1 else f"seeds from {result.recipe['seed']}"
    made = f"{count} picture{'s' * (count != 1)} by {result.model} in {result.seconds:.1f} s, {seeds}."
    return ("Stopped early: " if result.stopped else "") + made, " ".join(
        filter(None, (result.overflow, *result.notes))
    )


def build(app: App) -> None:
    """Lay out the room and connect its controls."""
    controls = Controls(app.services)
    with gr.Column(elem_classes="atelier-room"):
        with gr.Row(elem_classes="atelier-desk"):
            with gr.Column(scale=5, min_width=240):
                controls.build_prompt()
            with gr.Column(scale=1, min_width=150, elem_classes="atelier-go"):
                run = gr.Button("Generate", variant="primary", size="lg", elem_classes="atelier-run")
                stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_classes="atelier-stop")
        with gr.Row(elem_classes="atelier-floor"):
            with gr.Column(scale=3, min_width=320):
                stage = gr.HTML(visible=False)
                results = Results(app, ROOM, "Ranked pictures")
                shelf = examples.build_shelf(app)
            with gr.Column(scale=1, min_width=280, elem_classes="atelier-settings"):
                controls.build_model()
                fetching.build_note(app, controls.parts["model"])
                dice, again = controls.build_seed()
                with gr.Accordion("More settings", open=False):
                    controls.build_more()
                build_restore(lambda path: restored(path, controls), controls.inputs)
    runner = Runner(app, ROOM, run, stop, stage, results)
    _connect(app, controls, runner, dice, again)
    if shelf is not None:
        examples.connect_shelf(app, shelf, controls, runner)
    words = [controls.parts[name] for name in ("prompt", "negative")]
    app.receivers.append(Receiver(ROOM, "prompt", "Use this prompt", taken, words))


def taken(parcel: Parcel) -> list[Any]:
    """The prompt and the negative prompt; a negative one that is sent alone leaves the prompt as it is."""
    return [gr.skip() if parcel.negative else parcel.prompt, parcel.negative or gr.skip()]


def _named(values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(FIELDS, values, strict=True))


def _connect(app: App, controls: Controls, runner: Runner, dice: gr.Button, again: gr.Button) -> None:
    last_seed = gr.State(None)

    async def on_generate(owner: str, *values: Any) -> str:
        """Reads every control, checks them together, and queues the job."""
        request = await asyncio.to_thread(controls.request, values)
        return submit(app, owner, request)

    def on_result(result: TextToImageResult) -> dict[Any, Any]:
        """Fills the wall from a finished job."""
        settings = result.recipe["settings"]
        rows, given_up = rows_of(result.candidates), rows_of(result.dropped)
        hung = runner.hang(rows, settings["prompt"], settings["threshold"], story(result), given_up)
        return {**hung, last_seed: result.recipe["seed"]}

    def on_open(memory: Any) -> dict[Any, Any]:
        """Fills the controls as this browser left them."""
        return controls.restored(known_browser(memory)["settings"].get(ROOM, {})) or {last_seed: None}

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    runner.connect(
        on_generate, on_result, controls.inputs, [last_seed], lambda values: dict(zip(FIELDS, values, strict=True))
    )
    on_coming_back(app, ROOM, on_open, [*controls.inputs, last_seed])
    dice.click(lambda: "", None, controls.parts["seed"], **quiet)
    again.click(lambda seed: "" if seed is None else str(seed), last_seed, controls.parts["seed"], **quiet)
    # "input" and not "change": restored settings choose a model too, and must keep their own values.
    controls.parts["model"].input(guarded(controls.for_model), controls.parts["model"], controls.inputs, **quiet)

"""The room rank images: CLIP as a judge of any pictures against any words."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines import rank_images
from tabs.ranking import Row
from tabs.results import Results
from tabs.rooms import App, Parcel, Receiver
from tabs.running import Runner
from tabs.text_to_image_controls import THRESHOLD_INFO
from tabs.widgets import choices, typed_number

if TYPE_CHECKING:
    from pipelines.rank_images import RankImagesRequest, RankImagesResult

ROOM = "rank_images"
TITLE = "Rank images"


def submit(app: App, owner: str, request: RankImagesRequest) -> str:
    """Queue a request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    start = functools.partial(_start, request, app.services)
    return app.jobs.submit(owner, ROOM, start, cost=float(len(request.paths))).id


def _start(request: RankImagesRequest, services: Any, device: str) -> Any:
    return rank_images.run(request, services, device)


def rows_of(result: RankImagesResult) -> list[Row]:
    """The ranked pictures, best first."""
    return [
        Row(str(row.path), Path(row.path).name, row.cosine, row.clip_score, row.share, row.passes)
        for row in result.rows
    ]


def story(result: RankImagesResult) -> tuple[str, str]:
    """How many were ranked, by what; and what had to be left out and why. Plain text."""
    count = len(result.rows)
    said = f"{count} picture{'s' * (count != 1)} ranked by {result.model} in {result.seconds:.1f} s."
    return ("Stopped early: " if result.stopped else "") + said, " ".join(result.notes)


def build(app: App) -> None:
    """Lay out the room and connect its controls."""
    rankers, first = choices(app.services.catalog, "ranker"), app.services.catalog.default("ranker")
    with gr.Column(elem_classes="atelier-room"):
        with gr.Row(elem_classes="atelier-desk"):
            with gr.Column(scale=5, min_width=240):
                prompt = gr.Textbox(
                    label="What should they show?",
                    placeholder="a penguin on ice",
                    lines=2,
                    max_lines=5,
                    elem_classes="atelier-prompt",
                )
            with gr.Column(scale=1, min_width=150, elem_classes="atelier-go"):
                run = gr.Button("Rank", variant="primary", size="lg", elem_classes="atelier-run")
                stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_classes="atelier-stop")
        with gr.Row(elem_classes="atelier-floor"):
            with gr.Column(scale=3, min_width=320):
                uploads = gr.Gallery(
                    label="Pictures",
                    show_label=False,
                    type="filepath",
                    file_types=["image"],
                    format="png",
                    columns=6,
                    fit_columns=False,
                    height="auto",
                    object_fit="contain",
                    allow_preview=False,
                    interactive=True,
                    buttons=[],
                    elem_classes="atelier-uploads",
                )
                stage = gr.HTML(visible=False)
                results = Results(app, ROOM, "Ranked pictures")
            with gr.Column(scale=1, min_width=280, elem_classes="atelier-settings"):
                ranker = gr.Dropdown(rankers, value=first.name, label="Ranked by", filterable=False)
                threshold = gr.Textbox(label="Threshold, cosine", placeholder="none", max_lines=1, info=THRESHOLD_INFO)
    _connect(app, Runner(app, ROOM, run, stop, stage, results), [uploads, prompt, ranker, threshold])


def _connect(app: App, runner: Runner, inputs: list[Any]) -> None:
    uploads, prompt, _, _ = inputs

    async def on_rank(owner: str, pictures: list[Any] | None, words: str, ranker: str, typed: str) -> str:
        """Reads the uploads, the prompt, the ranker and the threshold, and queues the job."""
        paths = [path for path, _ in pictures or ()]
        threshold = typed_number(typed, "threshold", float)
        return submit(app, owner, await asyncio.to_thread(make_request, app, paths, words, ranker, threshold))

    def on_result(result: RankImagesResult) -> dict[Any, Any]:
        """Fills the wall from a finished job."""
        settings = result.recipe["settings"]
        return runner.hang(rows_of(result), settings["prompt"], settings["threshold"], story(result))

    def take(parcel: Parcel) -> list[Any]:
        return [list(parcel.paths), parcel.prompt]

    runner.connect(on_rank, on_result, inputs)
    app.receivers.append(Receiver(ROOM, "pictures", "Rank these →", take, [uploads, prompt]))


def make_request(
    app: App, paths: list[str] | None, prompt: str, ranker: str, threshold: float | None
) -> RankImagesRequest:
    """The checked request. Raises BadRequest, Blocked and ModelUnavailable as `resolve` does."""
    from pipelines.rank_images import RankImagesRequest

    return RankImagesRequest(tuple(paths or ()), prompt or "", ranker or "", threshold).resolve(app.services.catalog)

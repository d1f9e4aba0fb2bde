"""The view "Image index": pictures found again by words, by a picture or by both."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import gradio as gr

from safeguards.wording import plural
from tabs import image_index_cards as cards
from tabs.image_index_api import build_api
from tabs.image_index_building import Panel
from tabs.image_index_found import PRESS, Found
from tabs.image_index_keeping import Keeper
from tabs.image_index_question import Question, named
from tabs.image_index_request import build_order, rebuild_order, search_request, start_build, start_search
from tabs.image_index_saving import Saver
from tabs.image_index_shelf import Shelf
from tabs.rooms import App
from tabs.running import Runner

if TYPE_CHECKING:
    from pipelines.image_index.request import BuildIndexResult, SearchImagesRequest, SearchImagesResult
    from tabs.image_index_request import Order

ROOM, BUILDING = "image_index", "image_index_build"  # what a browser calls its last search and its last build


def submit_search(app: App, owner: str, request: SearchImagesRequest) -> str:
    """Queue a resolved request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    start = functools.partial(start_search, request, app.services)
    return app.jobs.submit(owner, f"search {request.ranker}", start).id


def submit_build(app: App, owner: str, order: Order) -> str:
    """Queue an order for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    start = functools.partial(start_build, order, app.services)
    return app.jobs.submit(owner, f"index {order.request.ranker}", start, order.cost).id


def story(result: SearchImagesResult) -> tuple[str, str]:
    """How many were found among how many, by what; and what else there is to say. Plain text."""
    count = len(result.hits)
    said = (
        f"{count:,} of {plural(result.pictures, 'picture')}, best first, by {result.model} in {result.seconds:.2f} s."
    )
    return said, " ".join(result.notes)


def build(app: App) -> None:
    """Lay out the view and connect its controls. Call it inside its tab."""
    question = Question(app)
    names = Shelf.of(app.services.settings, "").names()
    with gr.Column(elem_classes="atelier-room"):
        with gr.Row(elem_classes="atelier-desk"):
            with gr.Column(scale=5, min_width=240, elem_classes="atelier-plain"):
                question.build_desk(names)
                about = gr.HTML(cards.about_index(None, len(names)), elem_classes="atelier-note")
            with gr.Column(scale=1, min_width=150, elem_classes="atelier-go"):
                run = gr.Button("Search", variant="primary", size="lg", elem_classes="atelier-run atelier-index-search")
                stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_classes="atelier-stop")
        with gr.Row(elem_classes="atelier-floor"):
            with gr.Column(scale=3, min_width=320):
                stage = gr.HTML(visible=False)
                found = Found(app)
                panel = Panel(app, names)
                saver = Saver(app.services)
            with gr.Column(scale=1, min_width=280, elem_classes="atelier-settings"):
                question.build_settings()
    question.connect(app)
    found.connect(question)
    _connect_search(app, question, found, Runner(app, ROOM, run, stop, stage, found))
    keeper = Keeper(app, question, panel, about)
    keeper.connect()
    _connect_build(app, panel, keeper, Runner(app, BUILDING, panel.run, panel.stop, panel.stage, panel, cards.progress))
    saver.connect(app, question)
    build_api(app, submit_search)


def _connect_search(app: App, question: Question, found: Found, runner: Runner) -> None:
    async def on_search(owner: str, index: str | None, words: str, picture: str | None, *values: Any) -> str:
        """Reads every control, checks them together, and queues the job."""
        shelf = Shelf.of(app.services.settings, owner)
        index = index or shelf.chosen(None)  # who is quick has not been shown yet which there are
        request = await asyncio.to_thread(search_request, app.services, shelf, index, words, picture, named(values))
        return submit_search(app, owner, request)

    def on_result(result: SearchImagesResult) -> dict[Any, Any]:
        """Fills the wall from a finished job."""
        return {**runner.hang((), "", None, story(result)), **found.fill(result)}

    runner.connect(on_search, on_result, [question.index, question.words, question.picture, *question.inputs])
    question.words.submit(None, None, None, js=PRESS)


def _connect_build(app: App, panel: Panel, keeper: Keeper, runner: Runner) -> None:
    services = app.services

    async def on_build(
        owner: str, name: str, source: str, folder: str, files: list[str] | None, ranker: str, anew: str
    ) -> str:
        """Reads the panel, puts uploads away, checks all together, and queues the job."""
        shelf = Shelf.of(services.settings, owner)
        if anew and anew == name:
            order = await asyncio.to_thread(rebuild_order, services, shelf, name, ranker)
        else:
            order = await asyncio.to_thread(build_order, services, shelf, name, source, folder, files or (), ranker)
        return submit_build(app, owner, order)

    def on_result(result: BuildIndexResult) -> dict[Any, Any]:
        """Tells what a build did, and chooses its index."""
        shelf, name = Shelf.holding(services.settings, result.index)
        told = gr.HTML(cards.report(result, name), visible=True)
        hung = runner.hang((), "", None, ("", ""))
        return {**hung, **keeper.told(shelf, name, fill=True), panel.stage: told, panel.files: None}

    asked = [panel.name, panel.source, panel.folder, panel.files, panel.ranker, panel.anew]
    runner.connect(on_build, on_result, asked, [*keeper.shown, panel.files])

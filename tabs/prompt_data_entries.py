"""Scoring predictions as the competition does: a table of methods, what is wrong with each, and a submission of one."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.evaluation.bootstrap import RESAMPLES
from pipelines.prompt_data.entries import EntriesRequest, write_entry
from pipelines.prompt_data.submission_rows import NUMBERS
from safeguards.wording import plural
from tabs.captioning_pictures import QUIET
from tabs.prompt_data_pair import peek
from tabs.prompt_data_part import Look, Part, Wall
from tabs.prompt_data_scored import PAGES, fill, story
from tabs.stage import notice
from tabs.widgets import guarded, sentence, served

if TYPE_CHECKING:
    from pipelines.prompt_data.entries import EntriesResult
    from tabs.prompt_data_pair import Pair
    from tabs.rooms import App

SUBMISSION = "submission.csv"


class Entries(Part):
    """See `Part`."""

    name, verb = "score_prompts", "Score"

    def build_settings(self) -> None:
        """How the intervals are drawn."""
        controls = self.controls
        controls["resamples"] = gr.Number(RESAMPLES, label="Resamples", info="For the intervals", precision=0)
        controls["seed"] = gr.Number(0, label="Seed", precision=0)

    def build_wall(self, pair: Pair, column: gr.Dropdown) -> None:
        """The first look, the stage, and the wall."""
        self.look = Look(peek(pair.known_truth, pair.known, ""))
        self.stage = gr.HTML(visible=False)
        self.wall = Wall(self._filled)
        with self.wall.column:
            self.table = gr.HTML(elem_classes="atelier-data-scores")
            with gr.Row(elem_classes="atelier-actions atelier-data-submit") as self.handing_in:
                self.method = gr.Dropdown(
                    [], show_label=False, container=False, filterable=False, min_width=180, label="Method"
                )
                self.write = gr.Button(f"Write {SUBMISSION}", size="sm")
                self.file = gr.DownloadButton(f"Download {SUBMISSION}", size="sm", visible=False)
            self.told = gr.HTML(visible=False)
            self.pages = []
            with gr.Column() as self.more, gr.Tabs(elem_classes="atelier-tabs atelier-data-tabs"):
                for title in PAGES:
                    with gr.Tab(title):
                        self.pages.append(gr.HTML())
        self.wall.parts = [
            self.table, self.handing_in, self.method, self.file, self.told, self.more, *self.pages
        ]  # fmt: skip
        self.connect(self._submit, story, [*pair.inputs, column])
        self.follow(peek, [*pair.inputs, column], [*pair.inputs, column])
        self._connect_writing()

    def _submit(self, owner: str, truth: list[str], predictions: list[str], column: str, *values: Any) -> str:
        return submit(self.app, owner, make_request(self.app, truth, predictions, column, self.named(values)))

    def _filled(self, result: EntriesResult) -> dict[Any, Any]:
        table, pages = fill(result)
        best = result.summaries[0].name if result.summaries else None
        return {
            self.table: table,
            self.handing_in: gr.Row(visible=bool(result.methods)),
            self.method: gr.Dropdown([each.name for each in result.summaries], value=best),
            self.file: gr.DownloadButton(visible=False),
            self.told: gr.HTML(visible=False),
            self.more: gr.Column(visible=bool(result.methods)),
            **dict(zip(self.pages, pages, strict=True)),
        }

    def _connect_writing(self) -> None:
        async def on_write(result: EntriesResult | None, method: str) -> dict[Any, Any]:
            """Writes the submission of the chosen method, checks it, and offers it."""
            try:
                path, told = await asyncio.to_thread(written, result, method)
            except Exception as error:
                text = notice(sentence(error))
                return {self.file: gr.DownloadButton(visible=False), self.told: gr.HTML(text, visible=True)}
            shown = gr.HTML(notice(told, "plain"), visible=True)
            return {self.file: gr.DownloadButton(value=path, visible=True), self.told: shown}

        @guarded
        def on_method() -> dict[Any, Any]:
            """Another method: what was written is not its."""
            return {self.file: gr.DownloadButton(visible=False), self.told: gr.HTML(visible=False)}

        self.write.click(on_write, [self.wall.result, self.method], [self.file, self.told], **QUIET)
        self.method.input(on_method, None, [self.file, self.told], **QUIET)


def make_request(
    app: App, truth: Sequence[str], predictions: Sequence[str], column: str | None, named: dict[str, Any]
) -> EntriesRequest:
    """The resolved request. Raises BadRequest and ModelUnavailable as it does."""
    request = EntriesRequest(tuple(predictions), truth[0] if truth else None, column or "", **named)
    return request.resolve(app.services.catalog)


def submit(app: App, owner: str, request: EntriesRequest) -> str:
    """Queue a resolved request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    from pipelines.prompt_data import entries

    start = functools.partial(entries.run, request, app.services)
    return app.jobs.submit(owner, "score prompts", start, float(len(request.predictions))).id


def written(result: EntriesResult | None, method: str) -> tuple[str, str]:
    """A submission where the page may serve it, and what was checked. Raises BadRequest where there can be none."""
    from common.errors import BadRequest

    if result is None:
        raise BadRequest("There is nothing to write: press Score first.")
    with tempfile.TemporaryDirectory() as folder:
        path = served(write_entry(result, method, Path(folder) / SUBMISSION))
    rows = f"{plural(len(result.ids), 'image')} with {NUMBERS} rows each"
    return path, f"{method}: {rows}, in order, ids without extension, every value finite. Nothing is wrong with it."

"""Below the prompts: the vectors of a method as a submission, for the methods whose answer is no sentence, too."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.image_to_prompt.submit import write_answers
from pipelines.prompt_data.submission_rows import NUMBERS
from safeguards.wording import plural
from tabs.captioning_pictures import QUIET
from tabs.image_to_prompt_cards import title_of
from tabs.stage import notice
from tabs.widgets import guarded, sentence, served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.image_to_prompt.rows import ImageToPromptResult

SUBMISSION = "submission.csv"
LAST = "ensemble"  # chosen at first, where it is there: it is what the others were found for


class Submission:
    """Built below what it submits; `outputs` are what `fill(result, titles)` gives updates for."""

    def __init__(self, result: gr.State) -> None:
        with gr.Row(visible=False, elem_classes="atelier-actions atelier-data-submit") as self.row:
            self.method = gr.Dropdown(
                [], show_label=False, container=False, filterable=False, min_width=180, label="Method to submit"
            )
            self.write = gr.Button(f"Write {SUBMISSION}", size="sm")
            self.file = gr.DownloadButton(f"Download {SUBMISSION}", size="sm", visible=False)
        self.told = gr.HTML(visible=False)
        self.outputs = [self.row, self.method, self.file, self.told]
        self._connect(result)

    def fill(self, result: ImageToPromptResult, titles: Mapping[str, str]) -> dict[Any, Any]:
        """The updates for a new run: its methods with vectors, and nothing written yet."""
        methods = result.methods()
        first = LAST if LAST in methods else next(iter(methods), None)
        return {
            self.row: gr.Row(visible=bool(methods)),
            self.method: gr.Dropdown([(title_of(name, titles), name) for name in methods], value=first),
            **self._none(),
        }

    def _none(self) -> dict[Any, Any]:
        return {self.file: gr.DownloadButton(visible=False), self.told: gr.HTML(visible=False)}

    def _connect(self, result: gr.State) -> None:
        async def on_write(made: ImageToPromptResult | None, method: str | None) -> dict[Any, Any]:
            """Writes the submission of the chosen method, checks it, and offers it."""
            try:
                path, told = await asyncio.to_thread(written, made, method or "")
            except Exception as error:
                return {**self._none(), self.told: gr.HTML(notice(sentence(error)), visible=True)}
            shown = gr.HTML(notice(told, "plain"), visible=True)
            return {self.file: gr.DownloadButton(value=path, visible=True), self.told: shown}

        @guarded
        def on_method() -> dict[Any, Any]:
            """Another method: what was written is not its."""
            return self._none()

        self.write.click(on_write, [result, self.method], [self.file, self.told], **QUIET)
        self.method.input(on_method, None, [self.file, self.told], **QUIET)


def written(result: ImageToPromptResult | None, method: str) -> tuple[str, str]:
    """A submission where the page may serve it, and what was checked. Raises BadRequest where there can be none."""
    if result is None:
        raise BadRequest("There is nothing to write: find the words of some pictures first.")
    with tempfile.TemporaryDirectory() as folder:
        path = served(write_answers(result, method, Path(folder) / SUBMISSION))
    rows = f"{plural(result.pictures, 'picture')} with {NUMBERS} rows each"
    return (
        path,
        f"The vectors of {method}: {rows}, ids without extension, every value finite. Nothing is wrong with it.",
    )

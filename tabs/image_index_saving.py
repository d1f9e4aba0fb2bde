"""An index, or the part of it that passes the filters, as a file to take along."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.image_index.export import FORMS
from safeguards.wording import file_name, megabytes
from tabs.captioning_pictures import QUIET
from tabs.image_index_question import Question, named
from tabs.image_index_request import NONE_YET, filters
from tabs.image_index_shelf import Shelf
from tabs.rooms import App
from tabs.stage import notice
from tabs.widgets import known_browser, sentence, served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.services import Services

TITLES = {"csv": "CSV", "jsonl": "JSONL", "parquet": "Parquet"}
HELP = "A line for each picture that passes the filters: file, prompt, size, date and model."


class Saver:
    """Built inside the view's layout."""

    def __init__(self, services: Services) -> None:
        self._services = services
        with gr.Accordion("Export", open=False, elem_classes="atelier-inputs"):
            gr.HTML(f'<p class="model-note">{HELP}</p>')
            self.form = gr.Radio([(TITLES[form], form) for form in FORMS], value=FORMS[0], label="Form")
            with gr.Row():  # without one, gradio joins it to the choice above
                self.vectors = gr.Checkbox(label="With the vectors, for JSONL and Parquet")
            with gr.Row(elem_classes="atelier-actions"):
                self.make = gr.Button("Make the file", size="sm")
                self.file = gr.DownloadButton("Download", size="sm", visible=False)
            self.said = gr.HTML(visible=False)

    def connect(self, app: App, question: Question) -> None:
        """The button."""

        async def on_make(memory: Any, index: str | None, form: str, vectors: bool, *values: Any) -> dict[Any, Any]:
            """Writes the file and offers it."""
            shelf = Shelf.of(app.services.settings, known_browser(memory)["owner"])
            try:
                path, count = await asyncio.to_thread(self.write, shelf, index, form, vectors, named(values))
            except Exception as error:
                return {
                    self.file: gr.DownloadButton(visible=False),
                    self.said: gr.HTML(notice(sentence(error)), visible=True),
                }
            size = megabytes(Path(path).stat().st_size)
            said = f"{count:,} picture{'s' * (count != 1)}, {size}."
            return {
                self.file: gr.DownloadButton(f"Download {file_name(path)}", value=path, visible=True),
                self.said: gr.HTML(notice(said, "plain"), visible=True),
            }

        asked = [app.browser, question.index, self.form, self.vectors, *question.inputs]
        self.make.click(on_make, asked, [self.file, self.said], **{**QUIET, "show_progress": "minimal"})

    def write(
        self, shelf: Shelf, index: str | None, form: str, vectors: bool, named: Mapping[str, Any]
    ) -> tuple[str, int]:
        """The file as the page serves it, and how many pictures it tells of. Raises BadRequest as `export` does."""
        from pipelines.image_index.export import export
        from pipelines.image_index.store import ImageIndex

        if not index:
            raise BadRequest(NONE_YET)
        if form not in FORMS:
            raise BadRequest(f"The form is {form!r}; allowed are {', '.join(FORMS)}.")
        settings = self._services.settings
        with shelf.plain_words():
            opened = ImageIndex.open(shelf.folder(index))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{index}.{form}"
                count = export(opened, path, filters(named), vectors, file_name if settings.public else None)
                return served(path), count

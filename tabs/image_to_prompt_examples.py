"""Ready-made results to look at and to start from: pictures of the gallery with the prompts that were found for them.

`examples/image_to_prompt.json` lists them: `[{"file": "gallery/1.png", "rows": [...]}]`, rows as `table.facts` writes
them; `python -m examples.make_image_to_prompt` makes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.image_to_prompt.rows import ImageToPromptResult, PromptRow
from pipelines.image_to_prompt.table import row_of
from tabs.captioning_pictures import QUIET, asks
from tabs.captioning_thumbnails import thumbnail
from tabs.image_to_prompt_pictures import LIVE
from tabs.widgets import guarded, served

if TYPE_CHECKING:
    from tabs.image_to_prompt_pictures import PromptPictures
    from tabs.image_to_prompt_results import Outcome
    from tabs.rooms import App
    from tabs.running import Runner

FILE = "image_to_prompt.json"


@dataclass(frozen=True)
class Example:
    """A picture, and what methods said about it."""

    file: Path
    rows: tuple[PromptRow, ...]

    @property
    def words(self) -> str:
        """The prompt to show beneath it: one that was found, not the one that it was made of."""
        return next((row.prompt for row in self.rows if row.prompt and not row.exact), "")


def load(folder: Path) -> tuple[Example, ...]:
    """The examples; none when the list is missing. Those whose picture is not there are left out."""
    listed = folder / FILE
    if not listed.is_file():
        return ()
    made = []
    for item in json.loads(listed.read_text(encoding="utf-8")):
        path = folder / item["file"]
        if path.is_file():
            made.append(Example(path, tuple(row_of({**row, "picture": 0}, str(path)) for row in item["rows"])))
    return tuple(made)


def build_shelf(app: App) -> tuple[tuple[Example, ...], gr.HTML] | None:
    """Lay out the examples, or nothing when there are none."""
    examples = load(app.examples)
    if not examples:
        return None
    with gr.Column(elem_classes="atelier-shelf"):
        gr.HTML("<h2>Found here earlier</h2>")
        cards = "".join(_card(app, place, each) for place, each in enumerate(examples))
        return examples, gr.HTML(f'<div class="prompt-shelf">{cards}</div>', **LIVE)


def _card(app: App, place: int, example: Example) -> str:
    picture = thumbnail(str(example.file), app.services.settings, 240)
    return (
        f'<button type="button" {asks(example=place)}><img src="{picture}" alt=""><span>{escape(example.words)}</span>'
        "</button>"
    )


def connect_shelf(
    examples: Sequence[Example], shelf: gr.HTML, runner: Runner, pictures: PromptPictures, outcome: Outcome
) -> None:
    """A click on an example takes its picture and shows its prompts at once."""

    @guarded
    def on_example(event: gr.EventData) -> dict[Any, Any]:
        place = getattr(event, "example", None)
        if not isinstance(place, int) or not 0 <= place < len(examples):
            return {pictures.paths: gr.skip()}
        path = served(examples[place].file)
        rows = [replace(row, path=path) for row in examples[place].rows]
        seconds = sum(row.seconds for row in rows)
        made = ImageToPromptResult(seconds=seconds, model="", rows=tuple(rows), pictures=1, answered=1, complete=1)
        told = "An example, found earlier. Press “Find the words” to find them again.", ""
        taken = dict(zip(pictures.outputs, pictures.having([path]), strict=True))
        return {**taken, **runner.hang((), "", None, told), **outcome.fill(made)}

    shelf.select(on_example, None, [*pictures.outputs, *runner.outputs], **QUIET)

"""Ready-made results to look at and to start from: pictures that this app made, with their recipes inside.

`examples/text_to_image.json` lists them: `{"prompt": "a penguin", "settings": {...}, "files": ["gallery/1.png", ...]}`.
`settings` uses the names of the request's fields; `files` come best first and carry their scores in their recipes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from safeguards.recipe import Recipe, read
from tabs.ranking import Row
from tabs.rooms import App
from tabs.widgets import guarded

if TYPE_CHECKING:
    from tabs.running import Runner
    from tabs.text_to_image_controls import Controls


@dataclass(frozen=True)
class Example:
    """One prompt with the pictures it gave, best first."""

    prompt: str
    settings: dict[str, Any]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Shelf:
    """The row of example pictures on the page."""

    examples: tuple[Example, ...]
    gallery: gr.Gallery


def load(folder: Path, room: str = "text_to_image") -> tuple[Example, ...]:
    """The examples of a room; none when the list is missing. Those whose files are not all there are left out."""
    listed = folder / f"{room}.json"
    if not listed.is_file():
        return ()
    made = [
        Example(item["prompt"], dict(item.get("settings", {})), tuple(folder / name for name in item["files"]))
        for item in json.loads(listed.read_text(encoding="utf-8"))
    ]
    return tuple(example for example in made if example.files and all(path.is_file() for path in example.files))


def rows_of(example: Example) -> list[Row]:
    """The example's pictures as rows of the ranking, with the scores that their recipes tell."""
    rows = []
    for path in example.files:
        recipe = read(path)
        if not isinstance(recipe, Recipe):
            continue
        scores = {name: float(recipe.scores.get(name, 0.0)) for name in ("cosine", "clip_score", "share")}
        rows.append(Row(str(path), f"seed {recipe.seed}", **scores))
    return rows


def build_shelf(app: App) -> Shelf | None:
    """Lay out the examples, or nothing when there are none."""
    examples = load(app.examples)
    if not examples:
        return None
    with gr.Column(elem_classes="atelier-shelf"):
        gr.HTML("<h2>Made here earlier</h2>")
        gallery = gr.Gallery(
            [(str(example.files[0]), example.prompt) for example in examples],
            label="Examples",
            show_label=False,
            format="png",
            columns=4,
            height="auto",
            object_fit="contain",
            allow_preview=False,
            interactive=False,
            buttons=[],
        )
    return Shelf(examples, gallery)


def connect_shelf(app: App, shelf: Shelf, controls: Controls, runner: Runner) -> None:
    """A click on an example fills the controls and shows its result at once."""

    @guarded
    def on_example(event: gr.SelectData) -> dict[Any, Any]:
        example = shelf.examples[event.index]
        rows = rows_of(example)
        # A fresh seed for the visitor's own try: the same pictures hang there already.
        filled = controls.restored({**example.settings, "prompt": example.prompt, "seed": None})
        told = f"An example: {len(rows)} pictures, ready made. Press Generate for new ones.", ""
        return {**filled, **runner.hang(rows, example.prompt, None, told)}

    shelf.gallery.select(
        on_example, None, [*controls.inputs, *runner.outputs], show_progress="hidden", api_visibility="private"
    )

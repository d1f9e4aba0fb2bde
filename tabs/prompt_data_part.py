"""What the three parts of the view of prompts have in common: buttons, a first look, a stage and a wall."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from tabs.captioning_pictures import QUIET
from tabs.rooms import App
from tabs.running import Runner
from tabs.visits import on_coming_back
from tabs.watching import View
from tabs.widgets import known_browser, served

if TYPE_CHECKING:
    from pipelines.steps import Result

Updates = dict[Any, Any]


class Wall:
    """Stands where other rooms have their `Results`: `column` is what shows and hides, `result` the newest result.

    `parts` are the components inside that `fill(result)` gives updates for.
    """

    def __init__(self, fill: Callable[[Any], Updates]) -> None:
        self._fill = fill
        self.parcel, self.result = gr.State(None), gr.State(None)
        self.column = gr.Column(visible=False, elem_classes="atelier-results")
        self.parts: list[Any] = []

    @property
    def outputs(self) -> list[Any]:
        """Everything that a result changes."""
        return [self.column, self.parcel, self.result, *self.parts]

    def show(self, *_: Any) -> Updates:
        """See `Results.show`; this wall is filled by `fill`."""
        return {}

    def fill(self, result: Result) -> Updates:
        """The updates that show a result."""
        shown = {self.column: gr.Column(visible=True), self.parcel: True, self.result: result}
        return {**shown, **self._fill(result)}

    def hide(self) -> Updates:
        """See `Results.hide`."""
        return {self.column: gr.Column(visible=False)}

    def again(self, parcel: Any) -> Updates:
        """See `Results.again`."""
        return {self.column: gr.Column(visible=bool(parcel))}


class Look:
    """The first look into the files, before anything is asked for; it makes way for a run."""

    def __init__(self, html: str) -> None:
        self.html = gr.HTML(html, visible=bool(html), elem_classes="atelier-data-look")
        self.outputs = [self.html]

    def follow(self, view: View, before: View | None) -> Updates:
        """See `running.Companion`."""
        return {self.html: gr.HTML(visible=False)} if before is None else {}

    def rest(self) -> Updates:
        """See `running.Companion`."""
        return {self.html: gr.HTML(visible=False)}


class Part:
    """A part of the view: `name` is that of its jobs and settings, `verb` stands on its button.

    What inherits from it lays out its wall in `build_wall`, after `build_buttons`, and its controls in between.
    """

    name, verb = "", ""

    def __init__(self, app: App) -> None:
        self.app = app
        self.controls: dict[str, Any] = {}

    def build_buttons(self) -> None:
        """What starts and ends a run."""
        self.run = gr.Button(self.verb, variant="primary", size="lg", elem_classes="atelier-run")
        self.stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_classes="atelier-stop")

    def connect(
        self, submit: Callable[..., str], story: Callable[[Any], tuple[str, str]], inputs: Sequence[Any]
    ) -> None:
        """`submit(owner, *values)` of the inputs and then of the controls queues a job; `story(result)` tells of it."""
        self.runner = Runner(self.app, self.name, self.run, self.stop, self.stage, self.wall, companion=self.look)
        names = list(self.controls)

        async def on_run(owner: str, *values: Any) -> str:
            """Reads the files and every control, and queues the job."""
            return await asyncio.to_thread(submit, owner, *values)

        def on_result(result: Any) -> Updates:
            """Fills the wall from a finished job."""
            return {**self.runner.hang((), "", None, story(result)), **self.wall.fill(result)}

        def kept(values: Sequence[Any]) -> dict[str, Any]:
            return dict(zip(names, values[len(inputs) :], strict=True))

        def on_open(memory: Any) -> list[Any]:
            """Fills the controls as this browser left them, but for columns: those belong to files of then."""
            return self.remembered(known_browser(memory)["settings"].get(self.name, {}))

        self.runner.connect(on_run, on_result, [*inputs, *self.controls.values()], remember=kept)
        on_coming_back(self.app, self.name, on_open, list(self.controls.values()))

    def remembered(self, settings: Mapping[str, Any]) -> list[Any]:
        """For each control the value to show, from what a browser kept; others stay as they are."""
        told = [(settings.get(name), control.value) for name, control in self.controls.items()]
        columns = [name.endswith("column") for name in self.controls]
        return [
            gr.skip() if is_column or kept is None or _kind(kept) != _kind(usual) else kept
            for (kept, usual), is_column in zip(told, columns, strict=True)
        ]

    def named(self, values: Sequence[Any]) -> dict[str, Any]:
        """The values of the controls by name; empty boxes are left out, so that their defaults stand."""
        return {name: value for name, value in zip(self.controls, values, strict=True) if value is not None}

    def follow(self, peek: Callable[..., str], inputs: Sequence[Any], changed: Sequence[Any]) -> None:
        """Look into the files again whenever one of `changed` changes; what an older run showed makes way."""

        async def on_change(*values: Any) -> Updates:
            """Reads the files; fills the first look."""
            html = await asyncio.to_thread(peek, *values)
            return {
                self.look.html: gr.HTML(html, visible=bool(html)),
                self.stage: gr.HTML(visible=False),
                self.wall.parcel: None,
                **self.wall.hide(),
            }

        outputs = [self.look.html, self.stage, self.wall.parcel, self.wall.column]
        gr.on([each.change for each in changed], on_change, inputs, outputs, **QUIET)


def _kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def handed_over(name: str, text: str) -> str:
    """A file of this name with this text, where the page may serve it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        return served(path)

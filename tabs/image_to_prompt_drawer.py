"""Drawers below the wall: further work with its own button, progress and Stop, found again after a reload."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from tabs import stage as wall
from tabs.image_to_prompt_pictures import LIVE
from tabs.running import Runner

if TYPE_CHECKING:
    from tabs.rooms import App, Parcel
    from tabs.watching import View


class Paper:
    """Stands where rooms have their `Results`, and has the same methods: one piece of HTML, and what stands below it.

    `below` is a column with whatever belongs to a result and to nothing else.
    """

    def __init__(self) -> None:
        self.parcel = gr.State(None)
        self.body = gr.HTML(visible=False, **LIVE)
        self.below = gr.Column(visible=False, elem_classes="atelier-plain")
        self.outputs = [self.body, self.below]

    def show(self, *_: Any) -> dict[Any, Any]:
        """See `Results.show`; a paper is filled by `fill`."""
        return {}

    def fill(self, html: str) -> dict[Any, Any]:
        """The updates that show a result."""
        return {self.body: gr.HTML(html, visible=True), self.below: gr.Column(visible=True)}

    def hide(self) -> dict[Any, Any]:
        """See `Results.hide`."""
        return {self.body: gr.HTML(visible=False), self.below: gr.Column(visible=False)}

    def again(self, _: Parcel | None) -> dict[Any, Any]:
        """See `Results.again`; after an error there is nothing to go back to."""
        return {self.body: gr.HTML(visible=False)}


class Drawer:
    """A button with its Stop, a stage and a paper. Build it where it shall stand; `runner` connects it."""

    def __init__(
        self, app: App, name: str, label: str, draw: Callable[[View, str], str] = wall.progress, primary: bool = True
    ) -> None:
        with gr.Row(elem_classes="atelier-actions atelier-drawer-go"):
            run = gr.Button(label, variant="primary" if primary else "secondary", size="sm")
            stop = gr.Button("Stop", variant="stop", size="sm", visible=False)
        stage = gr.HTML(visible=False)
        self.paper = Paper()
        self.runner = Runner(app, name, run, stop, stage, self.paper, draw)

    def told(self, sentence: str, html: str, more: str = "") -> dict[Any, Any]:
        """The updates that show a result: one sentence, and the paper."""
        return {**self.runner.hang((), "", None, (sentence, more)), **self.paper.fill(html)}

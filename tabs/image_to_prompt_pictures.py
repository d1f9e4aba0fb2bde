"""The pictures whose prompts are wanted: as in the captioning room, under this room's own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from tabs.captioning_pictures import Pictures
from tabs.rooms import App, Parcel

VIEW = "pictures"
SCRIPT = Path(__file__).with_name("image_to_prompt.js").read_text(encoding="utf-8")
LIVE = {"js_on_load": SCRIPT, "apply_default_css": False}  # for what can be pressed; the page's style has the rest


class PromptPictures(Pictures):
    """What other rooms send also opens the view."""

    verb = "Find their prompts →"

    def __init__(self, app: App, room: str) -> None:
        self._views = app.views
        super().__init__(app, room)

    @property
    def receiving(self) -> list[Any]:
        """See `Pictures.receiving`."""
        return [*super().receiving, self._views]

    def having(self, paths: list[str]) -> list[Any]:
        """Values of `outputs` with just these pictures."""
        return super()._taken(Parcel(tuple(paths)))

    def _taken(self, parcel: Parcel) -> list[Any]:
        return [*super()._taken(parcel), gr.Tabs(selected=VIEW)]

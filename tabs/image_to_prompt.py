"""The room image → prompt: which words would make this picture? Three views share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from tabs import image_index, image_to_prompt_view, prompt_data
from tabs.image_to_prompt_pictures import VIEW

if TYPE_CHECKING:
    from tabs.rooms import App

ROOM = image_to_prompt_view.ROOM
TITLE = "Image → prompt"


def build(app: App) -> None:
    """Lay out the room: its views are tabs of their own."""
    with gr.Tabs(elem_classes="atelier-views") as app.views:
        with gr.Tab("Picture(s)", id=VIEW):
            image_to_prompt_view.build(app)
        with gr.Tab("Image index", id="index"):
            image_index.build(app)
        with gr.Tab("Prompts", id="prompts"):
            prompt_data.build(app)
    app.views = None

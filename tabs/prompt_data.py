"""The view "Prompts" of the room image → prompt: files of prompts explored, mapped, scored and handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from tabs.captioning_pictures import QUIET
from tabs.prompt_data_api import build_api
from tabs.prompt_data_columns import column_box, column_choices
from tabs.prompt_data_entries import Entries
from tabs.prompt_data_explore import Explore
from tabs.prompt_data_map import Maps
from tabs.prompt_data_pair import Pair

if TYPE_CHECKING:
    from tabs.rooms import App

MODES = {"explore": "Explore a file", "map": "Map of meanings", "score": "Score and submit"}


def build(app: App) -> None:
    """Lay out the view and connect its controls. Call it inside its tab."""
    explore, maps, entries = Explore(app), Maps(app), Entries(app)
    view = _View(dict(zip(MODES, (explore, maps, entries), strict=True)))
    with gr.Column(elem_classes="atelier-room"):
        with gr.Row(elem_classes="atelier-desk"):
            with gr.Column(scale=5, min_width=240):
                mode = view.build_modes()
                with view.group("explore", elem_classes="atelier-plain"):
                    explore.build_files()
                with view.group("map", "score", elem_classes="atelier-plain"):
                    pair = Pair(app)
            for name, part in view.parts.items():
                with view.group(name, scale=1, min_width=150, elem_classes="atelier-go"):
                    part.build_buttons()
        with gr.Row(elem_classes="atelier-floor"):
            with gr.Column(scale=3, min_width=320):
                walls = [view.group(name) for name in MODES]
            with gr.Column(scale=1, min_width=280, elem_classes="atelier-settings"):
                with view.group("map", "score"):
                    column = column_box("Column of prompts", "The same in all files", pair.known)
                    column_choices(column, pair.truth, pair.predictions)
                for name, part in view.parts.items():
                    with view.group(name):
                        part.build_settings()
            with walls[0]:
                explore.build_wall()
            for part, wall in zip((maps, entries), walls[1:], strict=True):
                with wall:
                    part.build_wall(pair, column)
    groups = [group for _, group in view.groups]
    mode.change(view.on_mode, mode, groups, **QUIET)
    build_api(app)


class _View:
    """Which groups of the page belong to which part; those of the chosen one are shown."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.parts = parts
        self.groups: list[tuple[tuple[str, ...], gr.Column]] = []

    def build_modes(self) -> gr.Radio:
        """The choice of the part."""
        return gr.Radio(
            [(title, name) for name, title in MODES.items()],
            value=next(iter(MODES)),
            label="What to do",
            show_label=False,
            container=False,
            elem_classes="atelier-modes",
        )

    def group(self, *names: str, **look: Any) -> gr.Column:
        """A column that is shown with the parts of these names."""
        self.groups.append((names, gr.Column(visible=next(iter(MODES)) in names, **look)))
        return self.groups[-1][1]

    def on_mode(self, chosen: str) -> list[gr.Column]:
        """Shows what belongs to the chosen part."""
        return [gr.Column(visible=chosen in names) for names, _ in self.groups]

"""What is asked of an index: words, a picture, or both; which index, and which of its pictures count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from common.errors import BadRequest
from safeguards.admit import admit
from safeguards.wording import file_name
from tabs.captioning_pictures import KINDS, LIVE, QUIET, SCRIPT, asks
from tabs.image_index_cards import thumbnail
from tabs.image_index_request import FILTERS
from tabs.rooms import App, Parcel, Receiver
from tabs.stage import notice
from tabs.widgets import guarded, sentence

VIEW = "index"
PASTE = (
    Path(__file__)
    .with_name("captioning_paste.js")
    .read_text(encoding="utf-8")
    .replace("atelier-drop-captions", "atelier-index-drop")
)
FIELDS = ("image_share", "count", *FILTERS)
SIDE = 112  # pixels of the picture beside the words


class Question:
    """Built inside the view's layout; `picture` is a gr.State with a file or None, `parts` the other controls."""

    def __init__(self, app: App) -> None:
        self._settings = app.services.settings
        self.picture = gr.State(None)
        self.parts: dict[str, Any] = {}

    @property
    def inputs(self) -> list[Any]:
        """The components in the order of FIELDS."""
        return [self.parts[name] for name in FIELDS]

    @property
    def outputs(self) -> list[Any]:
        """What changes when the picture comes or goes."""
        return [self.picture, self.zone, self.strip, self.said]

    def build_desk(self, names: Sequence[str]) -> None:
        """The index, the words and the picture."""
        with gr.Row(elem_classes="atelier-index-desk"):
            self.index = gr.Dropdown(
                list(names),
                value=None,  # whoever opens the room is shown an index, and what is known about it
                label="Index",
                filterable=False,
                scale=1,
                min_width=150,
            )
            self.words = gr.Textbox(
                label="Words",
                placeholder="a red kite over the sea",
                max_lines=1,
                scale=4,
                min_width=220,
                elem_classes="atelier-prompt",
            )
        self.zone = gr.File(
            label="Picture",
            show_label=False,
            file_count="single",
            type="filepath",
            height=72,
            elem_classes="atelier-drop atelier-index-drop",
        )
        self.strip = gr.HTML(visible=False, **{**LIVE, "js_on_load": SCRIPT + PASTE}, elem_classes="atelier-strip")
        self.said = gr.HTML(visible=False)

    def build_settings(self) -> None:
        """How many to find, and the filters."""
        parts, public = self.parts, self._settings.public
        parts["image_share"] = gr.Slider(
            0, 1, value=0.5, step=0.05, label="Picture beside words", info="0: words alone, 1: picture alone"
        )
        parts["count"] = gr.Slider(1, 100, value=24, step=1, label="Pictures to find")
        with gr.Accordion("Only pictures that …", open=False):
            parts["words"] = gr.Textbox(label="… have these words in their prompt", max_lines=1)
            prompts = [("either way", ""), ("have a prompt", "yes"), ("have none", "no")]
            parts["has_prompt"] = gr.Dropdown(prompts, value="", label="… carry a prompt", filterable=False)
            parts["folder"] = gr.Textbox(label="… lie in this folder or below", max_lines=1, visible=not public)
            with gr.Row(elem_classes="atelier-index-pair"):
                parts["least"] = gr.Textbox(
                    label="Shorter side at least", placeholder="pixels", max_lines=1, min_width=90
                )
                parts["most"] = gr.Textbox(label="Longer side at most", placeholder="pixels", max_lines=1, min_width=90)
            with gr.Row(elem_classes="atelier-index-pair"):
                parts["since"] = gr.Textbox(label="Changed since", placeholder="2026-01-31", max_lines=1, min_width=90)
                parts["until"] = gr.Textbox(label="… until", placeholder="2026-12-31", max_lines=1, min_width=90)

    def connect(self, app: App) -> None:
        """The picture comes and goes, also from other rooms."""

        def on_file(path: str | None) -> dict[Any, Any]:
            """A picture came: it is shown, or it is said why it cannot be read."""
            return self.with_picture(path) if path else {self.zone: gr.skip()}

        @guarded
        def on_press() -> dict[Any, Any]:
            """It is taken away."""
            return self.with_picture(None)

        def take(parcel: Parcel) -> list[Any]:
            updates = self.with_picture(parcel.paths[0] if parcel.paths else None)
            return [*(updates[part] for part in self.outputs), gr.Tabs(selected=VIEW)]

        self.zone.upload(on_file, self.zone, self.outputs, **QUIET)
        self.strip.select(on_press, None, self.outputs, **QUIET)
        verb, outputs = "Find similar ones →", [*self.outputs, app.views]
        if app.views is not None:
            app.receivers.append(Receiver("image_to_prompt", "pictures", verb, take, outputs, VIEW))

    def with_picture(self, path: str | None) -> dict[Any, Any]:
        """The updates that make the file at `path` the picture asked about, None for no picture."""
        told = gr.HTML(visible=False)
        if path is not None:
            try:
                if not path.lower().endswith(KINDS):
                    raise BadRequest(
                        f"{file_name(path)} does not have the name of a picture. Choose one, such as a PNG."
                    )
                admit(path, self._settings)
            except Exception as error:
                path, told = None, gr.HTML(notice(sentence(error)), visible=True)
        return {
            self.picture: path,
            self.zone: gr.File(value=None, visible=path is None),
            self.strip: gr.HTML(self._shown(path), visible=path is not None),
            self.said: told,
        }

    def _shown(self, path: str | None) -> str:
        if path is None:
            return ""
        name = escape(file_name(path))
        remove = f'<button type="button" aria-label="Remove {name}" title="Remove {name}" {asks(remove=0)}>×</button>'
        picture = f'<img src="{thumbnail(path, self._settings, SIDE)}" alt="{name}">'
        return f'<div class="strip"><div><figure title="{name}">{picture}{remove}</figure></div></div>'


def named(values: Sequence[Any]) -> Mapping[str, Any]:
    """The settings by name."""
    return dict(zip(FIELDS, values, strict=True))

"""The panel in which indexes are built, brought up to date and deleted."""

from __future__ import annotations

from typing import Any

import gradio as gr

from tabs.image_index_shelf import About
from tabs.rooms import App
from tabs.widgets import choices

SOURCES = [("A folder", "folder"), ("Uploads", "uploads"), ("Pictures made here", "gallery")]
HELP = {
    "folder": "All pictures in it and below, on the machine where the app runs. They stay where they are.",
    "uploads": "Pictures, or zip files of them. They are kept until the index is deleted.",
    "gallery": "All that this app has made and that is still in its output folder.",
}


class Panel:
    """Built inside the view's layout; stands where other rooms have their `Results`, and has the same methods."""

    def __init__(self, app: App, names: list[str]) -> None:
        is_open = not names
        self._app, public = app, app.services.settings.public
        self.parcel, self.anew, self.outputs = gr.State(None), gr.State(""), []
        sources = [pair for pair in SOURCES if pair[1] == "uploads"] if public else SOURCES
        rankers, first = choices(app.services.catalog, "ranker"), app.services.catalog.default("ranker")
        with gr.Accordion("Build an index", open=is_open, elem_classes="atelier-inputs") as self.drawer:
            with gr.Row(elem_classes="atelier-index-build"):
                self.name = gr.Textbox(
                    names[0] if names else "pictures", label="Name", max_lines=1, scale=1, min_width=140
                )
                self.source = gr.Radio(sources, value=sources[0][1], label="Pictures from", scale=2, min_width=260)
                self.ranker = gr.Dropdown(
                    rankers, value=first.name, label="Looked at by", filterable=False, scale=1, min_width=170
                )
            self.help = gr.HTML(self._help(sources[0][1]), elem_classes="atelier-note")
            self.folder = gr.Textbox(label="Folder", placeholder="~/Pictures", max_lines=1, visible=not public)
            with gr.Column(visible=public, elem_classes="atelier-plain") as self.uploading:
                self._build_uploads()
            with gr.Row(elem_classes="atelier-actions"):
                self.run = gr.Button("Build", variant="primary", size="sm", elem_classes="atelier-index-run")
                self.stop = gr.Button("Stop", variant="stop", size="sm", visible=False, elem_classes="atelier-stop")
                self.rebuild = gr.Button("Rebuild with this model", size="sm", visible=False)
                self.delete = gr.Button("Delete this index", size="sm", visible=not is_open)
                self.sure = gr.Button("Yes, delete it", variant="stop", size="sm", visible=False)
                self.keep = gr.Button("Keep it", size="sm", visible=False)
            self.stage = gr.HTML(visible=False)

    def _build_uploads(self) -> None:
        self.files = gr.File(
            label="Pictures or zip files",
            show_label=False,
            file_count="multiple",
            type="filepath",
            height=120,
            elem_classes="atelier-uploads atelier-index-uploads",
        )

    def _help(self, source: str) -> str:
        return f'<p class="model-note">{HELP.get(source, "")}</p>'

    def show(self, *_: Any) -> dict[Any, Any]:
        """See `Results.show`; there is nothing to hang here, and nothing to hide."""
        return {}

    hide = show
    again = show

    def choose_source(self, source: str) -> dict[Any, Any]:
        """Shows what belongs to a source."""
        return {
            self.help: self._help(source),
            self.folder: gr.Textbox(visible=source == "folder"),
            self.uploading: gr.Column(visible=source == "uploads"),
        }

    def filled(self, about: About | None) -> dict[Any, Any]:
        """The updates that make the panel speak of an index."""
        resting = {
            self.delete: gr.Button(visible=about is not None),
            self.sure: gr.Button(visible=False),
            self.keep: gr.Button(visible=False),
            self.rebuild: gr.Button(visible=about is not None and bool(about.trouble)),
            self.anew: "",
        }
        if about is None:
            return resting
        known = {name for _, name in choices(self._app.services.catalog, "ranker")}
        source = "uploads" if self._app.services.settings.public else about.built.source
        folder = about.built.folder if source == "folder" else ""
        return {
            **resting,
            self.name: about.name,
            self.source: source,
            **self.choose_source(source),
            self.folder: gr.Textbox(folder, visible=source == "folder"),
            **({self.ranker: about.card.ranker} if about.card.ranker in known else {}),
        }

    @property
    def speaking(self) -> list[Any]:
        """What `filled` updates."""
        shown = [self.name, self.source, self.folder, self.help, self.uploading, self.ranker, self.anew]
        return [*shown, self.rebuild, self.delete, self.sure, self.keep]

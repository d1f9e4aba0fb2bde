"""The pictures to caption: dropped, chosen, a folder of them, from the camera or the clipboard, or an example."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.captioning.request import MAX_PICTURES
from safeguards.wording import file_name
from tabs import examples
from tabs.captioning_thumbnails import thumbnail
from tabs.rooms import App, Parcel, Receiver
from tabs.stage import notice, tells_of_an_error
from tabs.widgets import guarded, served

if TYPE_CHECKING:
    from gradio.components import Component

    from common.settings import Settings

SCRIPT = Path(__file__).with_name("captioning.js").read_text(encoding="utf-8")
PASTE = Path(__file__).with_name("captioning_paste.js").read_text(encoding="utf-8")
KINDS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".apng", ".heic", ".heif", ".avif")
SHOWN = 23  # pictures in the strip; the rest is a number
LIVE = {"js_on_load": SCRIPT, "apply_default_css": False}  # for what can be pressed; the page's style has the rest
QUIET = {"show_progress": "hidden", "api_visibility": "private"}


def asks(**what: Any) -> str:
    """The attribute that makes an element send `what` when it is pressed (see captioning.js)."""
    return f'data-do="{escape(json.dumps(what))}"'


class Pictures:
    """Built inside a room's layout; `paths` is a gr.State with the list of files.

    Other rooms send pictures here by a button that says `verb`.
    """

    verb = "Caption these →"

    def __init__(self, app: App, room: str) -> None:
        self._settings: Settings = app.services.settings
        self._examples = [str(example.files[0]) for example in examples.load(app.examples)[:6]]
        self.paths = gr.State([])
        self._build()
        self._connect(app)
        app.receivers.append(Receiver(room, "pictures", self.verb, self._taken, self.receiving))

    @property
    def outputs(self) -> list[Component]:
        """What changes when pictures come or go."""
        return [self.paths, self.strip, self.said]

    @property
    def receiving(self) -> list[Component]:
        """What `_taken` gives values for."""
        return self.outputs

    def clear(self, stage: gr.HTML) -> None:
        """Lets an error of the last run leave `stage` as soon as pictures come or go: it spoke of those before."""

        def on_change(shown: str | None) -> Any:
            return gr.HTML("", visible=False) if tells_of_an_error(shown) else gr.skip()

        self.paths.change(on_change, stage, stage, **QUIET)

    def _build(self) -> None:
        self.zone = gr.File(
            label="Pictures",
            show_label=False,
            file_count="multiple",
            type="filepath",
            height=104,
            elem_classes="atelier-drop atelier-drop-captions",
        )
        self.strip = gr.HTML(
            self.shown([]), js_on_load=SCRIPT + PASTE, apply_default_css=False, elem_classes="atelier-strip"
        )
        self.said = gr.HTML(visible=False)
        with gr.Row(elem_classes="atelier-sources"):
            self.folder = gr.UploadButton("A whole folder", file_count="directory", size="sm")
            with gr.Accordion("Camera or clipboard", open=False, elem_classes="atelier-inputs"):
                self.camera = gr.Image(
                    label="Camera or clipboard",
                    show_label=False,
                    sources=["webcam", "clipboard"],
                    type="filepath",
                    format="png",
                    height=260,
                )

    def _connect(self, app: App) -> None:
        @guarded
        def on_files(new: list[str] | None, paths: list[str]) -> dict[Any, Any]:
            """Files came: they join those that are there."""
            return {self.zone: None, **self._with(paths, new or ())}

        @guarded
        def on_folder(new: list[str] | None, paths: list[str]) -> dict[Any, Any]:
            """A folder came: its pictures join, and the rest is told of."""
            files = list(new or ())
            pictures = [path for path in files if path.lower().endswith(KINDS) and not Path(path).name.startswith(".")]
            return self._with(paths, pictures, _left_out(files, pictures))

        @guarded
        def on_camera(path: str | None, paths: list[str]) -> dict[Any, Any]:
            """A picture was taken or pasted: it joins, and the place is free for the next."""
            return {self.camera: None, **self._with(paths, [path])} if path else {self.said: gr.skip()}

        @guarded
        def on_press(paths: list[str], event: gr.EventData) -> dict[Any, Any]:
            """One is taken away, or all, or an example is asked for."""
            if getattr(event, "clear", False):
                return self._now([])
            if isinstance(number := getattr(event, "example", None), int) and 0 <= number < len(self._examples):
                return self._with(paths, [served(self._examples[number])])
            number = getattr(event, "remove", None)
            return self._now([path for place, path in enumerate(paths) if place != number])

        self.zone.upload(on_files, [self.zone, self.paths], [self.zone, *self.outputs], **QUIET)
        self.folder.upload(on_folder, [self.folder, self.paths], self.outputs, **QUIET)
        self.camera.input(on_camera, [self.camera, self.paths], [self.camera, *self.outputs], **QUIET)
        self.strip.select(on_press, self.paths, self.outputs, **QUIET)

    def shown(self, paths: Sequence[str]) -> str:
        """The pictures side by side, each with a way to take it away; without any, examples."""
        if not paths:
            return self._shelf()
        figures = "".join(self._figure(place, path) for place, path in enumerate(paths[:SHOWN]))
        more = f'<p class="more">and {len(paths) - SHOWN:,} more</p>' if len(paths) > SHOWN else ""
        count = "1 picture" if len(paths) == 1 else f"{len(paths):,} pictures"
        clear = f'<button type="button" class="plain-button" {asks(clear=True)}>Remove all</button>'
        return f'<div class="strip"><p class="count">{count} {clear}</p><div>{figures}{more}</div></div>'

    def _figure(self, place: int, path: str) -> str:
        name, picture = escape(file_name(path)), thumbnail(path, self._settings)
        inside = f'<img src="{picture}" alt="{name}">' if picture else f'<span class="unread">{name}</span>'
        remove = (
            f'<button type="button" aria-label="Remove {name}" title="Remove {name}" {asks(remove=place)}>×</button>'
        )
        return f'<figure title="{name}">{inside}{remove}</figure>'

    def _shelf(self) -> str:
        if not self._examples:
            return ""
        buttons = "".join(
            f'<button type="button" {asks(example=place)} aria-label="Take example picture {place + 1}">'
            f'<img src="{thumbnail(path, self._settings)}" alt=""></button>'
            for place, path in enumerate(self._examples)
        )
        said = '<p class="count">No picture at hand? Take one of these.</p>'
        return f'<div class="strip examples">{said}<div>{buttons}</div></div>'

    def _with(self, paths: Sequence[str], new: Sequence[str], told: str = "") -> dict[Any, Any]:
        known = set(paths)
        fresh = [path for path in dict.fromkeys(new) if path not in known]
        return self._now([*paths, *fresh], told)

    def _now(self, paths: list[str], told: str = "") -> dict[Any, Any]:
        paths, too_many = paths[:MAX_PICTURES], len(paths) - MAX_PICTURES
        if too_many > 0:
            left = "1 picture was" if too_many == 1 else f"{too_many:,} pictures were"
            full = f"At most {MAX_PICTURES:,} pictures fit into one run, so {left} left out."
            told = f"{told.rstrip('.')}. {full}" if told else full
        said = gr.HTML(notice(told, "plain"), visible=True) if told else gr.HTML(visible=False)
        return {self.paths: paths, self.strip: self.shown(paths), self.said: said}

    def _taken(self, parcel: Parcel) -> list[Any]:
        return list(self._now(list(parcel.paths)).values())


def _left_out(files: Sequence[str], pictures: Sequence[str]) -> str:
    others = [path for path in files if path not in set(pictures)]
    if not others:
        return "" if files else "There is nothing in this folder."
    names = ", ".join(file_name(path) for path in others[:3]) + (" …" if len(others) > 3 else "")
    count = "1 file was" if len(others) == 1 else f"{len(others):,} files were"
    return f"{count} left out because their names are not those of pictures: {names}"

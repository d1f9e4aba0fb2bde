"""What hangs on the wall of the view "Picture(s)": one picture with all its prompts, and the ways on from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines.image_to_prompt.rows import ImageToPromptResult
from pipelines.image_to_prompt.table import KINDS, as_text
from tabs import image_to_prompt_cards as cards
from tabs.captioning_pictures import QUIET
from tabs.captioning_results import SAVE
from tabs.captioning_thumbnails import LARGE, thumbnail
from tabs.image_to_prompt_pictures import LIVE
from tabs.image_to_prompt_submission import Submission
from tabs.rooms import App, Parcel, Sender
from tabs.widgets import guarded

Updates = dict[Any, Any]


class Outcome:
    """Built inside a room's layout; stands where other rooms have their `Results`, and has the same methods.

    `result` holds the run, `picture` the number of the one in sight, `used` by picture the method whose prompt is sent.
    """

    def __init__(self, app: App, room: str) -> None:
        self._app, self._settings = app, app.services.settings
        self.parcel, self.result = gr.State(None), gr.State(None)
        self.picture, self.used = gr.State(0), gr.State({})
        with gr.Column(visible=False, elem_classes="atelier-results") as self.column:
            self.reading = gr.HTML(**LIVE, elem_classes="atelier-reading")
            with gr.Row(elem_classes="atelier-actions") as row:
                self.saving = {kind: gr.Button(f"Save as {kind.upper()}", size="sm") for kind in KINDS}
            self.submission = Submission(self.result)
        with gr.Column(visible=False):
            self._text, self._name = gr.Textbox(visible=False), gr.Textbox(visible=False)
        app.senders.append(Sender(room, ("pictures", "prompt"), self.parcel, row))
        self.outputs = [self.column, self.reading, self.parcel, self.result, self.picture, self.used]
        self.outputs += self.submission.outputs
        self._connect()

    def show(self, *_: Any) -> Updates:
        """See `Results.show`; this wall is filled by `fill`."""
        return {}

    def fill(self, result: ImageToPromptResult) -> Updates:
        """The updates that show a run, its first picture with a prompt at first."""
        picture = next((row.picture for row in result.rows if row.prompt), 0)
        shown = gr.Column(visible=bool(result.rows))
        told = self.submission.fill(result, titles(self._app, result))
        return {self.column: shown, self.result: result, self.used: {}, **told, **self._look(result, picture, {})}

    def hide(self) -> Updates:
        """See `Results.hide`."""
        return {self.column: gr.Column(visible=False)}

    def again(self, parcel: Parcel | None) -> Updates:
        """See `Results.again`."""
        return {self.column: gr.Column(visible=parcel is not None)}

    def _look(self, result: ImageToPromptResult, picture: int, used: Mapping[int, str]) -> Updates:
        rows = [row for row in result.rows if row.picture == picture]
        drawn = ""
        if rows:
            shown = thumbnail(str(rows[0].path), self._settings, LARGE)
            drawn = cards.reading(rows, titles(self._app, result), shown, result.pictures, used.get(picture, ""))
        return {self.reading: drawn, self.picture: picture, self.parcel: parcel(result, picture, used)}

    def _connect(self) -> None:
        @guarded
        def on_press(
            result: ImageToPromptResult | None, picture: int, used: dict[int, str], event: gr.EventData
        ) -> Updates:
            """Another picture was asked for, or another prompt of this one."""
            if result is None:
                return {self.picture: gr.skip()}
            number, method = getattr(event, "show", picture), getattr(event, "use", None)
            if isinstance(number, int) and 0 <= number < result.pictures:
                picture = number
            if isinstance(method, str):
                used = {**used, picture: method}
            return {self.used: used, **self._look(result, picture, used)}

        seen = [self.reading, self.picture, self.used, self.parcel]
        self.reading.select(on_press, [self.result, self.picture, self.used], seen, **QUIET)
        for kind, button in self.saving.items():
            saving = button.click(self._saver(kind), self.result, [self._text, self._name], **QUIET)
            saving.success(None, [self._text, self._name], None, js=SAVE)

    def _saver(self, kind: str) -> Any:
        @guarded
        def on_save(result: ImageToPromptResult | None) -> Updates:
            """All prompts as a file, to be saved by the browser."""
            text = as_text(result.rows if result is not None else (), kind)
            return {self._text: text, self._name: f"prompts.{kind}"}

        return on_save


def titles(app: App, result: ImageToPromptResult) -> dict[str, str]:
    """The titles of the captioners of a result, by name."""
    known = {spec.name: spec.title for spec in app.services.catalog.all("captioner")}
    names = {row.method.removeprefix("caption:") for row in result.rows if row.method.startswith("caption:")}
    return {name: known.get(name, name) for name in names}


def parcel(result: ImageToPromptResult, picture: int, used: Mapping[int, str]) -> Parcel:
    """What other rooms get: the pictures, the shown one first, and the prompt in use for it, or its negative one."""
    paths = dict.fromkeys(str(row.path) for row in result.rows if row.picture == picture)
    paths |= dict.fromkeys(str(row.path) for row in result.rows if row.prompt)
    rows = [row for row in result.rows if row.picture == picture]
    row = cards.chosen_of(rows, used.get(picture, ""))
    if row is None:
        return Parcel(tuple(paths))
    return Parcel(tuple(paths), negative=row.prompt) if row.negative else Parcel(tuple(paths), row.prompt)

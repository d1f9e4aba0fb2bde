"""What hangs on the wall of the captioning room: one picture with all that was said of it, and the table of all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import gradio as gr

from pipelines.captioning.rows import CaptionResult
from tabs import captioning_cards as cards
from tabs import captioning_heat as heat
from tabs import captioning_table as sheets
from tabs.captioning_pictures import LIVE, QUIET
from tabs.captioning_thumbnails import LARGE, thumbnail
from tabs.rooms import App, Parcel, Sender
from tabs.stage import notice
from tabs.widgets import guarded, known_browser, sentence

Updates = dict[Any, Any]
# What stands in the boxes right now, for a click on a button may come before the last box has told its change.
TYPED = "[...document.querySelectorAll('.atelier-sheet textarea[data-key]')].map(box => [box.dataset.key, box.value])"
COLLECT = f"(...values) => [...values.slice(0, -1), JSON.stringify({TYPED})]"
SAVE = """(text, name) => {
  if (!text) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}"""


class Outcome:
    """Built inside a room's layout; stands where other rooms have their `Results`, and has the same methods."""

    def __init__(self, app: App, room: str) -> None:
        self._app, self._settings = app, app.services.settings
        self.parcel = gr.State(None)
        self.result, self.edits = gr.State(None), gr.State({})
        self.picture, self.page = gr.State(0), gr.State(0)
        with gr.Column(visible=False, elem_classes="atelier-results") as self.column:
            self.reading = gr.HTML(**LIVE, elem_classes="atelier-reading")
            self.said = gr.HTML(visible=False)
            row = gr.Row(elem_classes="atelier-actions")
            with gr.Accordion("Table", open=False, elem_classes="atelier-inputs") as self.drawer:
                self.picked_only = gr.Checkbox(True, label="Only the picked caption of each picture")
                self.sheet = gr.HTML(**LIVE, elem_classes="atelier-sheet")
                with gr.Row(elem_classes="atelier-actions"):
                    self.csv = gr.Button("Save as CSV", size="sm")
                    self.jsonl = gr.Button("Save as JSONL", size="sm")
        with gr.Column(visible=False):
            self._typed, self._text, self._name = (gr.Textbox(visible=False) for _ in range(3))
        app.senders.append(Sender(room, ("pictures", "prompt"), self.parcel, row))
        self.outputs = [
            self.column, self.reading, self.said, self.drawer, self.sheet,
            self.parcel, self.result, self.edits, self.picture, self.page,
        ]  # fmt: skip
        self._connect()

    def show(self, *_: Any) -> Updates:
        """See `Results.show`; this wall is filled by `fill`."""
        return {}

    def fill(self, result: CaptionResult, picked_only: bool = True) -> Updates:
        """The updates that show a run's captions, its first picture with any at first."""
        picture = next((row.picture for row in result.rows if row.captions), 0)
        several = result.pictures > 1
        return {
            self.column: gr.Column(visible=bool(result.rows)),
            **self._look(result, {}, picture),
            self.drawer: gr.Accordion("Table" if several else "Correct and save", open=several),
            self.sheet: sheets.sheet(result, {}, 0, picked_only, self._settings),
            self.result: result,
            self.edits: {},
            self.page: 0,
        }

    def hide(self) -> Updates:
        """See `Results.hide`."""
        return {self.column: gr.Column(visible=False)}

    def again(self, parcel: Parcel | None) -> Updates:
        """See `Results.again`."""
        return {self.column: gr.Column(visible=parcel is not None)}

    def _look(self, result: CaptionResult, edits: Mapping[sheets.Key, str], picture: int) -> Updates:
        """Show picture number `picture`, and make it the one that is sent to other rooms."""
        return {
            self.reading: self._drawn(result, picture),
            self.said: gr.HTML(visible=False),
            self.picture: picture,
            self.parcel: parcel(result, edits, picture),
        }

    def _drawn(self, result: CaptionResult, picture: int, spot: cards.Spot | None = None) -> str:
        rows = [row for row in result.rows if row.picture == picture]
        if not rows:
            return ""
        shown = thumbnail(str(rows[0].path), self._settings, LARGE)
        return cards.detail(rows, result.titles, shown, spot, result.pictures)

    def _connect(self) -> None:
        quiet = {**QUIET, "concurrency_limit": None}
        seen = [self.reading, self.said, self.picture, self.parcel]
        shown = [self.result, self.edits, self.picture, self._app.browser]
        self.reading.select(self._on_press, shown, seen, **quiet)
        table = [self.result, self.edits, self.page, self.picked_only]
        self.sheet.select(self._on_sheet, table, [*seen, self.sheet, self.page], **quiet)
        self.sheet.edit(self._on_edit, [self.result, self.edits, self.picture], [self.edits, self.parcel], **QUIET)
        self.picked_only.input(self._on_picked, table, self.sheet, **quiet)
        self._connect_saving("csv", self.csv, table)
        self._connect_saving("jsonl", self.jsonl, table)

    def _connect_saving(self, kind: str, button: gr.Button, table: list[Any]) -> None:
        @guarded
        def on_save(
            result: CaptionResult | None, edits: sheets.Edits, page: int, picked_only: bool, typed: str
        ) -> Updates:
            """The table with all corrections, to be saved by the browser."""
            if result is None:
                return {self._text: ""}
            edits = sheets.with_edits(edits, json.loads(typed or "[]"), result)
            text = sheets.as_text(sheets.chosen_rows(result, edits, picked_only), kind)
            return {self._text: text, self._name: f"captions.{kind}", self.edits: edits}

        saved = [self._text, self._name, self.edits]
        saving = button.click(on_save, [*table, self._typed], saved, js=COLLECT, **QUIET)
        saving.success(None, [self._text, self._name], None, js=SAVE)

    async def _on_press(
        self, result: CaptionResult | None, edits: sheets.Edits, picture: int, memory: Any, event: gr.EventData
    ) -> AsyncIterator[Updates]:
        """A word was clicked, another picture asked for, or the heat map to be taken away."""
        number, word = getattr(event, "show", picture), getattr(event, "word", None)
        if result is None:
            yield {self.said: gr.skip()}
        elif word is None:
            yield self._look(result, edits, number if 0 <= number < result.pictures else picture)
        else:
            owner, place = known_browser(memory)["owner"], event.place
            try:
                request = heat.asked(result, event.picture, event.captioner, place, word)
                async for news in heat.spots(self._app, owner, request, place):
                    if isinstance(news, str):
                        yield {self.said: gr.HTML(notice(news, "plain"), visible=True)}
                    else:
                        drawn = self._drawn(result, event.picture, news)
                        yield {self.reading: drawn, self.said: gr.HTML(visible=False)}
            except Exception as error:
                yield {self.said: gr.HTML(notice(sentence(error)), visible=True)}

    @guarded
    def _on_sheet(
        self, result: CaptionResult | None, edits: sheets.Edits, page: int, picked_only: bool, event: gr.EventData
    ) -> Updates:
        """Another page of the table, or one of its pictures, was asked for."""
        if result is None:
            return {self.page: gr.skip()}
        if (number := getattr(event, "show", None)) is not None:
            return self._look(result, edits, number)
        page = min(max(int(getattr(event, "page", page)), 0), sheets.pages(result) - 1)
        return {self.page: page, self.sheet: sheets.sheet(result, edits, page, picked_only, self._settings)}

    @guarded
    def _on_edit(self, result: CaptionResult | None, edits: sheets.Edits, picture: int, event: gr.EventData) -> Updates:
        """A caption was corrected. The table is not drawn anew: somebody types in it."""
        if result is None:
            return {self.edits: gr.skip()}
        edits = sheets.with_edits(edits, [(event.key, event.text)], result)
        return {self.edits: edits, self.parcel: parcel(result, edits, picture)}

    @guarded
    def _on_picked(self, result: CaptionResult | None, edits: sheets.Edits, page: int, picked_only: bool) -> Any:
        """All captions, or only those that the consensus picks."""
        return gr.skip() if result is None else sheets.sheet(result, edits, page, picked_only, self._settings)


def parcel(result: CaptionResult, edits: Mapping[sheets.Key, str], picture: int) -> Parcel:
    """What other rooms get: the pictures with captions, the shown one first, and the words picked for that one."""
    paths = dict.fromkeys(str(row.path) for row in result.rows if row.captions and row.picture == picture)
    paths |= dict.fromkeys(str(row.path) for row in result.rows if row.captions)
    chosen = [
        edits.get((row.picture, row.captioner, place), each.text)
        for row in result.rows
        if row.picture == picture
        for place, each in enumerate(row.captions)
        if each.chosen
    ]
    return Parcel(tuple(paths), chosen[0] if chosen else "")

"""What hangs on the wall of the view "Image index": the pictures found, one of them large, and their prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.image_index.request import Hit, SearchImagesResult
from tabs import image_index_cards as cards
from tabs.captioning_pictures import QUIET
from tabs.image_index_question import VIEW, Question
from tabs.image_to_prompt_pictures import SCRIPT
from tabs.rooms import App, Parcel, Sender
from tabs.widgets import guarded, served

Updates = dict[Any, Any]
LIVE = {
    "js_on_load": SCRIPT + Path(__file__).with_name("image_index.js").read_text(encoding="utf-8"),
    "apply_default_css": False,
}
SENT, SENT_BYTES = 24, 100e6  # of all hits, for each is copied to where the page may serve it
# The words that were taken away must reach the page before the button is pressed.
PRESS = "() => setTimeout(() => document.querySelector('button.atelier-index-search')?.click(), 150)"


class Found:
    """Built inside the view's layout; stands where other rooms have their `Results`, and has the same methods."""

    def __init__(self, app: App) -> None:
        self._settings = app.services.settings
        self.parcel, self.result = gr.State(None), gr.State(None)
        with gr.Column(visible=False, elem_classes="atelier-results") as self.column:
            self.detail = gr.HTML(**LIVE, elem_classes="atelier-index-large")
            row = gr.Row(elem_classes="atelier-actions")
            self.wall = gr.HTML(**LIVE)
            self.prompts = gr.HTML(**LIVE)
        app.senders.append(Sender("image_to_prompt", ("pictures", "prompt"), self.parcel, row, VIEW))
        self.outputs = [self.column, self.detail, self.wall, self.prompts, self.parcel, self.result]

    def show(self, *_: Any) -> Updates:
        """See `Results.show`; this wall is filled by `fill`."""
        return {}

    def fill(self, result: SearchImagesResult) -> Updates:
        """The updates that show what was found."""
        return {
            self.column: gr.Column(visible=bool(result.hits)),
            **self._look(result, None),
            self.wall: cards.wall(result, self._settings),
            self.prompts: cards.prompts(result.prompts),
            self.result: result,
        }

    def hide(self) -> Updates:
        """See `Results.hide`."""
        return {self.column: gr.Column(visible=False)}

    def again(self, parcel: Parcel | None) -> Updates:
        """See `Results.again`."""
        return {self.column: gr.Column(visible=parcel is not None)}

    def connect(self, question: Question) -> None:
        """What can be pressed."""
        looks = [self.detail, self.parcel]
        for part in (self.detail, self.wall, self.prompts):
            part.select(self._on_press, self.result, looks, **QUIET)

        @guarded
        def on_like(result: SearchImagesResult | None, event: gr.EventData) -> Updates:
            """A hit becomes the picture asked about, without words."""
            place = getattr(event, "place", None)
            hit = _at(result.hits if result else (), place)
            if hit is None or not hit.here:
                return {question.words: gr.skip()}
            return {**question.with_picture(served(hit.path)), question.words: ""}

        liked = self.detail.like(on_like, self.result, [*question.outputs, question.words], **QUIET)
        liked.success(None, None, None, js=PRESS)

    def _look(self, result: SearchImagesResult, place: int | None) -> Updates:
        # The page itself marks the hit on the wall, which is too large to be sent again.
        large = cards.detail(result, place, self._settings) if place is not None else ""
        return {self.detail: large, self.parcel: parcel(result, place)}

    def _on_press(self, result: SearchImagesResult | None, event: gr.EventData) -> Updates:
        if result is None:
            return {self.detail: gr.skip()}
        place, prompt = getattr(event, "hit", None), getattr(event, "prompt", None)
        if (asked := _at(result.prompts, prompt)) is not None:
            same = (k for k, hit in enumerate(result.hits) if " ".join(hit.prompt.split()) == asked.prompt)
            place = next(same, None)
        return self._look(result, place if _at(result.hits, place) is not None else None)


def parcel(result: SearchImagesResult, place: int | None) -> Parcel:
    """What is sent to other rooms: the hit at this place, or the best ones, with the best prompt among them."""
    if place is not None:
        hit = result.hits[place]
        return Parcel((served(hit.path),) if Path(hit.path).is_file() else (), hit.prompt)
    prompt = result.prompts[0].prompt if result.prompts else ""
    return Parcel(tuple(served(hit.path) for hit in _some(result.hits)), prompt)


def _some(hits: Sequence[Hit]) -> list[Hit]:
    taken, size = [], 0.0
    for hit in hits[:SENT]:
        if Path(hit.path).is_file():
            size += Path(hit.path).stat().st_size
            if taken and size > SENT_BYTES:
                break
            taken.append(hit)
    return taken


def _at(many: Sequence[Any], place: Any) -> Any:
    """What stands at a place that the page tells; None for a place that is none."""
    return many[place] if isinstance(place, int) and 0 <= place < len(many) else None

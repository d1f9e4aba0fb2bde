"""The lines under the captioners: what they are, and for those that are not here the button that fetches them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from tabs.fetching import fetched, note
from tabs.rooms import App
from tabs.widgets import choices, sentence, size

if TYPE_CHECKING:
    from models.spec import ModelSpec

NOBODY = "No captioner is on this machine yet."
FETCH_ONE = "Choose one above to fetch it."
NONE_KNOWN = "This app knows no captioner: its weights folder lacks them, and no other is listed."


def build_notes(app: App, captioners: gr.Dropdown) -> None:
    """Lay out the lines for the captioners chosen in `captioners`."""
    said = gr.HTML(notes(app, captioners.value), elem_classes="atelier-note")
    button = gr.Button(**offer(app, captioners.value), size="sm", elem_classes="atelier-fetch")

    def on_choose(names: list[str] | None) -> dict[Any, Any]:
        """Reads the captioners; fills the lines and shows the button when the files of one are not here."""
        return {said: notes(app, names), button: gr.Button(**offer(app, names), interactive=True)}

    async def on_fetch(names: list[str] | None) -> AsyncIterator[dict[Any, Any]]:
        """Downloads the first that is missing and tells how far it is; a closed page does not end the download."""
        spec = next(iter(missing(app, names)))
        yield {button: gr.Button(interactive=False)}
        try:
            async for text in fetched(app, spec):
                yield {said: note(spec, False, text)}
        except Exception as error:
            yield {said: note(spec, False, sentence(error)), button: gr.Button("Try again", interactive=True)}
            return
        yield {captioners: gr.Dropdown(choices(app.services.catalog, "captioner")), **on_choose(names)}

    quiet = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    captioners.change(on_choose, captioners, [said, button], **quiet)
    button.click(on_fetch, captioners, [captioners, said, button], **quiet)


def chosen(app: App, names: Sequence[str] | None) -> list[ModelSpec]:
    """The captioners of these names, in their order."""
    known = {spec.name: spec for spec in app.services.catalog.all("captioner")}
    return [known[name] for name in names or () if name in known]


def named(specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    """Where there are several, the note of each begins with whose it is."""
    return [replace(spec, note=f"{spec.title}: {spec.note}") for spec in specs] if len(specs) > 1 else list(specs)


def missing(app: App, names: Sequence[str] | None) -> list[ModelSpec]:
    """Those whose files are not here and that can be fetched."""
    catalog = app.services.catalog
    return [spec for spec in chosen(app, names) if "/" in spec.source and not catalog.is_available(spec)]


def notes(app: App, names: Sequence[str] | None) -> str:
    """A line about each captioner that is chosen, and a word when there is none to choose."""
    catalog = app.services.catalog
    specs = catalog.all("captioner")
    lines = [note(spec, catalog.is_available(spec)) for spec in named(chosen(app, names))]
    if not specs:
        lines = [f'<p class="model-note"><b>{NONE_KNOWN}</b></p>']
    elif not any(catalog.is_available(spec) for spec in specs):
        way = "" if app.services.settings.public else f" {FETCH_ONE}"
        lines.insert(0, f'<p class="model-note"><b>{NOBODY}{way}</b></p>')
    return "".join(lines)


def offer(app: App, names: Sequence[str] | None) -> dict[str, Any]:
    """Words and visibility of the button."""
    lacking = missing(app, names)
    words = f"Fetch {lacking[0].title}, {size(lacking[0].download_mb)}" if lacking else "Fetch"
    return {"value": words, "visible": bool(lacking) and not app.services.settings.public}

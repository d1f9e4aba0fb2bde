"""The line under the model: what it is, and when its files are not here the button that fetches them.

Nothing is ever downloaded by surprise. On a public page there is no button: strangers shall not fill the host's disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from tabs.rooms import App
from tabs.widgets import choices, sentence, size

if TYPE_CHECKING:
    from models.spec import ModelSpec

FRAME_SECONDS = 0.5


def build_note(app: App, model: gr.Dropdown) -> None:
    """Lay out the line for the model chosen in `model`."""
    catalog = app.services.catalog
    chosen = catalog.get(model.value)
    said = gr.HTML(note(chosen, catalog.is_available(chosen)), elem_classes="atelier-note")
    button = gr.Button(**offer(app, chosen), size="sm", elem_classes="atelier-fetch")

    def on_choose(name: str) -> dict[Any, Any]:
        """Reads the model; fills the line and shows the button when its files are not here."""
        spec = catalog.get(name)
        return {said: note(spec, catalog.is_available(spec)), button: gr.Button(**offer(app, spec), interactive=True)}

    async def on_fetch(name: str) -> AsyncIterator[dict[Any, Any]]:
        """Downloads the chosen model and tells how far it is; a page that is closed does not end the download."""
        spec = catalog.get(name)
        yield {button: gr.Button(interactive=False)}
        try:
            async for text in fetched(app, spec):
                yield {said: note(spec, False, text)}
        except Exception as error:
            yield {said: note(spec, False, sentence(error)), button: gr.Button("Try again", interactive=True)}
            return
        yield {model: gr.Dropdown(choices(catalog, spec.role)), **on_choose(name)}

    quiet = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    model.change(on_choose, model, [said, button], **quiet)
    button.click(on_fetch, model, [model, said, button], **quiet)


def offer(app: App, spec: ModelSpec) -> dict[str, Any]:
    """Words and visibility of the button."""
    is_elsewhere = "/" in spec.source and not app.services.catalog.is_available(spec)
    return {"value": f"Fetch {size(spec.download_mb)}", "visible": is_elsewhere and not app.services.settings.public}


def note(spec: ModelSpec, is_here: bool, news: str = "") -> str:
    """One line about a model; `news` is what there is to say about fetching it, plain text."""
    words = [escape(spec.note)] if spec.note else []
    words.append(f"Licence: {escape(spec.licence)}.")
    if news:
        words.append(f"<b>{escape(news)}</b>")
    elif not is_here:
        words.append(f"<b>Not on this machine yet, {size(spec.download_mb)}.</b>")
    return f'<p class="model-note">{" ".join(words)}</p>'


async def fetched(app: App, spec: ModelSpec) -> AsyncIterator[str]:
    """Fetch `spec` on a thread of its own; yields how far it is until it is here. Raises what `models.fetch` raises."""
    from models.fetch import fetch

    if spec.name in app.fetching:
        raise BadRequest(f"{spec.title} is being fetched already; look again in a while.")
    progress = {"text": "Fetching"}

    def report(fraction: float, text: str = "") -> None:
        progress["text"] = f"Fetching, {100 * fraction:.0f} %"

    app.fetching.add(spec.name)
    work = asyncio.ensure_future(asyncio.to_thread(fetch, spec, app.services.settings, report))
    work.add_done_callback(lambda _: app.fetching.discard(spec.name))
    while not work.done():
        yield progress["text"]
        await asyncio.wait({work}, timeout=FRAME_SECONDS)
    work.result()

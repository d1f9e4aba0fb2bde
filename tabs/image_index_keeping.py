"""What the page tells about the indexes there are: chosen, built, rebuilt and deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr

from tabs import image_index_cards as cards
from tabs.captioning_pictures import QUIET
from tabs.image_index_building import Panel
from tabs.image_index_question import Question
from tabs.image_index_shelf import About, Shelf
from tabs.rooms import App
from tabs.stage import notice
from tabs.widgets import guarded, known_browser, sentence

Updates = dict[Any, Any]
# The mark that this is a rebuild must have arrived before the button is pressed.
BUILD = "() => setTimeout(() => document.querySelector('button.atelier-index-run')?.click(), 150)"


class Keeper:
    """Connects the list of indexes with the panel that builds them; `shown` is what its updates are for."""

    def __init__(self, app: App, question: Question, panel: Panel, about: gr.HTML) -> None:
        self._app, self._question, self._panel, self._about = app, question, panel, about
        self.shown = [question.index, about, panel.drawer, *panel.speaking]

    def told(self, shelf: Shelf, index: str | None, fill: bool = False) -> Updates:
        """The indexes there are and what is known about `index`; with `fill` the panel speaks of it, too."""
        names, chosen = shelf.names(), shelf.chosen(index)
        known: About | None = None
        said = ""
        if chosen is not None:
            try:
                known = shelf.about(chosen, self._app.services.catalog)
            except Exception as error:  # a damaged index must not hide the others
                said = notice(sentence(error))
        return {
            self._question.index: gr.Dropdown(names, value=chosen),
            self._about: said or cards.about_index(known, len(names)),
            **(self._panel.filled(known) if fill or chosen != index else {}),
            **(
                {}
                if names and (known is None or known.built.finished)
                else {self._panel.drawer: gr.Accordion(open=True)}
            ),
        }

    def connect(self) -> None:
        """Everything but the build itself."""
        app, panel, index = self._app, self._panel, self._question.index
        asked, quiet = [app.browser, index], {**QUIET, "concurrency_limit": None}
        gr.on([app.tab.select, app.views.select], self._on_look, asked, self.shown, **quiet)
        index.input(self._on_choose, asked, self.shown, **quiet)
        panel.source.input(panel.choose_source, panel.source, [panel.help, panel.folder, panel.uploading], **QUIET)
        fits = [app.browser, panel.name, panel.ranker]
        panel.ranker.input(self._on_model, fits, panel.rebuild, **quiet)
        settled = [panel.stage, *asked, panel.name, panel.ranker]
        panel.stage.change(self._on_settled, settled, self.shown, **quiet)
        panel.rebuild.click(lambda name: name, panel.name, panel.anew, **QUIET).success(None, js=BUILD)
        self._connect_deleting(asked, quiet)

    def _connect_deleting(self, asked: list[Any], quiet: dict[str, Any]) -> None:
        panel = self._panel
        buttons = [panel.delete, panel.sure, panel.keep]

        def on_doubt(is_asking: bool) -> list[gr.Button]:
            return [gr.Button(visible=not is_asking), gr.Button(visible=is_asking), gr.Button(visible=is_asking)]

        panel.delete.click(lambda: on_doubt(True), None, buttons, **QUIET)
        panel.keep.click(lambda: on_doubt(False), None, buttons, **QUIET)
        panel.sure.click(self._on_delete, asked, [*self.shown, panel.stage], **quiet)

    def _shelf(self, memory: Any) -> Shelf:
        return Shelf.of(self._app.services.settings, known_browser(memory)["owner"])

    async def _on_look(self, memory: Any, index: str | None) -> Updates:
        """Someone comes back to the view: what there is by now; what was typed stays."""
        return await asyncio.to_thread(self.told, self._shelf(memory), index)

    async def _on_choose(self, memory: Any, index: str | None) -> Updates:
        """The page was opened, or another index was chosen."""
        return await asyncio.to_thread(self.told, self._shelf(memory), index, True)

    def _fits(self, shelf: Shelf, name: str | None, ranker: str | None) -> gr.Button:
        """The way out is offered where the index of the panel is of another model than the one chosen there."""
        try:
            card = shelf.card((name or "").strip())
            trouble = card and shelf.trouble(name or "", card, self._app.services.catalog, ranker or "")
        except Exception:  # it is told when the build is asked for
            trouble = ""
        return gr.Button(visible=bool(trouble))

    async def _on_model(self, memory: Any, name: str | None, ranker: str | None) -> gr.Button:
        return await asyncio.to_thread(self._fits, self._shelf(memory), name, ranker)

    async def _on_settled(self, stage: str | None, memory: Any, index: str | None, name: str, ranker: str) -> Updates:
        """A build came to its end, whichever: what there is by now, and whether a rebuild would help."""
        if 'class="progress' in (stage or ""):
            return {self._about: gr.skip()}
        shelf = self._shelf(memory)
        told = await asyncio.to_thread(self.told, shelf, index)
        return {
            **told,
            self._panel.anew: "",
            self._panel.rebuild: await asyncio.to_thread(self._fits, shelf, name, ranker),
        }

    @guarded
    async def _on_delete(self, memory: Any, index: str | None) -> Updates:
        """The chosen index goes."""
        if index:
            await asyncio.to_thread(self._shelf(memory).delete, index)
        told = await asyncio.to_thread(self.told, self._shelf(memory), None, True)
        said = notice(f"{index} is deleted; the pictures in your folders are untouched.", "plain")
        return {**told, self._panel.stage: gr.HTML(said, visible=True)}

"""The files a part of the view works on: dropped, listed as chips, taken away again; and a first look inside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from safeguards.wording import file_name
from tabs.captioning_pictures import QUIET, asks
from tabs.stage import notice
from tabs.widgets import guarded

SCRIPT = Path(__file__).with_name("prompt_data.js").read_text(encoding="utf-8")
LIVE = {"js_on_load": SCRIPT, "apply_default_css": False}
FOLDER = "prompts"  # inside the folder of examples


def example_files(folder: Path, *names: str) -> tuple[str, ...]:
    """Those of the example files that are there."""
    return tuple(str(path) for name in names if (path := folder / FOLDER / name).is_file())


class Files:
    """Built inside the desk; `paths` is a gr.State with the list of files, the example's at first.

    `look` is the CSS class that says what belongs here, `words` the same for those who only hear the page.
    """

    def __init__(self, words: str, look: str, examples: Sequence[str], most: int) -> None:
        self._words, self._examples, self._most = words, list(examples), most
        self.paths = gr.State(list(examples))
        self.zone = gr.File(
            label=words,
            show_label=False,
            file_count="single" if most == 1 else "multiple",
            type="filepath",
            height=84,
            elem_classes=f"atelier-drop atelier-data-drop {look}",
        )
        self.strip = gr.HTML(self.shown(list(examples)), **LIVE, elem_classes="atelier-data-strip")
        self.said = gr.HTML(visible=False)
        outputs = [self.paths, self.strip, self.said]
        self.zone.upload(guarded(self._on_files), [self.zone, self.paths], [self.zone, *outputs], **QUIET)
        self.strip.select(guarded(self._on_press), self.paths, outputs, **QUIET)

    def shown(self, paths: Sequence[str]) -> str:
        """The files as chips, each with a way to take it away; without any, a way to the example."""
        if not paths:
            if not self._examples:
                return ""
            button = f'<button type="button" class="plain-button" {asks(example=True)}>Take the example</button>'
            return f'<p class="model-note">No file at hand? {button}</p>'
        return f'<div class="atelier-data-chips">{"".join(map(self._chip, range(len(paths)), paths))}</div>'

    def joined(self, new: Sequence[str], paths: Sequence[str]) -> dict[Any, Any]:
        """The updates that add files. The example makes room for what is somebody's own."""
        own = [path for path in paths if path not in self._examples]
        both = list(dict.fromkeys([*own, *new]))
        if self._most == 1:
            both = both[-1:]
        if len(both) > self._most:
            told = f"These are {len(both):,} files, and at most {self._most} are taken here; none was added."
            return {self.said: gr.HTML(notice(told), visible=True)}
        return self._now(both)

    def _on_files(self, new: str | list[str] | None, paths: list[str]) -> dict[Any, Any]:
        """Files came: they join those that are there."""
        return {self.zone: None, **self.joined([new] if isinstance(new, str) else new or [], paths)}

    def _on_press(self, paths: list[str], event: gr.EventData) -> dict[Any, Any]:
        """One is taken away, or the example asked for."""
        if getattr(event, "example", False):
            return self._now(self._examples)
        number = getattr(event, "remove", None)
        return self._now([path for place, path in enumerate(paths) if place != number])

    def _chip(self, place: int, path: str) -> str:
        name = escape(file_name(path))
        mark = "<em>example</em>" if path in self._examples else ""
        remove = f'<button type="button" aria-label="Remove {name}" title="Remove" {asks(remove=place)}>×</button>'
        return f"<span>{name}{mark}{remove}</span>"

    def _now(self, paths: Sequence[str]) -> dict[Any, Any]:
        return {self.paths: list(paths), self.strip: self.shown(paths), self.said: gr.HTML(visible=False)}

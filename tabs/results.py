"""The wall with the ranked pictures: gallery, scores, downloads and the way to other rooms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from tabs.ranking import Row, captions, report
from tabs.rooms import App, Parcel, Sender
from tabs.widgets import served


class Results:
    """Built inside a room's layout; `show` gives the updates that fill it.

    A room with more than pictures to show inherits from it: `build_beside` lays that out before the pictures,
    `build_actions` more buttons beside the downloads.
    """

    def __init__(self, app: App, room: str, label: str) -> None:
        self.parcel = gr.State(None)
        self._paths = gr.State([])
        with gr.Column(visible=False, elem_classes="atelier-results") as self.column:
            with gr.Row(elem_classes="atelier-hung"):
                self.build_beside()
                self.gallery = gr.Gallery(
                    label=label,
                    show_label=False,
                    format="png",
                    columns=4,
                    height="auto",
                    object_fit="contain",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_classes="atelier-wall",
                )
            with gr.Row(elem_classes="atelier-actions") as row:
                self.one = gr.DownloadButton("Download the best", size="sm")
                self.all = gr.DownloadButton("Download all", size="sm")
                self.build_actions()
            self.scores = gr.HTML(elem_classes="atelier-scores")
        app.senders.append(Sender(room, ("pictures", "prompt"), self.parcel, row))
        self.gallery.select(
            on_select, self._paths, self.one, show_progress="hidden", api_visibility="private", queue=False
        )
        self.outputs = [self.column, self.gallery, self.one, self.all, self.scores, self.parcel, self._paths]

    def build_beside(self) -> None:
        """What hangs before the pictures."""

    def build_actions(self) -> None:
        """More buttons below the wall."""

    def score_report(self, rows: Sequence[Row], threshold: float | None, given_up: Sequence[Row]) -> str:
        """What the wall tells about its rows in figures, as HTML."""
        return report(rows, threshold, given_up)

    def captions(self, rows: Sequence[Row]) -> list[tuple[str, str]]:
        """(path, caption) of each picture."""
        return captions(rows)

    def columns(self, count: int) -> int:
        """How many pictures hang side by side so that `count` of them fill their rows well."""
        return {1: 2, 2: 2, 3: 3, 5: 3, 6: 3, 9: 3}.get(count, 4)

    def show(
        self,
        rows: Sequence[Row],
        prompt: str,
        threshold: float | None,
        archive: Path | None,
        given_up: Sequence[Row] = (),
    ) -> dict[Any, Any]:
        """Fill the wall with `rows`, best first; `archive` is the zip with all of them, `given_up` have no picture."""
        hung = [Row(**{**vars(row), "path": served(row.path)}) for row in rows]
        paths = [row.path for row in hung]
        return {
            self.column: gr.Column(visible=bool(hung)),
            self.gallery: gr.Gallery(self.captions(hung), columns=self.columns(len(hung)), selected_index=None),
            self.one: gr.DownloadButton("Download the best", value=paths[0] if paths else None, visible=bool(paths)),
            self.all: gr.DownloadButton(
                f"Download all {len(paths)} (zip)", value=served(archive) if archive else None, visible=bool(archive)
            ),
            self.scores: self.score_report(hung, threshold, given_up),
            self.parcel: Parcel(tuple(paths), prompt),
            self._paths: paths,
        }

    def hide(self) -> dict[Any, Any]:
        """Make room for what is coming; what hangs there stays known, so that `again` can bring it back."""
        return {self.column: gr.Column(visible=False)}

    def again(self, parcel: Parcel | None) -> dict[Any, Any]:
        """Show what hung there before, if anything did."""
        return {self.column: gr.Column(visible=parcel is not None and bool(parcel.paths))}


def on_select(paths: list[str], event: gr.SelectData) -> gr.DownloadButton:
    """Gallery selection -> the button downloads that picture."""
    index = event.index if isinstance(event.index, int) else 0
    if not 0 <= index < len(paths):
        return gr.skip()
    return gr.DownloadButton(f"Download picture {index + 1}", value=paths[index])

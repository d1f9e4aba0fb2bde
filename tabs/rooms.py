"""What every room is handed, and how rooms send things to each other.

A room that can take pictures or a prompt registers a `Receiver`, a room that has some registers a `Sender`; when all
are built, `connect` puts one button for every pair. So a new room touches no other room's file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from tabs.widgets import guarded

if TYPE_CHECKING:
    from gradio.components import Component

    from jobs.queue import JobQueue
    from pipelines.services import Services

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@dataclass(frozen=True)
class Parcel:
    """What is sent: picture files, and the words that belong to them, or in `negative` those that do not."""

    paths: tuple[str, ...] = ()
    prompt: str = ""
    negative: str = ""


@dataclass(frozen=True)
class Receiver:
    """A room that takes `kind` ("pictures" or "prompt"): `take(parcel)` gives the values for `outputs`.

    `view` tells one view of a room from its others, which may send things to each other.
    """

    room: str
    kind: str
    verb: str
    take: Callable[[Parcel], Any]
    outputs: list[Component]
    view: str = ""


@dataclass(frozen=True)
class Sender:
    """A room that has `kind`: `parcel` is a gr.State holding a `Parcel` or None, `row` is where the buttons go."""

    room: str
    kinds: tuple[str, ...]
    parcel: gr.State
    row: gr.Row
    view: str = ""


@dataclass
class App:
    """Handed to every room's `build`: what the rooms work with, and what they share on the page.

    `browser` remembers, in the visitor's own browser, who owns which job; `tab` is that of the room being built.
    """

    services: Services
    jobs: JobQueue
    examples: Path = EXAMPLES
    page: gr.Blocks | None = None
    browser: gr.BrowserState | None = None
    tabs: gr.Tabs | None = None
    tab: gr.Tab | None = None
    views: gr.Tabs | None = None  # the tabs inside the room being built, in a room that has some
    senders: list[Sender] = field(default_factory=list)
    receivers: list[Receiver] = field(default_factory=list)
    wakes: list[tuple[str, gr.Textbox]] = field(default_factory=list)  # by room or view; see tabs.visits
    fetching: set[str] = field(default_factory=set)  # names of models that are on their way to this machine
    learnt: dict[str, Any] = field(default_factory=dict)  # by kind of run, what those before have taught


def connect(app: App) -> None:
    """Make the "send to" buttons. Call it inside the Blocks, after all rooms are built."""
    for sender in app.senders:
        for receiver in app.receivers:
            if receiver.kind in sender.kinds and (receiver.room, receiver.view) != (sender.room, sender.view):
                _connect(app, sender, receiver)


def _connect(app: App, sender: Sender, receiver: Receiver) -> None:
    with sender.row:
        button = gr.Button(receiver.verb, size="sm", elem_classes="atelier-send")

    @guarded
    def on_send(parcel: Parcel | None) -> dict:
        taken = receiver.take(parcel or Parcel())
        return {app.tabs: gr.Tabs(selected=receiver.room), **dict(zip(receiver.outputs, taken, strict=True))}

    button.click(
        on_send, sender.parcel, [app.tabs, *receiver.outputs], show_progress="hidden", api_visibility="private"
    )

"""A page is opened: the rooms that this browser has used before come back as they were left.

One event looks, and wakes only those rooms. An event of each room's own would be simpler, but the page pays for every
output that any event has had so far again with each later event (gradio 6.31 looks each of them up in the whole tree),
and two dozen events at once made a page of this size appear after 10 s instead of 4.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import AtelierError
from models.ahead import import_ahead
from tabs.widgets import known_browser

if TYPE_CHECKING:
    from jobs.queue import JobQueue
    from tabs.rooms import App

# A page closes its connection when its last event ends; one that begins at that very moment would be lost (gradio 6.31
# drops the whole session's messages then). So the first event outlasts the beginning of those that it wakes.
HELD_SECONDS = 2.0


def on_coming_back(app: App, room: str, handler: Callable, outputs: Sequence[Any]) -> None:
    """`handler(memory)` updates `outputs` when a page is opened in a browser that remembers `room`."""
    # One for each handler, for those of one event wait for each other. Not gr.State: its first change is taken to come
    # with any event that could set it.
    wake = gr.Textbox("", visible=False)
    quiet = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    wake.change(handler, app.browser, outputs, **quiet)
    app.wakes.append((room, wake))


def connect(app: App) -> None:
    """Look at the browser's memory when a page is opened. Call it inside the Blocks, after all rooms are built."""

    async def on_open(memory: Any) -> AsyncIterator[dict[Any, Any]]:
        """A page was opened: give a new browser its name, and wake the rooms that an old one has used."""
        import_ahead()
        memory = known_browser(memory)
        rooms = {room for room, _ in app.wakes}
        known = {room for room in rooms if memory["settings"].get(room) or is_mine(app.jobs, memory, room)}
        yield {app.browser: memory, **{wake: "back" for room, wake in app.wakes if room in known}}
        if known:
            await asyncio.sleep(HELD_SECONDS)

    outputs = [app.browser, *(wake for _, wake in app.wakes)]
    quiet = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    app.page.load(on_open, app.browser, outputs, **quiet)


def is_mine(jobs: JobQueue, memory: dict[str, Any], room: str) -> bool:
    """Whether the queue still knows the job that this browser started last in `room`."""
    try:
        return jobs.get(memory["jobs"].get(room) or "").owner == memory["owner"]
    except AtelierError:
        return False

"""A page is opened: the rooms that this browser has used before come back as they were left.

One event looks, and wakes only those rooms. An event of each room's own would be simpler, but the page pays for every
output that any event has had so far again with each later event (gradio 6.31 looks each of them up in the whole tree),
and two dozen events at once made a page of this size appear after 10 s instead of 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import AtelierError
from tabs.widgets import known_browser

if TYPE_CHECKING:
    from jobs.queue import JobQueue
    from tabs.rooms import App


def on_coming_back(app: App, room: str, handler: Callable, outputs: Sequence[Any]) -> None:
    """`handler(memory)` updates `outputs` when a page is opened in a browser that remembers `room`."""
    if room not in app.wakes:
        # Not gr.State: the page takes any event that could set one for its first change.
        app.wakes[room] = gr.Textbox("", visible=False)
    quiet = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    app.wakes[room].change(handler, app.browser, outputs, **quiet)


def connect(app: App) -> None:
    """Look at the browser's memory when a page is opened. Call it inside the Blocks, after all rooms are built."""

    async def on_open(memory: Any) -> dict[Any, Any]:
        """A page was opened: give a new browser its name, and wake the rooms that an old one has used."""
        memory = known_browser(memory)
        known = [room for room in app.wakes if memory["settings"].get(room) or is_mine(app.jobs, memory, room)]
        return {app.browser: memory, **{app.wakes[room]: "back" for room in known}}

    outputs = [app.browser, *app.wakes.values()]
    app.page.load(on_open, app.browser, outputs, show_progress="hidden", api_visibility="private")


def is_mine(jobs: JobQueue, memory: dict[str, Any], room: str) -> bool:
    """Whether the queue still knows the job that this browser started last in `room`."""
    try:
        return jobs.get(memory["jobs"].get(room) or "").owner == memory["owner"]
    except AtelierError:
        return False

"""The status line: which models are in memory or on their way, how much they take, and who waits."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import gradio as gr

from tabs.rooms import App
from tabs.widgets import size

if TYPE_CHECKING:
    from jobs.queue import JobQueue
    from models.pool import ModelPool

SECONDS = 3.0


def build_status(app: App) -> None:
    """Lay out the line; it renews itself."""

    async def on_tick() -> str:
        return line(app.services.pool, app.jobs)

    timer = gr.Timer(SECONDS)
    said = gr.HTML(line(app.services.pool, app.jobs), elem_classes="atelier-status")
    gr.on(
        [timer.tick, app.page.load],
        on_tick,
        None,
        said,
        show_progress="hidden",
        api_visibility="private",
        concurrency_limit=None,
    )


def line(pool: ModelPool, jobs: JobQueue) -> str:
    """HTML of the status line."""
    models, queue = pool.status(), jobs.status()
    running, waiting = len(queue.running), queue.waiting
    loading = [f"loading {escape(m.title)} {100 * m.progress:.0f} %" for m in models if m.state == "loading"]
    ready = [m for m in models if m.state != "loading"]
    words = loading
    if ready:
        names = ", ".join(escape(model.title) for model in ready)
        words.append(f"{names} in memory, {size(sum(model.memory_mb for model in ready))}")
    elif not loading:
        words.append("models load on first use")
    if waiting:
        words.append(f"{waiting} waiting")
    state = "busy" if running else "free"
    words.insert(0, "working" if running else "ready")
    return f'<div class="status {state}" role="status"><i></i>{" · ".join(words)}</div>'


def health(pool: ModelPool, jobs: JobQueue) -> dict:
    """The same for machines: {"ok", "running", "waiting", "models": [{"name", "state", "memory_mb"}]}."""
    queue = jobs.status()
    models = [{"name": m.name, "state": m.state, "memory_mb": round(m.memory_mb, 1)} for m in pool.status()]
    return {"ok": True, "running": len(queue.running), "waiting": queue.waiting, "models": models}

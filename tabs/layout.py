"""The page: its table of contents, and what all rooms share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from tabs import captioning, image_to_prompt, rank_images, text_to_image, visits, vqgan_clip
from tabs.api import build_api
from tabs.rooms import EXAMPLES, App, connect
from tabs.status import build_status

if TYPE_CHECKING:
    from jobs.queue import JobQueue
    from pipelines.services import Services

ROOMS = (text_to_image, vqgan_clip, captioning, image_to_prompt, rank_images)

# Served files are copies; the originals stay in the output folder under its quota.
CACHE_SWEEP_SECONDS, CACHE_KEEP_SECONDS = 600, 6 * 3600


def build_page(services: Services, jobs: JobQueue, examples: Path = EXAMPLES) -> gr.Blocks:
    """All rooms, ready to launch."""
    app = App(services, jobs, examples)
    with gr.Blocks(
        title="CLIP Atelier",
        analytics_enabled=False,
        delete_cache=(CACHE_SWEEP_SECONDS, CACHE_KEEP_SECONDS),
        elem_classes="atelier",
    ) as app.page:
        # The key and the secret are fixed so that what a browser remembers outlives a restart; it holds no secret.
        app.browser = gr.BrowserState({}, storage_key="clip-atelier", secret="clip-atelier")
        with gr.Row(elem_classes="atelier-head"):
            gr.HTML("<h1>CLIP <span>Atelier</span></h1>")
            build_status(app)
        with gr.Tabs(elem_classes="atelier-tabs") as app.tabs:
            for room in ROOMS:
                with gr.Tab(room.TITLE, id=room.ROOM) as app.tab:
                    room.build(app)
        connect(app)
        visits.connect(app)
        build_api(app)
    return app.page

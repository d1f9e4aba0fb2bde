"""The drawer "A folder into a table": all pictures of a folder on this machine, row by row into a CSV file."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.image_to_prompt import folder
from tabs import image_to_prompt_stage
from tabs.captioning_stage import with_data
from tabs.image_to_prompt_drawer import Drawer
from tabs.image_to_prompt_stage import titles_of
from tabs.widgets import served

if TYPE_CHECKING:
    from pipelines.image_to_prompt.folder import FolderResult
    from tabs.image_to_prompt_controls import Controls
    from tabs.rooms import App

HELP = (
    "With the settings beside, every picture in the folder and below gets its rows. What is finished is in the file at "
    "once, so a run that was stopped or cut off goes on where it ended."
)
PUBLIC = (
    "This app is open to strangers, so it reads no folder of its machine. Upload the pictures above, with “A whole "
    "folder” if you like, and take “Save as CSV” below them."
)
TABLE = "prompts.csv"


def build(app: App, room: str, controls: Controls) -> None:
    """Lay out the drawer and connect it."""
    with gr.Accordion("A folder into a table", open=False, elem_classes="atelier-inputs atelier-prompt-drawer"):
        if app.services.settings.public:
            gr.HTML(f'<p class="model-note">{PUBLIC}</p>')
            return
        gr.HTML(f'<p class="model-note">{HELP}</p>')
        place = gr.Textbox(label="Folder with pictures", placeholder="/home/me/pictures", max_lines=1)
        table = gr.Textbox(
            label="Table to write",
            info=f"A path that ends in .csv; empty for {TABLE} in the folder of this app's outputs",
            placeholder=TABLE,
            max_lines=1,
        )
        draw = functools.partial(image_to_prompt_stage.draw, app.services.settings)
        drawer = Drawer(app, f"{room}_folder", "Begin, or go on", draw)
        with drawer.paper.below:
            file = gr.DownloadButton("Download the table", size="sm", elem_classes="atelier-small-button")
    _connect(app, drawer, [place, table, controls.files, controls.prompts, *controls.inputs], file, controls)


def _connect(app: App, drawer: Drawer, inputs: list[Any], file: gr.DownloadButton, controls: Controls) -> None:
    async def on_begin(owner: str, place: str, table: str, files: Any, prompts: Any, *values: Any) -> str:
        """Checks everything and queues the job."""
        request = await asyncio.to_thread(asked, app, controls, owner, place, table, files, prompts, values)
        start = functools.partial(_start, request, app.services)
        return app.jobs.submit(owner, "image_to_prompt folder", start, request.request.cost).id

    def on_result(result: FolderResult) -> dict[Any, Any]:
        """Tells what became of the folder, and offers the table."""
        there = result.table.is_file()
        shown = drawer.told(story(result), "", " ".join(result.notes))
        return {**shown, file: gr.DownloadButton(value=served(result.table) if there else None, visible=there)}

    drawer.runner.connect(on_begin, on_result, inputs, [file])


def asked(
    app: App, controls: Controls, owner: str, place: str, table: str, files: Any, prompts: Any, values: Any
) -> folder.FolderRequest:
    """The checked request. Raises BadRequest for a folder or a table that will not do, and as the view does."""
    if not (place or "").strip():
        raise BadRequest("There is no folder. Write the path of the folder with the pictures.")
    output = Path(app.services.settings.output)
    path = Path(table.strip()).expanduser() if (table or "").strip() else output / TABLE
    if not path.is_absolute():
        path = output / path
    request = controls.request(["-"], files, prompts, values, owner)
    asked_for = folder.FolderRequest(Path(place.strip()).expanduser(), path, request)
    made = asked_for.resolve(app.services.catalog)
    made.table.parent.mkdir(parents=True, exist_ok=True)
    return made


def story(result: FolderResult) -> str:
    """What became of the folder. Plain text."""
    if not result.pictures:
        return "There are no pictures in this folder, so no table was written."
    head = "Stopped: " if result.stopped else ""
    before = f", {result.skipped:,} of them from before" if result.skipped else ""
    failed = f" {result.failed:,} could not be read." if result.failed else ""
    counts = f"{result.done:,} of {result.pictures:,} pictures have their rows in {result.table.name}{before}"
    return f"{head}{counts}; {result.seconds:.1f} s.{failed}"


def _start(request: folder.FolderRequest, services: Any, device: str) -> Any:
    events = folder.run(request, services, device)
    return with_data(events, {"titles": titles_of(request.request, services)})

"""The drawer "Train a head": from prompts alone, or from pictures with their prompts, to an answer without words."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.image_to_prompt import fit
from pipelines.steps import Command, Result, Step, Stop
from safeguards.wording import file_name
from tabs.captioning_pictures import QUIET
from tabs.image_to_prompt_drawer import Drawer
from tabs.image_to_prompt_owned import owned, shown_name
from tabs.image_to_prompt_settings import head_choices
from tabs.prompt_data_columns import column_box, uploaded_columns

if TYPE_CHECKING:
    from tabs.image_to_prompt_controls import Controls
    from tabs.image_to_prompt_pictures import PromptPictures
    from tabs.rooms import App

KIND_TITLES = {"regression": "Regression head, from pictures", "zero_image": "Zero-image head, from prompts alone"}
HELP = {
    "regression": "A file of prompts whose column of ids names the pictures: those above, or those of a folder. It "
    "starts from the zero-image head where there is one, so that of a few pictures little is made up.",
    "zero_image": "A file of prompts, or nothing for prompts composed of the lists. Pictures above, or of a folder, "
    "show where pictures lie beside texts. It replaces the zero-image head of this CLIP.",
}
PUBLIC = "The zero-image head is shared by all visitors of this app, so here only regression heads are trained."


def build(app: App, room: str, controls: Controls, pictures: PromptPictures) -> None:
    """Lay out the drawer and connect it."""
    public = app.services.settings.public
    kinds = [(title, name) for name, title in KIND_TITLES.items() if not (public and name == "zero_image")]
    with gr.Accordion("Train a head", open=False, elem_classes="atelier-inputs atelier-prompt-drawer"):
        kind = gr.Radio(kinds, value="regression", label="What to train", show_label=False, visible=not public)
        said = gr.HTML(_note("regression"))
        with gr.Row(elem_classes="atelier-scored-files"):
            prompts = gr.File(
                label="Prompts, with the pictures' names",
                file_types=[".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"],
                type="filepath",
                height=110,
            )
            with gr.Column():
                column = column_box("Column of prompts", "Where it is not found by its name", ())
                name = gr.Textbox(label="Name", placeholder="my-head", max_lines=1)
                folder = gr.Textbox(
                    label="Folder with pictures", placeholder="empty for those above", max_lines=1, visible=not public
                )
        uploaded_columns(column, prompts)
        drawer = Drawer(app, f"{room}_head", "Train")
    kind.input(lambda value: [_note(value), gr.Textbox(visible=value == "regression")], kind, [said, name], **QUIET)
    _connect(app, drawer, [kind, prompts, column, name, folder, pictures.paths, controls.parts["ranker"]], controls)


def _note(kind: str) -> str:
    return f'<p class="model-note">{HELP.get(kind, "")}</p>'


def _connect(app: App, drawer: Drawer, inputs: list[Any], controls: Controls) -> None:
    ranker, head = inputs[-1], controls.parts["head"]

    async def on_train(owner: str, *values: Any) -> str:
        """Checks everything and queues the job."""
        request, paths = await asyncio.to_thread(asked, app, owner, *values)
        start = functools.partial(_start, request, paths, app.services)
        return app.jobs.submit(owner, f"fit {request.kind} head", start, 20.0).id

    def on_result(result: fit.FitHeadResult) -> dict[Any, Any]:
        """Tells how good it is."""
        return drawer.told(story(app, result), hint(app, result), " ".join(result.notes))

    def offered(memory: Any, name: str, chosen: str | None) -> gr.Dropdown:
        """The new head can be chosen at once."""
        found = head_choices(app, (memory or {}).get("owner", ""), name)
        known = [value for _, value in found]
        return gr.Dropdown(found, value=chosen if chosen in known else (known[0] if known else None))

    drawer.runner.connect(on_train, on_result, inputs)
    drawer.paper.body.change(offered, [app.browser, ranker, head], head, **QUIET)


def asked(
    app: App,
    owner: str,
    kind: str,
    prompts: str | None,
    column: str | None,
    name: str,
    folder: str,
    paths: Sequence[str],
    ranker: str,
) -> tuple[fit.FitHeadRequest, tuple[str, ...]]:
    """The checked request and the uploaded pictures it is about. Raises BadRequest as `FitHeadRequest.resolve` does."""
    settings = app.services.settings
    place = "" if settings.public else (folder or "").strip()
    if settings.public and kind != "regression":
        raise BadRequest(PUBLIC)
    if kind == "regression":
        if not prompts:
            raise BadRequest("There is no file of prompts. Choose one whose column of ids names the pictures.")
        if not place and not paths:
            raise BadRequest("There are no pictures. Drop those that the file of prompts names above.")
        if not (name or "").strip():
            raise BadRequest("The head has no name. Give it one of letters, digits, - and _.")
    names = [file_name(path) for path in paths]
    if twice := next((each for each in names if not place and names.count(each) > 1), ""):
        raise BadRequest(f"Two of the pictures above are named {twice}; take one away, or rename it.")
    # A folder that is surely there stands in for the one that the run makes of uploads.
    stand_in = place or (tempfile.gettempdir() if paths else "")
    full = owned(settings, owner, name.strip()) if kind == "regression" else ""
    request = fit.FitHeadRequest(kind, prompts or "", stand_in, column or "", ranker or "", full)
    return request.resolve(app.services.catalog), () if place else tuple(paths)


def _start(
    request: fit.FitHeadRequest, paths: Sequence[str], services: Any, device: str
) -> Generator[Step | Result, Command | None, None]:
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            (Path(folder) / Path(path).name).symlink_to(Path(path).resolve())
        events = fit.run(replace(request, folder=folder) if paths else request, services, device)
        try:
            for event in events:
                if isinstance((yield event), Stop) and isinstance(event, Step):
                    raise BadRequest("It was stopped before the head was trained; nothing was saved.")
        finally:
            events.close()


def story(app: App, result: fit.FitHeadResult) -> str:
    """What was trained and how good it is. Plain text."""
    score, name = result.score, shown_name(app.services.settings, result.path.stem)
    what = "prompts" if result.head.kind == "zero_image" else "pictures"
    about = f"{score.value:.3f} (95 % interval {score.low:.3f} to {score.high:.3f})"
    trained = f"The head {name} was trained on {result.head.count:,} {what} for {result.model}"
    return f"{trained} in {result.seconds:.1f} s. Each left out once, its mean cosine to the truth is {about}."


def hint(app: App, result: fit.FitHeadResult) -> str:
    """What can be done with it, as HTML."""
    if result.head.kind == "zero_image":
        return (
            f'<p class="model-note">The method “Zero-image head” uses it with {escape(result.model)} from now on.</p>'
        )
    name = escape(shown_name(app.services.settings, result.path.stem))
    return f'<p class="model-note">Tick “Regression head” under “Methods” and choose “{name}” there.</p>'

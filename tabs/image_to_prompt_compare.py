"""The drawer "Compare": methods side by side, their cosine to the truth, and the ensemble's weights fitted to it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.image_to_prompt import weigh
from pipelines.image_to_prompt.request import MAX_CAPTIONERS, METHODS
from pipelines.image_to_prompt.rows import ImageToPromptResult
from pipelines.prompt_data import compare
from pipelines.steps import Command, Result, Step
from safeguards.wording import plural
from tabs import image_to_prompt_compared as compared
from tabs.captioning_pictures import QUIET
from tabs.image_to_prompt_drawer import Drawer
from tabs.image_to_prompt_request import weights_text
from tabs.image_to_prompt_results import titles
from tabs.image_to_prompt_truth import NOTHING, sets_of, truth_of
from tabs.prompt_data_columns import column_box, uploaded_columns

if TYPE_CHECKING:
    from tabs.image_to_prompt_controls import Controls
    from tabs.image_to_prompt_results import Outcome
    from tabs.rooms import App

KINDS = [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"]
COLUMN = "Where it is not found by its name"
HELP = (
    "All methods side by side, for every picture of the run above. Where the true prompts are known their cosine is "
    "measured in the space of all-MiniLM-L6-v2: from a file, typed here for the picture in sight, or as a generator "
    "wrote them into the pictures."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared(Result):
    """What was compared, and the pictures' files by name."""

    made: compare.CompareResult
    paths: Mapping[str, str]


def build(app: App, room: str, outcome: Outcome, controls: Controls) -> None:
    """Lay out the drawer and connect it."""
    with gr.Accordion("Compare", open=False, elem_classes="atelier-inputs atelier-prompt-drawer"):
        gr.HTML(f'<p class="model-note">{HELP}</p>')
        with gr.Row(elem_classes="atelier-scored-files"):
            truth = gr.File(label="True prompts, by picture", file_types=KINDS, type="filepath", height=110)
            others = gr.File(
                label="Prompts of other methods",
                file_types=KINDS,
                file_count="multiple",
                type="filepath",
                height=110,
            )
        with gr.Row(elem_classes="atelier-fields"):
            column = column_box("Column of the true prompts", COLUMN, ())
            column_there = column_box("Column of the other prompts", "The same in all of those files", ())
        uploaded_columns(column, truth)
        uploaded_columns(column_there, others)
        typed = gr.Textbox(label="True prompt of the picture in sight", placeholder="if you know it", max_lines=2)
        drawer = Drawer(app, f"{room}_compare", "Compare")
        gr.HTML("<h3 class='atelier-part'>Weights of the ensemble</h3>")
        fitting = Drawer(app, f"{room}_weights", "Fit them to the truth", primary=False)
        with fitting.paper.below:
            use = gr.Button("Use these weights", size="sm", elem_classes="atelier-small-button")
    fitted = gr.State({})
    given = [outcome.result, truth, column, typed, outcome.picture]
    _connect_compare(app, drawer, [*given, others, column_there])
    _connect_weights(app, fitting, given, fitted)
    methods, weights, captioners = (controls.parts[name] for name in ("methods", "weights", "captioners"))
    use.click(_used, [fitted, captioners], [methods, weights, captioners], **QUIET)


def _connect_compare(app: App, drawer: Drawer, inputs: list[Any]) -> None:
    async def on_compare(
        owner: str,
        result: ImageToPromptResult | None,
        file: str | None,
        column: str,
        typed: str,
        picture: int,
        others: Any,
        column_there: str,
    ) -> str:
        """Gathers all prompts and queues the job."""
        known = await asyncio.to_thread(known_truth, result, file, column, typed, picture)
        request, paths = await asyncio.to_thread(asked, app, result, known, others, column_there)
        start = functools.partial(_start_compare, request, paths, app.services)
        return app.jobs.submit(owner, "compare prompts", start, float(len(request.sets.ids))).id

    def on_result(result: Compared) -> dict[Any, Any]:
        """Fills the paper."""
        made = result.made
        counts = plural(len(made.methods), "method"), plural(len(made.ids), "picture")
        told = f"{' over '.join(counts)}, compared by {made.model} in {made.seconds:.1f} s."
        html = compared.report(made, result.paths, app.services.settings)
        return drawer.told(("Stopped early: " if made.stopped else "") + told, html, " ".join(made.notes))

    drawer.runner.connect(on_compare, on_result, inputs)


def known_truth(
    result: ImageToPromptResult | None, file: str | None, column: str | None, typed: str | None, picture: int
) -> dict[str, str]:
    """The true prompts by picture. Raises BadRequest as `truth_of` does, and when there is no result."""
    if result is None:
        raise BadRequest(NOTHING)
    return truth_of(result, file, typed or "", picture, column or "")


def asked(
    app: App,
    result: ImageToPromptResult | None,
    truth: dict[str, str],
    others: list[str] | None = None,
    column: str | None = "",
) -> tuple[compare.CompareRequest, dict[str, str]]:
    """The checked request, and the pictures' files by name. Raises BadRequest when there is nothing to compare."""
    if result is None:
        raise BadRequest(NOTHING)
    sets = sets_of(result, titles(app, result), truth, others, column or "")
    names = result.names()
    paths = {names[row.picture]: str(row.path) for row in result.rows if row.picture in names}
    return compare.CompareRequest(sets).resolve(app.services.catalog), paths


def _start_compare(
    request: compare.CompareRequest, paths: Mapping[str, str], services: Any, device: str
) -> Generator[Step | Result, Command | None, None]:
    events, command = compare.run(request, services, device), None
    try:
        while isinstance(event := events.send(command), Step):
            command = yield event
        yield Compared(seconds=event.seconds, model=event.model, stopped=event.stopped, made=event, paths=paths)
    finally:
        events.close()


def _connect_weights(app: App, drawer: Drawer, inputs: list[Any], fitted: gr.State) -> None:
    async def on_fit(
        owner: str, result: ImageToPromptResult | None, file: str | None, column: str, *_typed: Any
    ) -> str:
        """Gathers vectors and truth, and queues the job; the prompt typed for one picture fits no weights."""
        request = await asyncio.to_thread(weighed, app, result, file, column)
        start = functools.partial(_start_weigh, request, app.services)
        return app.jobs.submit(owner, "fit weights", start, float(len(request.truth))).id

    def on_result(result: weigh.WeighResult) -> dict[Any, Any]:
        """Fills the paper."""
        told = f"Weights fitted on {result.fitted.pictures:,} pictures in {result.seconds:.1f} s."
        names = {spec.name: spec.title for spec in app.services.catalog.all("captioner")}
        html = compared.weights(result.fitted, names)
        shown = drawer.told(told, html, " ".join(result.notes))
        return {**shown, fitted: dict(result.fitted.weights)}

    drawer.runner.connect(on_fit, on_result, inputs, [fitted])


def weighed(
    app: App, result: ImageToPromptResult | None, file: str | None, column: str | None = ""
) -> weigh.WeighRequest:
    """The checked request for the methods of a result. Raises BadRequest when it says too little."""
    if result is None:
        raise BadRequest(NOTHING)
    methods = [name for name in result.methods() if name not in ("metadata", "ensemble")]
    vectors = {name: result.vectors(name) for name in methods}
    return weigh.WeighRequest(vectors, truth_of(result, file, column=column or "")).resolve(app.services.catalog)


def _start_weigh(request: weigh.WeighRequest, services: Any, device: str) -> Any:
    return weigh.run(request, services, device)


def _used(fitted: Mapping[str, float], captioners: list[str]) -> list[Any]:
    """The settings of an ensemble with these weights."""
    names = [name.removeprefix("caption:") for name in fitted if name.startswith("caption:")]
    plain = {"caption" if name.startswith("caption:") else name for name in fitted} | {"ensemble"}
    methods = [name for name in METHODS if name in plain]
    return [methods, weights_text(fitted), list(dict.fromkeys([*names, *captioners]))[:MAX_CAPTIONERS]]

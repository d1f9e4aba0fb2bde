"""Scoring captions against what people wrote: COCO's two files in, a table with intervals out."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import AtelierError, BadRequest
from pipelines.captioning.table import write_jsonl
from pipelines.evaluation import run as evaluation
from pipelines.evaluation.coco import CocoCaptions, read_captions
from safeguards.wording import file_name
from tabs import captioning_table as sheets
from tabs.rooms import App
from tabs.stage import bar, headline, notice
from tabs.watching import watch
from tabs.widgets import known_browser, sentence

if TYPE_CHECKING:
    from pipelines.captioning.rows import CaptionResult
    from pipelines.evaluation.run import EvaluationRequest, EvaluationResult
    from tabs.captioning_results import Outcome

HELP = (
    "What people wrote is a file of captions in the layout of COCO. What is to be scored is a file of COCO results, or "
    "a CSV or JSONL table saved here; without one, the captions above are scored. With their pictures there is a "
    "CLIPScore, too."
)


def build(app: App, outcome: Outcome) -> Callable[[gr.Dropdown], None]:
    """Lay out the drawer; what is returned connects it, when the room has made the dropdown of rankers."""
    with gr.Accordion("Evaluate", open=False, elem_classes="atelier-inputs"):
        gr.HTML(f'<p class="model-note">{HELP}</p>')
        with gr.Row(elem_classes="atelier-scored-files"):
            captions = gr.File(label="What people wrote (JSON)", file_types=[".json"], type="filepath", height=120)
            made = gr.File(
                label="What is to be scored", file_types=[".json", ".csv", ".jsonl"], type="filepath", height=120
            )
            pictures = gr.File(label="Pictures, if any", file_count="multiple", type="filepath", height=120)
        score = gr.Button("Score", size="sm", elem_classes="atelier-small-button")
        told = gr.HTML(visible=False)

    async def on_score(
        captions: str | None,
        made: str | None,
        pictures: list[str] | None,
        ranker: str | None,
        result: Any,
        edits: Any,
        memory: Any,
    ) -> AsyncIterator[dict[Any, Any]]:
        """Reads the files, queues the job, and shows the table."""
        try:
            given = (captions, made, pictures or (), result, edits or {}, ranker or "")
            request = await asyncio.to_thread(make_request, *given)
            owner = known_browser(memory)["owner"]
            async for shown in _watched(app, owner, request):
                yield {told: gr.HTML(shown, visible=True)}
        except Exception as error:
            yield {told: gr.HTML(notice(sentence(error)), visible=True)}

    def connect(ranker: gr.Dropdown) -> None:
        shown = [captions, made, pictures, ranker, outcome.result, outcome.edits, app.browser]
        score.click(on_score, shown, told, show_progress="hidden", api_visibility="private", concurrency_limit=None)

    return connect


def make_request(
    captions: str | None,
    made: str | None,
    pictures: Sequence[str],
    result: CaptionResult | None,
    edits: sheets.Edits,
    ranker: str = "",
) -> EvaluationRequest:
    """The request for these files, with the captions of `result` where `made` is None; `ranker` "" is the default one.

    Raises BadRequest, also where two pictures of one name make it unclear which of them is meant.
    """
    from pipelines.evaluation.run import EvaluationRequest

    if captions is None:
        raise BadRequest("There is nothing to compare with. Choose the file of what people wrote.")
    if made is not None:
        request = EvaluationRequest.from_files(captions, made, ranker=ranker)
    elif result is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = write_jsonl(sheets.chosen_rows(result, edits, False), Path(folder) / "captions.jsonl")
            request = EvaluationRequest.from_files(captions, path, ranker=ranker)
        by_name([str(row.path) for row in result.rows], read_captions(captions))  # or captions might be another's
        pictures = pictures or [str(row.path) for row in result.rows]
    else:
        raise BadRequest("There is nothing to score. Choose a file of captions, or caption pictures first.")
    found = by_name(pictures, read_captions(captions))
    return replace(request, pictures={key: path for key, path in found.items() if key in request.candidates})


def by_name(paths: Sequence[str], known: CocoCaptions) -> dict[Any, str]:
    """The pictures that `known` is about, by id. Raises BadRequest where two have one name, or two images there."""
    found: dict[Any, str] = {}
    for path in dict.fromkeys(paths):
        key = known.key_of(Path(path).name)
        if key in found:
            raise BadRequest(
                f"Two pictures are named {file_name(path)}, and which of them is meant cannot be told; rename one."
            )
        if key is not None:
            found[key] = path
    return found


async def _watched(app: App, owner: str, request: EvaluationRequest) -> AsyncIterator[str]:
    request = await asyncio.to_thread(request.resolve, app.services.catalog)
    start = functools.partial(_start, request, app.services)
    job = app.jobs.submit(owner, "evaluate", start, float(max(1, len(request.candidates))))
    async for view in watch(app.jobs, job.id):
        if view.state == "done":
            yield report(view.result)
        elif view.ended:
            raise AtelierError(view.error or "This was taken out of the queue. Please press Score again.")
        else:
            share = 100 * view.step.number / view.step.total if view.step is not None and view.step.total else 0
            words = f'<div class="words"><span>{escape(headline(view))}</span></div>'
            yield f'<div class="progress">{words}{bar(share)}</div>'


def _start(request: EvaluationRequest, services: Any, device: str) -> Any:
    return evaluation.run(request, services, device)


def report(result: EvaluationResult) -> str:
    """The scores with their intervals, as HTML."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{each.value:.4f}</td><td>{each.low:.4f} to {each.high:.4f}</td>"
        f"<td>{each.count:,}</td></tr>"
        for name, each in result.estimates.items()
    )
    heads = "".join(f"<th scope='col'>{name}</th>" for name in ("Metric", "Score", "95 % interval", "Pictures"))
    notes = "".join(f"<p class='model-note'>{escape(note)}</p>" for note in result.notes)
    head = "Stopped early. " if result.stopped else ""
    told = f"{head}{len(result.report.keys):,} captions scored in {result.seconds:.1f} s."
    table = f'<div class="scores metrics"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return f"{notice(told, 'plain')}{table}{notes}"

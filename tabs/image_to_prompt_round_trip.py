"""The drawer "Round trip": prompts are painted, and the paintings compared with the picture they came from."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.image_to_prompt import round_trip
from pipelines.image_to_prompt.round_trip import Painted, RoundTripResult
from pipelines.image_to_prompt.rows import ImageToPromptResult
from tabs import stage as wall
from tabs.captioning_pictures import QUIET, asks
from tabs.captioning_stage import with_data
from tabs.captioning_thumbnails import LARGE, thumbnail
from tabs.image_to_prompt_cards import title_of
from tabs.image_to_prompt_drawer import Drawer
from tabs.image_to_prompt_drawing import number
from tabs.image_to_prompt_results import titles
from tabs.rooms import Parcel, Sender
from tabs.widgets import choices, guarded, typed_number

if TYPE_CHECKING:
    from tabs.image_to_prompt_results import Outcome
    from tabs.rooms import App
    from tabs.watching import View

HELP = (
    "Each prompt of the picture in sight is painted, and the paintings are compared with the picture itself: what CLIP "
    "thinks of the words says little about what a painter makes of them."
)
NOTHING = "There is no prompt to paint yet. Find the words of a picture first, or write some here."


def build(app: App, room: str, outcome: Outcome) -> None:
    """Lay out the drawer and connect it."""
    painters = choices(app.services.catalog, "text_to_image")
    if not painters:
        return
    with gr.Accordion("Round trip: paint the prompts", open=False, elem_classes="atelier-inputs atelier-prompt-drawer"):
        gr.HTML(f'<p class="model-note">{HELP}</p>')
        more = gr.Textbox(label="Further prompts", info="One a line", lines=2, max_lines=6)
        with gr.Row(elem_classes="atelier-fields"):
            first = app.services.catalog.default("text_to_image").name
            painter = gr.Dropdown(painters, value=first, label="Painter", filterable=False)
            count = gr.Slider(1, 8, value=2, step=1, label="Paintings of each prompt")
            steps = gr.Textbox(label="Steps", placeholder="the painter's default", max_lines=1)
        drawer = Drawer(app, f"{room}_round_trip", "Paint and compare", functools.partial(draw, app))
        parcel = gr.State(None)
        with drawer.paper.below:
            row = gr.Row(elem_classes="atelier-actions")
    app.senders.append(Sender(room, ("pictures", "prompt"), parcel, row))
    inputs = [outcome.result, outcome.picture, more, painter, count, steps]
    _connect(app, drawer, inputs, parcel)


def _connect(app: App, drawer: Drawer, inputs: list[Any], parcel: gr.State) -> None:
    made = gr.State(None)

    async def on_paint(owner: str, *values: Any) -> str:
        """Gathers the prompts and queues the job."""
        request, by = await asyncio.to_thread(asked, app, *values)
        start = functools.partial(_start, request, by, app.services)
        return app.jobs.submit(owner, f"round trip {request.model}", start, request.cost).id

    def on_result(result: RoundTripResult) -> dict[Any, Any]:
        """Fills the paper; the prompt whose paintings are most alike is the one to send on."""
        painted = [row for row in result.rows if row.likeness is not None]
        told = f"{len(painted)} prompts painted by {result.model} and compared by {result.ranker}"
        told = f"{told} in {result.seconds:.1f} s, the most alike first."
        shown = drawer.told(("Stopped early: " if result.stopped else "") + told, drawn(app, result.rows, 0))
        return {**shown, made: result.rows, parcel: packed(result.rows, 0)}

    @guarded
    def on_use(rows: Sequence[Painted] | None, event: gr.EventData) -> dict[Any, Any]:
        """Another prompt is to be sent on."""
        place = getattr(event, "use", 0)
        if not rows or not isinstance(place, int) or not 0 <= place < len(rows):
            return {parcel: gr.skip()}
        return {parcel: packed(rows, place), drawer.paper.body: drawn(app, rows, place)}

    drawer.runner.connect(on_paint, on_result, inputs, [made, parcel])
    drawer.paper.body.select(on_use, made, [parcel, drawer.paper.body], **QUIET)


def asked(
    app: App,
    result: ImageToPromptResult | None,
    picture: int,
    more: str,
    painter: str,
    count: float,
    steps: str,
) -> tuple[round_trip.RoundTripRequest, dict[str, Any]]:
    """The checked request for the prompts of a picture, and what its steps tell. Raises BadRequest without any."""
    rows = [row for row in result.rows if row.picture == picture] if result is not None else []
    if not rows:
        raise BadRequest(NOTHING)
    names = titles(app, result)
    by = {" ".join(row.prompt.split()): title_of(row.method, names) for row in rows if row.prompt and not row.negative}
    written = [line.strip() for line in (more or "").splitlines() if line.strip()]
    prompts = tuple(dict.fromkeys([*by, *written]))
    if not prompts:
        raise BadRequest(NOTHING)
    request = round_trip.RoundTripRequest(
        rows[0].path, prompts, model=painter or "", pictures=int(count), steps=typed_number(steps, "Steps", int)
    )
    return request.resolve(app.services.catalog), {"path": str(rows[0].path), "by": by}


def _start(request: round_trip.RoundTripRequest, told: Mapping[str, Any], services: Any, device: str) -> Any:
    return with_data(round_trip.run(request, services, device), told)


def draw(app: App, view: View, loading: str = "") -> str:
    """Bar, the paintings as they form, and the prompts that are painted already."""
    step = view.step
    rows = step.data.get("rows", ()) if step is not None and view.state == "running" else ()
    return wall.progress(view, loading) + (drawn(app, rows, -1) if rows else "")


def packed(rows: Sequence[Painted], place: int) -> Parcel:
    """The prompt and its paintings."""
    row = rows[place] if rows else None
    return Parcel(tuple(map(str, row.paths)), row.prompt) if row is not None else Parcel()


def drawn(app: App, rows: Sequence[Painted], used: int) -> str:
    """Every prompt with its paintings, the most alike first; `used` is the one to be sent on, -1 for none."""
    items = "".join(_row(app, row, place, used) for place, row in enumerate(rows))
    return f'<ol class="round-trip">{items}</ol>'


def _row(app: App, row: Painted, place: int, used: int) -> str:
    settings = app.services.settings
    pictures = "".join(
        f'<figure><img src="{thumbnail(str(path), settings, LARGE)}" alt=""><figcaption>{number(value)}</figcaption>'
        "</figure>"
        for path, value in zip(row.paths, row.likenesses, strict=True)
    )
    figures = f"<span>words <b>{number(row.words)}</b></span>"
    if row.likeness is not None:
        figures = f"<span>likeness <b>{number(row.likeness)}</b></span>{figures}<span>{row.seconds:.1f} s</span>"
    use = f'<button type="button" class="plain-button" {asks(use=place)}>Use this one</button>' if used >= 0 else ""
    mark = '<b class="picked">★ in use</b>' if place == used else use
    said = f'<p class="refused">{escape(row.error)}</p>' if row.error else ""
    words = f'<p class="prompt-words">{escape(row.prompt)}</p>{said}'
    told = f'<p class="said-figures">{figures}{mark if row.paths else ""}</p>'
    kind = "used" if place == used else ""
    return f'<li class="{kind}"><div class="painted">{pictures}</div><div>{words}{told}</div></li>'

"""The map of meanings: true and predicted prompts as points, with arrows, neighbours on a click, and a heat map."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.prompt_data.entry_files import prompt_sets
from pipelines.prompt_data.maps import METHODS, TITLES
from pipelines.prompt_data.svg import COLOURS, escaped, short
from safeguards.wording import plural
from tabs.captioning_pictures import QUIET, asks
from tabs.prompt_data_files import LIVE
from tabs.prompt_data_html import paragraph, plots
from tabs.prompt_data_pair import peek
from tabs.prompt_data_part import Look, Part, Wall
from tabs.widgets import guarded

if TYPE_CHECKING:
    from pipelines.prompt_data.embeddings import EmbeddingsRequest, EmbeddingsResult
    from tabs.prompt_data_pair import Pair
    from tabs.rooms import App

CLICK = "Click a point to see what is nearest to it."
ARROWS = " Arrows lead from what is true to what was predicted."
FAR = {
    "pca": "PCA keeps straight distances; {kept} of the spread is in the plane.",
    "tsne": "t-SNE keeps neighbours together; far distances and the sizes of groups mean little.",
    "umap": "UMAP keeps neighbours together; far distances and the sizes of groups mean little.",
}


class Maps(Part):
    """See `Part`."""

    name, verb = "map_prompts", "Draw the map"

    def build_settings(self) -> None:
        """Which maps, of how many images."""
        controls = self.controls
        maps = [(TITLES[name], name) for name in METHODS]
        controls["methods"] = gr.CheckboxGroup(
            maps, value=list(METHODS[:2]), label="Maps", info="The first UMAP after a start takes its time"
        )
        controls["images"] = gr.Slider(
            10, 2_000, 300, step=10, label="Images, at most", info="Drawn by chance where there are more"
        )
        with gr.Accordion("More settings", open=False):
            controls["neighbours"] = gr.Slider(
                2, 200, 15, step=1, label="Neighbours that count", info="For t-SNE its perplexity"
            )
            controls["seed"] = gr.Number(0, label="Seed", precision=0)

    def build_wall(self, pair: Pair, column: gr.Dropdown) -> None:
        """The first look, the stage, and the wall."""
        self.look = Look(peek(pair.known_truth, pair.known, ""))
        self.stage = gr.HTML(visible=False)
        self.wall = Wall(self._filled)
        self.chosen = gr.State(None)
        with self.wall.column:
            self.method = gr.Radio([], show_label=False, container=False, elem_classes="atelier-modes")
            with gr.Row(elem_classes="atelier-data-map"):
                with gr.Column(scale=3, min_width=320):
                    self.drawn = gr.HTML(**LIVE)
                with gr.Column(scale=1, min_width=230):
                    self.near = gr.HTML(**LIVE, elem_classes="atelier-data-near")
            with gr.Accordion("Heat map of all cosines", open=False, elem_classes="atelier-inputs"):
                with gr.Row(elem_classes="atelier-fields"):
                    self.rows = gr.Dropdown([], label="Rows", filterable=False, min_width=150)
                    self.columns = gr.Dropdown([], label="Columns", filterable=False, min_width=150)
                self.heat = gr.HTML()
        self.wall.parts = [self.method, self.drawn, self.near, self.rows, self.columns, self.heat, self.chosen]
        self.connect(self._submit, story, [*pair.inputs, column])
        self.follow(peek, [*pair.inputs, column], [*pair.inputs, column])
        self._connect_map()

    def _submit(self, owner: str, truth: list[str], predictions: list[str], column: str, *values: Any) -> str:
        return submit(self.app, owner, make_request(self.app, truth, predictions, column, self.named(values)))

    def _filled(self, result: EmbeddingsResult) -> dict[Any, Any]:
        method, names = next(iter(result.maps)), list(result.names)
        other = names[min(1, len(names) - 1)]
        maps = [(TITLES[name], name) for name in result.maps]
        return {
            self.method: gr.Radio(maps, value=method, visible=len(maps) > 1),
            self.drawn: drawn(result, method, None),
            self.near: near(result, None),
            self.rows: gr.Dropdown(names, value=names[0]),
            self.columns: gr.Dropdown(names, value=other),
            self.heat: plots(result.heat_plot(names[0], other)),
            self.chosen: None,
        }

    def _connect_map(self) -> None:
        shown = [self.drawn, self.near, self.chosen]

        @guarded  # gradio finds the event by its hint, so all hints of this one must be there at run time
        def on_point(result: Any, method: str, event: gr.EventData) -> dict[Any, Any]:
            """A point was clicked, or a neighbour in the list: it and its neighbours are lit."""
            row = getattr(event, "row", None)
            if result is None or row is None or method not in result.maps:
                return {self.chosen: gr.skip()}
            chosen = None if row < 0 else min(int(row), len(result.texts) - 1)
            return {self.drawn: drawn(result, method, chosen), self.near: near(result, chosen), self.chosen: chosen}

        @guarded
        def on_method(result: EmbeddingsResult | None, method: str, chosen: int | None) -> Any:
            """Another map of the same prompts."""
            return gr.skip() if result is None or method not in result.maps else drawn(result, method, chosen)

        @guarded
        def on_heat(result: EmbeddingsResult | None, rows: str, columns: str) -> Any:
            """Other sources for the heat map."""
            return gr.skip() if result is None else plots(result.heat_plot(rows, columns))

        for live in (self.drawn, self.near):
            live.select(on_point, [self.wall.result, self.method], shown, **QUIET)
        self.method.input(on_method, [self.wall.result, self.method, self.chosen], self.drawn, **QUIET)
        for box in (self.rows, self.columns):
            box.input(on_heat, [self.wall.result, self.rows, self.columns], self.heat, **QUIET)


def make_request(
    app: App, truth: Sequence[str], predictions: Sequence[str], column: str | None, named: dict[str, Any]
) -> EmbeddingsRequest:
    """The resolved request. Raises BadRequest and ModelUnavailable as it does."""
    from pipelines.prompt_data.embeddings import EmbeddingsRequest

    if not predictions:
        raise BadRequest("There is nothing to map: choose at least one file of predictions.")
    sets = prompt_sets(predictions, truth[0] if truth else None, column or "")
    named = {**named, "methods": tuple(name for name in METHODS if name in named.get("methods", ()))}
    return EmbeddingsRequest(sets, **named).resolve(app.services.catalog)


def submit(app: App, owner: str, request: EmbeddingsRequest) -> str:
    """Queue a resolved request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    from pipelines.prompt_data import embeddings

    start = functools.partial(embeddings.run, request, app.services)
    sources = len(request.sets.predictions) + bool(request.sets.truth)
    cost = float(min(len(request.sets.ids), request.images) * sources * len(request.methods))
    return app.jobs.submit(owner, "map prompts", start, cost).id


def story(result: EmbeddingsResult) -> tuple[str, str]:
    """What was mapped in how long; and what else there is to say. Plain text."""
    maps = ", ".join(TITLES[name] for name in result.maps)
    what = f"{plural(len(result.texts), 'prompt')} of {', '.join(result.names)}"
    told = f"{what} mapped by {maps} in {result.seconds:.1f} s."
    return ("Stopped early: " if result.stopped else "") + told, " ".join(result.notes)


def drawn(result: EmbeddingsResult, method: str, chosen: int | None) -> str:
    """A map and what is to be known of it."""
    kept = result.maps[method].kept
    told = FAR[method].format(kept="" if kept is None else f"{100 * kept:.0f} %")
    return f'<div class="atelier-data-points">{result.map_plot(method, chosen)}</div>{paragraph(told)}'


def near(result: EmbeddingsResult, chosen: int | None) -> str:
    """The chosen prompt and those nearest to it, each to be pressed in its turn."""
    if chosen is None:
        first = f'<button type="button" class="plain-button" {asks(row=0)}>Begin with the first</button>'
        return f"{paragraph(CLICK + (ARROWS if result.arrows else ''))}{first}"
    others = "".join(_line(result, each.row, f"{each.cosine:.3f}") for each in result.neighbours(chosen))
    count = len(result.texts)
    before, after = asks(row=(chosen - 1) % count), asks(row=(chosen + 1) % count)
    turn = (
        f'<p class="pager"><button type="button" aria-label="Previous prompt" {before}>‹</button>'
        f"<span>{chosen + 1:,} of {count:,}</span>"
        f'<button type="button" aria-label="Next prompt" {after}>›</button>'
        f'<button type="button" class="plain-button" {asks(row=-1)}>Show all</button></p>'
    )
    return f'<div class="chosen">{_words(result, chosen)}</div>{turn}<h3>Nearest to it</h3><ol>{others}</ol>'


def _line(result: EmbeddingsResult, row: int, cosine: str) -> str:
    return f'<li><button type="button" {asks(row=row)}>{_words(result, row)}</button><b>{cosine}</b></li>'


def _words(result: EmbeddingsResult, row: int) -> str:
    colour = COLOURS[result.sets[row] % len(COLOURS)]
    whose = f'<i style="background:{colour}"></i>{escaped(result.names[result.sets[row]])} · {escaped(result.ids[row])}'
    return f"<small>{whose}</small><span>{escaped(short(result.texts[row], 240))}</span>"

"""Exploring files of prompts: what is in them, what repeats, what clusters, and what leaks from one part to another."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from common.errors import AtelierError
from pipelines.prompt_data import words
from pipelines.prompt_data.charts import Bar, bars, histogram
from pipelines.prompt_data.clusters import MAX_CLUSTERS
from pipelines.prompt_data.prompts_file import PromptTable, read_prompts
from safeguards.wording import file_name, plural
from tabs.prompt_data_columns import column_box, column_choices, is_small
from tabs.prompt_data_explored import PAGES, fill, story
from tabs.prompt_data_files import Files, example_files
from tabs.prompt_data_html import figures, paragraph, plots, table
from tabs.prompt_data_part import Look, Part, Wall
from tabs.stage import notice
from tabs.widgets import sentence

if TYPE_CHECKING:
    from pipelines.prompt_data.explore import ExploreRequest
    from tabs.rooms import App

HELP = "Several files are compared with each other: what of one stands in another already, word for word or nearly so?"


class Explore(Part):
    """See `Part`."""

    name, verb = "explore_prompts", "Explore"

    def build_files(self) -> None:
        """What is explored."""
        known = example_files(self.app.examples, "prompts.csv")
        self.files = Files("Files of prompts", "atelier-data-drop-prompts", known, most=20)
        self._known = known
        gr.HTML(paragraph(HELP))

    def build_settings(self) -> None:
        """What to read, and what counts as near."""
        controls = self.controls
        controls["column"] = column_box("Column of prompts", "One of those in the file", self._known)
        controls["split_column"] = column_box(
            "Column of parts", "For leaks inside one file, such as split", self._known
        )
        controls["threshold"] = gr.Slider(
            0.5, 1, 0.9, step=0.01, label="Near from a cosine of", info="1 is the same meaning"
        )
        with gr.Accordion("More settings", open=False):
            controls["clusters"] = gr.Slider(
                0, MAX_CLUSTERS, 0, step=1, label="Clusters", info="0: as many as fit best"
            )
            controls["sample"] = gr.Number(5_000, label="Prompts that are encoded", info="10 to 50,000", precision=0)
            controls["seed"] = gr.Number(0, label="Seed", precision=0)

    def build_wall(self) -> None:
        """The first look, the stage, and the wall."""
        self.look = Look(peek(self._known, ""))
        self.stage = gr.HTML(visible=False)
        self.wall = Wall(self._filled)
        with self.wall.column:
            self.pages = []
            with gr.Tabs(elem_classes="atelier-tabs atelier-data-tabs"):
                for title in PAGES:
                    with gr.Tab(title):
                        self.pages.append(gr.HTML())
            with gr.Row(elem_classes="atelier-actions"):
                self.report = gr.DownloadButton("Download the report (HTML)", size="sm")
        self.wall.parts = [*self.pages, self.report]
        self.connect(self._submit, story, [self.files.paths])
        column = self.controls["column"]
        self.follow(peek, [self.files.paths, column], [self.files.paths, column])
        column_choices(column, self.files)
        column_choices(self.controls["split_column"], self.files)

    def _submit(self, owner: str, paths: list[str], *values: Any) -> str:
        return submit(self.app, owner, make_request(self.app, paths, self.named(values)))

    def _filled(self, result: Any) -> dict[Any, Any]:
        pages, report = fill(result)
        return {**dict(zip(self.pages, pages, strict=True)), self.report: gr.DownloadButton(value=report)}


def make_request(app: App, paths: Sequence[str], named: dict[str, Any]) -> ExploreRequest:
    """The resolved request. Raises BadRequest and ModelUnavailable as it does."""
    from pipelines.prompt_data.explore import ExploreRequest

    for path in paths:
        if is_small(path):  # what is wrong with the file is said at once and not by the job
            read_prompts(path, named.get("column") or "", split_column=None)
    return ExploreRequest(tuple(paths), **named).resolve(app.services.catalog)


def submit(app: App, owner: str, request: ExploreRequest) -> str:
    """Queue a resolved request for `owner`; returns the id of its job. Raises QueueFull when there is no room."""
    from pipelines.prompt_data import explore

    start = functools.partial(explore.run, request, app.services)
    return app.jobs.submit(owner, "explore prompts", start, float(len(request.files))).id


def peek(paths: Sequence[str], column: str | None) -> str:
    """What can be said of the files at once: what they hold, their first prompts, lengths and words."""
    cards, texts = [], []
    for path in paths:
        if not is_small(path):
            cards.append(notice(f"{file_name(path)} is large; press Explore to look inside.", "plain"))
            continue
        try:
            read = read_prompts(path, column or "")
        except AtelierError as error:
            cards.append(notice(sentence(error)))
            continue
        texts += [text for text in read.texts if words.plain(text)]
        cards.append(_card(read, first=5 if len(paths) == 1 else 2))
    if not texts:
        return "".join(cards)
    return "".join(cards) + plots(
        bars([Bar(*each) for each in words.top_words(texts, 12)], "The most frequent words", unit="number of prompts"),
        histogram([len(words.words_in(text)) for text in texts], "Length of the prompts", "words", bins=40),
    )


def _card(read: PromptTable, first: int) -> str:
    """One file: how many prompts, from which column, and the first ones."""
    lengths = [len(words.words_in(text)) for text in read.texts if text]
    empty = sum(not text for text in read.texts)
    rows = [("Prompts", f"{len(read.texts) - empty:,}"), ("Words a prompt", f"{np.median(lengths):g}")]
    rows += [("Without a prompt", f"{empty:,}")] if empty else []
    parts = dict.fromkeys(read.splits)
    rows += [("Parts", ", ".join(list(parts)[:4]))] if len(parts) > 1 else []
    others = [name for name in read.columns if name != read.column]
    told = f"The column “{read.column}” is read" + (f"; there are also {', '.join(others[:12])}." if others else ".")
    shown = [(name, text) for name, text in zip(read.ids, read.texts, strict=True) if text][:first]
    left = len(read.texts) - len(shown)
    listed = table(("", "Prompt"), shown) + (paragraph(f"… and {plural(left, 'more row')}") if left else "")
    title = f"<h3>{escape(file_name(read.name))}</h3>"
    return f'<section class="atelier-data-card">{title}{figures(rows)}{paragraph(told)}{listed}</section>'

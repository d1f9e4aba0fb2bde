"""Predictions and the truth: the files that the map and the evaluation share, and a first look into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import AtelierError
from pipelines.prompt_data.entry_files import Entry, read_entries, read_truth
from pipelines.prompt_data.prompt_sets import MAX_METHODS
from safeguards.wording import file_name, plural
from tabs.prompt_data_columns import is_small
from tabs.prompt_data_files import Files, example_files
from tabs.prompt_data_html import paragraph, table
from tabs.stage import notice
from tabs.widgets import sentence

if TYPE_CHECKING:
    from tabs.rooms import App

HELP = (
    "Each file is a method, named after it; its rows are matched to the truth by their ids. Tables saved by the view "
    "of pictures hold several methods. The example was written by hand."
)
ROWS = 6  # of the first look


class Pair:
    """Built inside the desk; `inputs` are the states with the files of the truth and of the predictions."""

    def __init__(self, app: App) -> None:
        self.known_truth = example_files(app.examples, "truth.csv")
        self.known = example_files(app.examples, "in_plain_words.csv", "in_key_words.csv")
        with gr.Row(elem_classes="atelier-data-pair"):
            with gr.Column(min_width=220):
                self.truth = Files("What is true", "atelier-data-drop-truth", self.known_truth, most=1)
            with gr.Column(min_width=220):
                self.predictions = Files("Predictions", "atelier-data-drop-predictions", self.known, most=MAX_METHODS)
        gr.HTML(paragraph(HELP))

    @property
    def inputs(self) -> list[Any]:
        """The states with the paths."""
        return [self.truth.paths, self.predictions.paths]


def peek(truth: Sequence[str], predictions: Sequence[str], column: str | None) -> str:
    """What can be said of the files at once: the first prompts side by side, and what is wrong with them."""
    large = [path for path in (*truth, *predictions) if not is_small(path)]
    if large:
        return notice(f"{file_name(large[0])} is large; press the button to look inside.", "plain")
    if not predictions:
        return notice("Drop the prompts that were predicted, a file for each method.", "plain") if truth else ""
    try:
        true = read_truth(truth[0], column or "") if truth else None
        entries = read_entries(predictions, column or "", true)
    except AtelierError as error:
        return notice(sentence(error))
    sources = [*([true] if true else []), *entries]
    problems = "".join(notice(f"{each.name}: {each.problems[0]}") for each in entries if each.problems)
    return problems + _side_by_side(sources)


def _side_by_side(sources: Sequence[Entry]) -> str:
    """A row for each of the first images, a column for each source of prompts."""
    numbers = [each for each in sources if each.vectors]
    told = [f"{each.file} is a submission for {plural(len(each.vectors), 'image')}." for each in numbers]
    said = [each for each in sources if each.prompts]
    if not said:
        return paragraph(" ".join(told))
    ids = list(said[0].prompts)
    rows = [(name, *(each.prompts.get(name) for each in said)) for name in ids[:ROWS]]
    more = f"… and {plural(len(ids) - len(rows), 'more image')}. " if len(ids) > len(rows) else ""
    listed = table(("Image", *(each.name for each in said)), rows)
    return f'<section class="atelier-data-card">{listed}{paragraph(more + " ".join(told))}</section>'

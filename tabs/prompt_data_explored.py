"""An exploration on the wall: five pages of figures, plots and tables, and the report to download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipelines.prompt_data.report import html_report
from safeguards.wording import plural
from tabs.prompt_data_html import figures, paragraph, plots, table
from tabs.prompt_data_part import handed_over

if TYPE_CHECKING:
    from pipelines.prompt_data.explore import ExploreResult
    from pipelines.prompt_data.near import NearPair

PAGES = ("Lengths", "Words", "Repetitions", "Clusters", "Leaks")
ROWS = 20  # of a table
ONE_PART = (
    "There is one part only, so nothing can leak. Add a second file, or name the column that says to which part a "
    "prompt belongs."
)


def story(result: ExploreResult) -> tuple[str, str]:
    """What was explored in how long; and what else there is to say. Plain text."""
    names = ", ".join(result.columns)
    told = f"{plural(len(result.texts) - result.empty, 'prompt')} of {names} explored in {result.seconds:.1f} s."
    more = [f"{plural(result.empty, 'row has', 'rows have')} no prompt."] if result.empty else []
    if result.stopped:
        more.append(f"Repetitions and clusters are about the {len(result.encoded):,} prompts read until then.")
    return ("Stopped early: " if result.stopped else "") + told, " ".join([*more, *result.notes])


def fill(result: ExploreResult) -> tuple[list[str], str]:
    """The HTML of each of PAGES, and the path of the report."""
    pages = [_lengths(result), _words(result), _repetitions(result), _clusters(result), _leaks(result)]
    return pages, handed_over("prompts-report.html", html_report(result))


def _drawn(result: ExploreResult, *names: str) -> str:
    return plots(*(result.plots.get(name, "") for name in names))


def _lengths(result: ExploreResult) -> str:
    rows = [(f"Prompts in {part}", f"{count:,}") for part, count in result.parts.items()]
    for name, values in result.lengths.items():
        low, middle, high = np.percentile(values, (5, 50, 95))
        rows.append((f"{name.capitalize()}, middle", f"{middle:g}"))
        rows.append((f"{name.capitalize()}, 90 % of prompts", f"{low:.0f} to {high:.0f}"))
    return figures(rows) + _drawn(result, "lengths", "characters")


def _words(result: ExploreResult) -> str:
    return _drawn(result, "words", "pairs", "triples", "phrases")


def _repetitions(result: ExploreResult) -> str:
    again = sum(len(group) - 1 for group in result.copies)
    near = sum(len(group) - 1 for group in result.near_groups)
    rows = [
        ("Repeat another word for word", f"{again:,}"),
        (f"Pairs nearer than {result.threshold:g}", f"{len(result.near):,}"),
        ("Could be left out", f"{near:,}"),
    ]
    told = f"Copies differ in case and punctuation at most; near ones have a cosine of {result.threshold:g} or more."
    groups = [(len(group), result.texts[group[0]]) for group in result.copies[:ROWS]]
    same = "<h3>Word for word</h3>" + table(("Times", "Prompt"), groups) if groups else ""
    pairs = "<h3>In other words</h3>" + _pairs(result, result.near[:ROWS]) if result.near else ""
    return figures(rows) + paragraph(told) + same + pairs + _drawn(result, "nearest")


def _pairs(result: ExploreResult, pairs: Sequence[NearPair]) -> str:
    rows = [(each.cosine, result.texts[each.one], result.texts[each.other]) for each in pairs]
    return table(("Cosine", "Prompt", "Another"), rows)


def _clusters(result: ExploreResult) -> str:
    rows = [(len(each.rows), ", ".join(each.words[:6]), result.texts[each.rows[0]]) for each in result.clusters]
    listed = table(("Prompts", "Typical words", "Nearest to the middle"), rows)
    return _drawn(result, "map") + listed


def _leaks(result: ExploreResult) -> str:
    if not result.leaks:
        return paragraph(ONE_PART)
    header = ("Part", "Stands in", "Prompts", "Same words", "Near", "Share")
    rows = [(x.other, x.one, x.prompts, x.copies, x.near, f"{100 * x.share:.1f} %") for x in result.leaks]
    pairs = sorted((each for leak in result.leaks for each in leak.examples), key=lambda each: -each.cosine)
    found = "<h3>The nearest pairs</h3>" + _pairs(result, pairs[:ROWS]) if pairs else ""
    return table(header, rows) + found + (_drawn(result, "leaks") if len(result.parts) > 2 else "")

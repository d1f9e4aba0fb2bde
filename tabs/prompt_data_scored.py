"""Scored methods on the wall: the table of methods, what is wrong with them, plots, and the images one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pipelines.prompt_data.prompt_sets import TRUTH
from safeguards.wording import plural
from tabs.prompt_data_html import fold, paragraph, plots, table
from tabs.stage import notice

if TYPE_CHECKING:
    from pipelines.prompt_data.compare import MethodSummary
    from pipelines.prompt_data.entries import EntriesResult

PAGES = ("Scores", "Spread", "Image by image", "Agreement")
ROWS = 60  # images one by one
TOLD = 3  # problems that are told at once
SAME = 1e-6  # numbers that are no further apart are those of the truth
MEANING = (
    "Score: mean cosine to the truth in the space of {model}, with its 95 % bootstrap interval. Spread: "
    "standard deviation over the images; variation: spread as a share of the score."
)


def story(result: EntriesResult) -> tuple[str, str]:
    """What was scored in how long; and what else there is to say. Plain text."""
    count = plural(len(result.methods), "method")
    told = f"{count} scored on {plural(len(result.ids), 'image')} in {result.seconds:.1f} s."
    refused = [name for name in result.problems if name not in result.methods]
    if not result.methods:
        told = f"{plural(len(refused), 'submission is', 'submissions are')} not sound, so there is no score."
    elif refused:
        told += f" Without {', '.join(refused)}: see why below."
    return ("Stopped early: " if result.stopped else "") + told, " ".join([*result.notes, *_lead(result)])


def _lead(result: EntriesResult) -> list[str]:
    lead = result.lead
    if lead is None:
        return []
    first, second = (each.name for each in result.summaries[:2])
    told = f"{first} leads {second} by {lead.value:.3f}, 95 % interval {lead.low:.3f} to {lead.high:.3f}".replace(
        "-", "−"
    )
    return [told + ("." if lead.low > 0 else ": on these images that may be chance.")]


def fill(result: EntriesResult) -> tuple[str, list[str]]:
    """The HTML of the table with what is wrong, and of each of PAGES."""
    known = {name: result.plots.get(name, "") for name in ("mean", "spread", "variation", "images", "agreement")}
    pages = [
        plots(known["mean"], known["variation"]),
        plots(known["spread"]),
        _one_by_one(result) + plots(known["images"]),
        plots(known["agreement"]) if len(result.methods) > 1 else paragraph("One method has nobody to agree with."),
    ]
    return _methods(result) + _problems(result), pages


def _methods(result: EntriesResult) -> str:
    if not result.methods:
        return ""
    if not any(each.mean for each in result.summaries):
        rows = [(each.name, each.images) for each in result.summaries]
        return table(("Method", "Images"), rows)
    timed = any(each.seconds is not None for each in result.summaries)
    head = ("Method", "Score", "95 % interval", "Spread", "Variation", "Best on", "Images")
    lines = [_line(each, timed) for each in result.summaries]
    same = [name for name, value in result.apart.items() if value <= SAME]
    told = "".join(
        paragraph(f"{name} has the truth's own vectors: no number is further from them than {result.apart[name]:.1e}.")
        for name in same
    )
    best = 0 if len(lines) > 1 else None
    return (
        table((*head, *(("Seconds",) if timed else ())), lines, best)
        + paragraph(MEANING.format(model=result.model))
        + told
    )


def _line(each: MethodSummary, timed: bool) -> tuple[object, ...]:
    mean = each.mean
    interval = f"{mean.low:.3f} to {mean.high:.3f}".replace("-", "−") if mean else None
    variation = f"{100 * each.variation:.1f} %" if each.variation is not None else None
    score = f"{mean.value:.5f}".replace("-", "−") if mean else None
    cells = (each.name, score, interval, each.spread, variation, each.best, each.images)
    return (*cells, f"{each.seconds:.2f}" if each.seconds is not None else None) if timed else cells


def _problems(result: EntriesResult) -> str:
    shown = []
    for name, sentences in result.problems.items():
        would = "As an entry it would be refused." if name in result.methods else "It has no score."
        first = notice(f"{name}: {sentences[0]}", "error", would)
        others = "".join(paragraph(each) for each in sentences[1:])
        more = plural(len(sentences) - 1, "more problem")
        shown.append(first + (fold(more, others, len(sentences) <= TOLD) if others else ""))
    return "".join(shown)


def _one_by_one(result: EntriesResult) -> str:
    """The images, the worst of the best method first, with every method's prompt and cosine."""
    if not result.methods:
        return ""
    order = list(range(len(result.ids)))
    names = [each.name for each in result.summaries]
    if result.summaries[0].mean:
        values = result.cosines[result.methods.index(names[0])]
        order = np.argsort(np.where(np.isnan(values), -2, values), kind="stable").tolist()
    true = result.texts.get(TRUTH, {})
    head, rows = ["Image", *(["True prompt"] if true else [])], []
    for name in names:
        head += [name, "Cosine"]
    for place in order[:ROWS]:
        image = result.ids[place]
        row: list[object] = [image, *([true.get(image)] if true else [])]
        for name in names:
            value = float(result.cosines[result.methods.index(name), place])
            row += [result.texts.get(name, {}).get(image, "numbers only"), None if math.isnan(value) else value]
        rows.append(row)
    more = f" The first {ROWS} of {len(order):,}." if len(order) > ROWS else ""
    told = f"Where {names[0]} is worst comes first.{more}" if result.summaries[0].mean else more.strip()
    return paragraph(told) + table(head, rows)

"""Methods beside each other as people read them: a table of methods, plots, and every picture's prompts.

Everything returned here is HTML for `gr.HTML`, so every word that came from outside is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from safeguards.wording import plural
from tabs.captioning_thumbnails import thumbnail
from tabs.image_to_prompt_cards import title_of
from tabs.image_to_prompt_drawing import number

if TYPE_CHECKING:
    from common.settings import Settings
    from pipelines.evaluation.bootstrap import Estimate
    from pipelines.image_to_prompt.ensemble import FittedWeights
    from pipelines.prompt_data.compare import CompareResult, MethodSummary

ROWS = 60  # pictures in the table
NONE = "–"


def report(made: CompareResult, paths: Mapping[str, str], settings: Settings) -> str:
    """All of it."""
    plots = "".join(f'<figure class="prompt-plot">{svg}</figure>' for svg in made.plots.values())
    return f'{_summaries(made)}<div class="prompt-plots">{plots}</div>{_table(made, paths, settings)}'


def _summaries(made: CompareResult) -> str:
    known = any(each.mean for each in made.summaries)
    heads = ["Method", "Pictures", *(("Mean cosine", "Spread", "Variation", "Best on") if known else ()), "Time"]
    rows = "".join(_summary(each, known) for each in made.summaries)
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    return f'<div class="scores compared"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _summary(each: MethodSummary, known: bool) -> str:
    cells = [f"{each.images:,}"]
    if known:
        spread = NONE if each.spread is None else f"{each.spread:.3f}"
        variation = NONE if each.variation is None else f"{100 * each.variation:.1f} %"
        cells += [estimate(each.mean), spread, variation, NONE if each.best is None else f"{each.best:,}"]
    cells.append(NONE if each.seconds is None else f"{each.seconds:.2f} s")
    return f'<tr><th scope="row">{escape(each.name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def estimate(value: Estimate | None) -> str:
    """A score with its interval."""
    if value is None:
        return NONE
    return f"{number(value.value)} <small>{number(value.low)} to {number(value.high)}</small>"


def _table(made: CompareResult, paths: Mapping[str, str], settings: Settings) -> str:
    has_truth = any(row[1] for row in made.table)
    heads = ["Picture", *(["True prompt"] if has_truth else []), *made.methods]
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    rows = "".join(_picture(made, place, has_truth, paths, settings) for place in range(min(ROWS, len(made.ids))))
    left = len(made.ids) - ROWS
    more = f'<p class="model-note">And {plural(left, "more picture")}; a file from “Save as CSV” has all.</p>'
    return (
        f'<div class="side-by-side"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"{more if left > 0 else ''}"
    )


def _picture(made: CompareResult, place: int, has_truth: bool, paths: Mapping[str, str], settings: Settings) -> str:
    name, truth, *prompts = made.table[place]
    picture = thumbnail(paths[name], settings) if name in paths else ""
    shown = f'<img src="{picture}" alt="">' if picture else ""
    cosines = made.cosines[:, place]
    known = [value for value in cosines if not math.isnan(value)]
    top = max(known) if len(known) > 1 else math.inf
    cells = [f"<td>{escape(truth) or NONE}</td>"] if has_truth else []
    for prompt, cosine in zip(prompts, cosines, strict=True):
        score = "" if math.isnan(cosine) else f"<b>{number(float(cosine))}</b>"
        best = ' class="best"' if score and cosine >= top - 1e-6 else ""
        cells.append(f"<td{best}>{score}{escape(prompt) or NONE}</td>")
    return f'<tr><th scope="row">{shown}<span>{escape(name)}</span></th>{"".join(cells)}</tr>'


def weights(fitted: FittedWeights, titles: Mapping[str, str]) -> str:
    """Fitted weights with their intervals, and what the mixture scores beside even weights and each method alone."""
    rows = "".join(
        f'<tr><th scope="row">{escape(title_of(name, titles))}</th><td>{_share(value)}</td>'
        f"<td>{fitted.low[name]:.2f} to {fitted.high[name]:.2f}</td><td>{estimate(fitted.alone[name])}</td></tr>"
        for name, value in sorted(fitted.weights.items(), key=lambda pair: -pair[1])
    )
    heads = ("Method", "Weight", "95 % interval", "Cosine alone")
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    ends = (("These weights, each picture left out once", fitted.score), ("Even weights", fitted.even))
    feet = "".join(
        f'<tr><th scope="row" colspan="3">{words}</th><td>{estimate(value)}</td></tr>' for words, value in ends
    )
    return (
        f'<div class="scores compared"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>'
        f"<tfoot>{feet}</tfoot></table></div>"
    )


def _share(value: float) -> str:
    return f'<span class="worth-bar"><i style="width:{100 * value:.0f}%"></i><b>{value:.2f}</b></span>'

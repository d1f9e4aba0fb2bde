"""An exploration as one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.prompt_data.explore import ExploreResult
from pipelines.prompt_data.near import NearPair
from pipelines.prompt_data.svg import escaped, short

SHOWN = 25  # rows of a table
STYLE = """
:root { color-scheme: light dark; --ink: #1d1f1d; --paper: #fafaf8; --line: #d0d0c7; --quiet: #585a53; }
@media (prefers-color-scheme: dark) { :root { --ink: #f3f3ef; --paper: #141614; --line: #3f413c; --quiet: #a3a49b; } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 960px; padding: 24px; }
h1 { font-size: 26px; } h2 { border-top: 1px solid var(--line); font-size: 19px; margin-top: 40px; padding-top: 20px; }
p, td.quiet { color: var(--quiet); } table { border-collapse: collapse; font-size: 14px; width: 100%; }
td, th { border-bottom: 1px solid var(--line); padding: 5px 10px 5px 0; text-align: left; vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; } svg { margin: 12px 0 24px; }
.wide { overflow-x: auto; }
"""


def html_report(result: ExploreResult) -> str:
    """The whole page, with all tables and drawings inside; light or dark as its reader prefers."""
    title = "Prompts: " + ", ".join(result.columns)
    body = [f"<h1>{escaped(title)}</h1>", _overview(result), *(f"<p>{escaped(note)}</p>" for note in result.notes)]
    body += [_section("Lengths", "", _plots(result, "lengths", "characters"))]
    body += [_section("Words", "", _plots(result, "words", "pairs", "triples", "phrases"))]
    body += [_section("Repetitions", _repetitions(result), _plots(result, "nearest"), _near(result, result.near))]
    body += [_section("Clusters", "", _plots(result, "clusters", "map"), _clusters(result))]
    if result.leaks:
        body.append(_section("Leaks between parts", "", _plots(result, "leaks"), _leaks(result)))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escaped(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _section(title: str, words: str, *parts: str) -> str:
    told = f"<p>{escaped(words)}</p>" if words else ""
    return f"<h2>{escaped(title)}</h2>{told}{''.join(parts)}"


def _plots(result: ExploreResult, *names: str) -> str:
    return "".join(result.plots[name] for name in names if name in result.plots)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escaped(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'<td class="number">{value:.3f}</td>'
    return f'<td class="number">{value:,}</td>' if isinstance(value, int) else f"<td>{escaped(short(value, 400))}</td>"


def _overview(result: ExploreResult) -> str:
    rows: list[tuple[str, object]] = [(f"prompts in {part}", count) for part, count in result.parts.items()]
    rows += [(f"column of {name}", column) for name, column in result.columns.items()]
    rows.append(("without a prompt", result.empty))
    for name, values in result.lengths.items():
        low, middle, high = np.percentile(values, (5, 50, 95))
        rows.append((f"{name} a prompt: middle, and the range of 90 %", f"{middle:g} ({low:g} to {high:g})"))
    return _table(("", ""), rows)


def _repetitions(result: ExploreResult) -> str:
    again = sum(len(group) - 1 for group in result.copies)
    near = sum(len(group) - 1 for group in result.near_groups)
    return (
        f"{again:,} prompts repeat the words of another. Of the {len(result.encoded):,} that were read by the sentence "
        f"encoder, {near:,} could be left out without losing more than what is within a cosine of {result.threshold:g}."
    )


def _near(result: ExploreResult, pairs: Sequence[NearPair]) -> str:
    if not pairs:
        return ""
    rows = [(each.cosine, each.words, result.texts[each.one], result.texts[each.other]) for each in pairs[:SHOWN]]
    return _table(("cosine", "words in common", "prompt", "another"), rows)


def _clusters(result: ExploreResult) -> str:
    rows = [(len(each.rows), ", ".join(each.words), result.texts[each.rows[0]]) for each in result.clusters]
    return _table(("prompts", "typical words", "nearest to the middle"), rows)


def _leaks(result: ExploreResult) -> str:
    header = ("part", "stands in", "prompts", "same words", "looked at", "near", "share")
    rows = [(x.other, x.one, x.prompts, x.copies, x.looked_at, x.near, x.share) for x in result.leaks]
    pairs = sorted((each for leak in result.leaks for each in leak.examples), key=lambda each: -each.cosine)
    return _table(header, rows) + _near(result, pairs)

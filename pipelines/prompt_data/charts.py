"""The plots of the prompt data: each function returns one inline `<svg>`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.prompt_data.svg import COLOURS, WIDTH, Drawing, Scale, short

LABEL = 190  # units for the names at the left of bars and rows
NAME = 26  # letters of a name that fit there
LINE = 24  # units from one bar or row to the next
TOP = 34
MAX_CELLS = 60  # rows and columns of a heat map
FAINT = 0.16


@dataclass(frozen=True)
class Bar:
    """A value with its name; `low` and `high` are the ends of its interval, where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def histogram(values: Sequence[float], title: str, unit: str, bins: int = 30) -> str:
    """How often values occur; whole numbers of a small range get a bar each."""
    drawing = Drawing(title, 240)
    drawing.text(0, 16, title, size=14, font_weight="600")
    known = np.asarray([value for value in values if math.isfinite(value)], float)
    if not len(known):
        return _nothing(drawing)
    whole = bool((known == known.round()).all()) and known.max() - known.min() < 2 * bins
    if whole:
        edges = np.arange(known.min() - 0.5, known.max() + 1)
    else:
        room = 0.01 if np.ptp(known) < 1e-4 else 0.0  # values that are all but equal still need a bar of some width
        edges = np.linspace(known.min() - room, known.max() + room, bins + 1)
    counts, edges = np.histogram(known, edges)
    across = Scale(float(edges[0]), float(edges[-1]), 50, WIDTH - 10)
    up = Scale.over(counts.tolist(), 200, TOP + 6, zero=True)
    _grid(drawing, up, 50, WIDTH - 10, upright=True)
    for count, left, right in zip(counts, edges, edges[1:], strict=False):
        tip = f"{left + 0.5:g}: {count:,}" if whole else f"{left:.3g} to {right:.3g}: {count:,}"
        x, end = across(left) + 0.5, across(right) - 0.5
        drawing.rect(x, up(count), end - x, 200 - up(count), COLOURS[0], tip=tip)
    for tick in (each for each in across.ticks(8) if not whole or each == int(each)):
        drawing.text(across(tick), 216, f"{tick:g}", "middle", 11, opacity=0.75)
    drawing.text(WIDTH - 10, 234, unit, "end", 11, opacity=0.75)
    return drawing.svg()


def bars(table: Sequence[Bar], title: str, form: str = ",.0f", colour: str = COLOURS[0], unit: str = "") -> str:
    """Values beside their names, in the order given, with intervals where there are any."""
    drawing = Drawing(title, TOP + LINE * max(len(table), 1) + 10)
    drawing.text(0, 16, f"{title} ({unit})" if unit else title, size=14, font_weight="600")
    if not table:
        return _nothing(drawing)
    ends = [end for bar in table for end in (bar.value, bar.low, bar.high) if end is not None]
    across = Scale.over(ends, LABEL, WIDTH - 70, zero=True)
    for row, bar in enumerate(table):
        y = TOP + LINE * row
        drawing.text(LABEL - 8, y + 14, short(bar.name, NAME), "end")
        if not math.isfinite(bar.value):
            drawing.text(LABEL + 4, y + 14, "–", opacity=0.7)
            continue
        left, right = sorted((across(0), across(bar.value)))
        drawing.rect(left, y + 3, right - left, LINE - 8, colour, tip=f"{bar.name}: {bar.value:{form}}")
        end = right
        if bar.low is not None and bar.high is not None and math.isfinite(bar.low + bar.high):
            _whisker(drawing, across(bar.low), across(bar.high), y + 11)
            end = max(end, across(bar.high))
        drawing.text(end + 6, y + 14, f"{bar.value:{form}}", size=11)
    return drawing.svg()


def strips(groups: Mapping[str, Sequence[float]], title: str, unit: str, tips: Sequence[str] = ()) -> str:
    """One row of dots for each group, a dot for each value, with the mean as an upright line and its spread beneath.

    `tips` name the values: every group has as many, NaN where there is none.
    """
    drawing = Drawing(title, TOP + 34 * max(len(groups), 1) + 26)
    drawing.text(0, 16, title, size=14, font_weight="600")
    if not groups:
        return _nothing(drawing)
    across = Scale.over([value for values in groups.values() for value in values], LABEL, WIDTH - 16, room=0.04)
    bottom = TOP + 34 * len(groups)
    _grid(drawing, across, TOP, bottom, upright=False)
    for row, (name, values) in enumerate(groups.items()):
        y, colour = TOP + 34 * row + 15, COLOURS[row % len(COLOURS)]
        drawing.text(LABEL - 8, y + 4, short(name, NAME), "end")
        for place, value in enumerate(values):
            if math.isfinite(value):
                tip = f"{tips[place]}: {value:.3f}" if place < len(tips) else f"{value:.3f}"
                aside = place * 5 % 11 - 5 if len(values) > 12 else 0  # so that many dots do not hide each other
                drawing.circle(across(value), y + aside, 4.5, colour, opacity=0.65, tip=tip)
        known = np.asarray([value for value in values if math.isfinite(value)], float)
        if len(known):
            mean, spread = float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else 0.0
            ends = [across(min(max(end, across.low), across.high)) for end in (mean - spread, mean + spread)]
            drawing.line(ends[0], y + 11, ends[1], y + 11, colour, 2.5, tip=f"{name}: {mean:.3f} ± {spread:.3f}")
            drawing.line(across(mean), y - 10, across(mean), y + 13, "currentColor", 2)
    drawing.text(WIDTH - 16, bottom + 24, unit, "end", 11, opacity=0.75)
    return drawing.svg()


def heat(
    matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str, low: float = 0.0, high: float = 1.0
) -> str:
    """A table (R, C) of numbers as shades, from clear at `low` to full at `high`; NaN is left open.

    At most MAX_CELLS rows and columns are drawn, the first ones; the title says so.
    """
    if max(matrix.shape) > MAX_CELLS:
        title += f" (the first {MAX_CELLS})"
        matrix, rows, columns = matrix[:MAX_CELLS, :MAX_CELLS], rows[:MAX_CELLS], columns[:MAX_CELLS]
    side = min((WIDTH - LABEL - 10) / max(len(columns), 1), 64.0)
    tall = min(side, 34.0)
    longest = max((min(len(str(each)), 16) for each in columns), default=0)
    drawing = Drawing(title, TOP + tall * max(len(rows), 1) + 24 + 5 * longest)
    drawing.text(0, 16, title, size=14, font_weight="600")
    if not matrix.size:
        return _nothing(drawing)
    for r, name in enumerate(rows):
        y = TOP + tall * r
        if tall >= 9:
            drawing.text(LABEL - 8, y + tall / 2 + 4, short(name, NAME), "end", min(12, tall))
        for c, column in enumerate(columns):
            value, x = float(matrix[r, c]), LABEL + side * c
            if not math.isfinite(value):
                drawing.rect(x + 0.5, y + 0.5, side - 1, tall - 1, "none", stroke="currentColor", stroke_opacity=FAINT)
                continue
            shade = min(max((value - low) / (high - low), 0.02), 1)
            tip = f"{name} · {column}: {value:.3f}"
            drawing.rect(x + 0.5, y + 0.5, side - 1, tall - 1, COLOURS[0], fill_opacity=0.85 * shade, tip=tip)
            if side >= 30:
                drawing.text(x + side / 2, y + tall / 2 + 4, f"{value:.2f}".replace("-0.00", "0.00"), "middle", 11)
    for c, column in enumerate(columns if side >= 9 else ()):
        x, y = LABEL + side * (c + 0.5), TOP + tall * len(rows) + 10
        drawing.text(x, y, short(column, 16), "end", min(11, side), transform=f"rotate(-45 {x:.1f} {y:.1f})")
    return drawing.svg()


def _grid(drawing: Drawing, scale: Scale, start: float, end: float, upright: bool) -> None:
    """Faint lines at round values of a scale that runs upwards, or across, with the values beside them."""
    for tick in scale.ticks():
        place = scale(tick)
        if upright:
            drawing.line(start, place, end, place, opacity=FAINT)
            drawing.text(start - 6, place + 4, f"{tick:,g}", "end", 11, opacity=0.75)
        else:
            drawing.line(place, start, place, end, opacity=FAINT)
            drawing.text(place, end + 12, f"{tick:,g}", "middle", 11, opacity=0.75)


def _whisker(drawing: Drawing, left: float, right: float, y: float) -> None:
    drawing.line(left, y, right, y, width=1.5)
    for x in (left, right):
        drawing.line(x, y - 4, x, y + 4, width=1.5)


def _nothing(drawing: Drawing) -> str:
    drawing.text(0, TOP + 14, "There is nothing to draw.", opacity=0.7)
    return drawing.svg()

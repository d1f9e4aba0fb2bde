"""The plot of a map: points in the plane, in groups, with arrows between some of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.prompt_data.svg import COLOURS, WIDTH, Drawing, Scale, short

HEIGHT, MARGIN, TOP = 540, 16, 64


def scatter(
    points: np.ndarray,
    groups: Sequence[int],
    names: Sequence[str],
    tips: Sequence[str],
    title: str,
    arrows: Sequence[tuple[int, int]] = (),
    chosen: int | None = None,
    near: Sequence[int] = (),
) -> str:
    """Points (N, 2) with one colour a group (an index into `names`), and arrows between rows.

    `tips` are shown when a point is pointed at. Each point carries its row as `data-row`, so that a page can tell
    which was clicked; `chosen` and its neighbours `near` get rings, and all others step back.
    """
    drawing = Drawing(title, HEIGHT)
    drawing.text(0, 16, title, size=14, font_weight="600")
    if not len(points):
        drawing.text(0, TOP, "There is nothing to draw.", opacity=0.7)
        return drawing.svg()
    _legend(drawing, names)
    across = Scale.over(points[:, 0].tolist(), MARGIN, WIDTH - MARGIN, room=0.03)
    up = Scale.over(points[:, 1].tolist(), HEIGHT - MARGIN, TOP, room=0.03)
    drawing.rect(1, TOP - 10, WIDTH - 2, HEIGHT - TOP + 9, "none", stroke="currentColor", stroke_opacity=0.16, rx=6)
    places = [(across(float(x)), up(float(y))) for x, y in points]
    radius = 5.5 if len(points) <= 200 else 4 if len(points) <= 2_000 else 2.5
    lit = {chosen, *near} if chosen is not None else set(range(len(points)))
    for start, end in arrows:
        strength = 1 if chosen is None or chosen in (start, end) else 0.25
        drawing.arrow(*places[start], *places[end], COLOURS[groups[end] % len(COLOURS)], strength)
    for row, (x, y) in enumerate(places):
        colour = COLOURS[groups[row] % len(COLOURS)]
        opacity = 0.85 if row in lit else 0.2
        drawing.circle(x, y, radius, colour, opacity=opacity, tip=short(tips[row], 200), data_row=row)
        if chosen is not None and row in lit:
            width = 3 if row == chosen else 1.2
            ring = {"stroke": "currentColor", "stroke_width": width, "pointer_events": "none"}
            drawing.circle(x, y, radius + 3, "none", **ring)
    return drawing.svg()


def _legend(drawing: Drawing, names: Sequence[str]) -> None:
    """The names beside their colours, in one line; those that have no room in it are left out."""
    x = 6.0
    for number, name in enumerate(names[: len(COLOURS)]):
        words = short(name, 26)
        if x + 7 * len(words) + 10 > WIDTH:
            break
        drawing.circle(x, 36, 5, COLOURS[number])
        drawing.text(x + 10, 40, words)
        x += 7 * len(words) + 30

"""A line through a few points, as an SVG."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT, EDGE = 480, 280, 50


def draw(points: Sequence[tuple[int, float]], below: str, above: str) -> str:
    """Points (name of the place, value above 0), evenly spaced -> the text of an SVG; `below` and `above` name the
    axes."""
    most = 1.1 * max(value for _, value in points)
    step = (WIDTH - 2 * EDGE) / max(1, len(points) - 1)
    rise = (HEIGHT - 2 * EDGE) / most
    places = [(EDGE + step * k, HEIGHT - EDGE - rise * value) for k, (_, value) in enumerate(points)]
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#c2410c"/>'
        f'<text x="{x:.1f}" y="{y - 9:.1f}">{value:.3g}</text><text x="{x:.1f}" y="{HEIGHT - EDGE + 18}">{name}</text>'
        for (x, y), (name, value) in zip(places, points, strict=True)
    )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" text-anchor="middle"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<path d="M{EDGE} {EDGE // 2}V{HEIGHT - EDGE}H{WIDTH - EDGE // 2}" fill="none" stroke="#333"/>'
        f'<polyline points="{line}" fill="none" stroke="#c2410c" stroke-width="2"/>{marks}'
        f'<text x="{WIDTH // 2}" y="{HEIGHT - 12}">{below}</text>'
        f'<text x="{EDGE + 20}" y="16">{above}</text></svg>\n'
    )

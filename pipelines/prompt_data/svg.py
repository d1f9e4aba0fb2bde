"""Drawing plots as inline SVG.

Words and axes have the colour of the text around the plot and the background stays clear, so that one drawing looks
right on a light and on a dark page; the other colours stand out on both.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from safeguards.wording import printable

# Each has a contrast of at least 3 : 1 with white and with near-black.
COLOURS = ("#2b8f78", "#c4603f", "#4f7fc4", "#a8780f", "#a0609f", "#6f8a2e", "#c2577c", "#7f7f78")
WIDTH = 720


@dataclass
class Drawing:
    """A drawing of `width` x `height` units, from the top left; it is scaled to the room it gets."""

    title: str
    height: float
    width: float = WIDTH
    parts: list[str] = field(default_factory=list)

    def rect(self, x: float, y: float, width: float, height: float, colour: str, **more: object) -> None:
        """A filled rectangle; negative sizes are none."""
        size = {"x": x, "y": y, "width": max(width, 0), "height": max(height, 0), "fill": colour}
        self._add("rect", size, **more)

    def circle(self, x: float, y: float, radius: float, colour: str, **more: object) -> None:
        """A filled circle."""
        self._add("circle", {"cx": x, "cy": y, "r": radius, "fill": colour}, **more)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str = "currentColor", width: float = 1, **more: object
    ) -> None:
        """A straight line."""
        ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "stroke": colour, "stroke-width": width}
        self._add("line", ends, **more)

    def arrow(self, x1: float, y1: float, x2: float, y2: float, colour: str, strength: float = 1.0) -> None:
        """A thin line that ends in a point; with a `strength` below 1 it steps back."""
        self.line(x1, y1, x2, y2, colour, 1.2, opacity=0.6 * strength)
        length = math.hypot(x2 - x1, y2 - y1)
        if length > 12:
            dx, dy = (x2 - x1) / length, (y2 - y1) / length
            tip, left, right = (
                f"{x2 - back * dx - side * dy:.1f},{y2 - back * dy + side * dx:.1f}"
                for back, side in ((4, 0), (10, 3), (10, -3))
            )
            self._add("polygon", {"points": f"{tip} {left} {right}", "fill": colour}, opacity=0.8 * strength)

    def text(self, x: float, y: float, words: object, anchor: str = "start", size: float = 12, **more: object) -> None:
        """Words that begin, end or have their middle at x."""
        place = {"x": x, "y": y, "text-anchor": anchor, "font-size": size, "fill": "currentColor"}
        self.parts.append(f"<text{_attributes({**place, **more})}>{escaped(words)}</text>")

    def svg(self) -> str:
        """The drawing as one `<svg>` element for a page; `standalone` makes a file of it."""
        head = _attributes(
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {self.width:g} {self.height:g}",
                "role": "img",
                "font-family": "inherit",
                "style": f"width:100%;max-width:{self.width * 1.3:g}px;height:auto;display:block",
            }
        )
        return f"<svg{head}><title>{escaped(self.title)}</title>{''.join(self.parts)}</svg>"

    def _add(self, name: str, attributes: dict[str, object], tip: str = "", **more: object) -> None:
        inside = f"<title>{escaped(tip)}</title>" if tip else ""
        self.parts.append(f"<{name}{_attributes({**attributes, **more})}>{inside}</{name}>")


def standalone(svg: str) -> str:
    """A drawing as a file of its own, which follows the light or dark setting of whoever opens it."""
    style = (
        "<style>:root{color:#1d1f1d;background:#fff;font-family:system-ui,sans-serif}"
        "@media(prefers-color-scheme:dark){:root{color:#f3f3ef;background:#141614}}</style>"
    )
    start = svg.index(">") + 1
    return svg[:start] + style + svg[start:]


def escaped(words: object) -> str:
    """Words that can stand in HTML and SVG, whatever they are."""
    return html.escape(printable(str(words)))


def short(words: object, length: int) -> str:
    """Words cut to a length, with an ellipsis."""
    text = " ".join(str(words).split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


@dataclass(frozen=True)
class Scale:
    """From values in [low, high] to places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, zero: bool = False, room: float = 0.0) -> Scale:
        """A scale that holds all values that are finite, and 0 if asked for, with a share of `room` at both ends."""
        known = [float(value) for value in values if math.isfinite(value)] + ([0.0] if zero else [])
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if high - low < 1e-6 * max(1.0, abs(high)):  # closer than labels can tell apart
            low, high = (low - 0.5, high + 0.5) if not zero or high == low == 0 else (min(low, 0), max(high, 0))
        margin = (high - low) * room
        return cls(low - (0 if zero and low == 0 else margin), high + margin, start, end)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """About `count` round values inside."""
        rough = (self.high - self.low) / max(count, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def _attributes(table: dict[str, object]) -> str:
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_number(value) if isinstance(value, float) else escaped(value)}"'
        for name, value in table.items()
    )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")

"""What stands on the wall while pictures are being made: progress, the candidates as they form, or one sentence."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tabs.watching import View

if TYPE_CHECKING:
    from PIL import Image


def notice(text: str, kind: str = "error", more: str = "") -> str:
    """One sentence in a quiet box, and `more` about it in small print; `kind` is "error" or "plain"."""
    role = ' role="alert"' if kind == "error" else ' role="status"'
    small = f"<small>{escape(more)}</small>" if more else ""
    return f'<div class="notice {kind}"{role}>{escape(text)}{small}</div>'


def tells_of_an_error(shown: str | None) -> bool:
    """Whether `shown` is a `notice` of the kind "error"."""
    return (shown or "").startswith('<div class="notice error"')


def progress(view: View, loading: str = "") -> str:
    """Bar, words and live candidates of a job that waits or runs; `loading` names a model on its way into memory."""
    step = view.step
    words = [headline(view, loading)]
    if view.state == "running" and step is not None:
        words.append(clock(view.elapsed, view.left))
    share = 100 * step.number / step.total if step is not None and step.total else 0
    text = "".join(f"<span>{escape(word)}</span>" for word in words)
    moving = "" if step is not None else " moving"
    pictures = board(step.previews, step.data) if step is not None else ""
    return f'<div class="progress{moving}" role="status"><div class="words">{text}</div>{bar(share)}{pictures}</div>'


def clock(elapsed: float, left: float | None) -> str:
    """Seconds that have gone, and those that are left: in minutes where seconds would be more than a guess can tell."""
    if left is None or left < 1:
        return f"{elapsed:.0f} s"
    return f"{elapsed:.0f} s, about {f'{left:.0f} s' if left < 100 else f'{left / 60:.0f} min'} left"


def bar(share: float) -> str:
    """A bar of which `share` per cent are done."""
    return f'<div class="bar-of-progress"><i style="width:{share:.0f}%"></i></div>'


def headline(view: View, loading: str = "") -> str:
    """What a job does now, in words."""
    if view.state == "waiting":
        before = {0: "Next in line", 1: "1 job before yours"}.get(view.ahead, f"{view.ahead} jobs before yours")
        return before + (f", starts in about {view.starts_in:.0f} s" if view.starts_in else "")
    if view.step is None:
        return loading or "Starting"
    note = f"  ·  {view.step.note}" if view.step.note else ""
    return f"Step {view.step.number} of {view.step.total}{note}"


def board(previews: Sequence[Image.Image], data: Mapping[str, Any], side: int = 192, columns: int | None = None) -> str:
    """The candidates by index, at most `side` pixels large, so many side by side.

    `data` may tell which were `dropped` and the `scores` measured on the way.
    """
    if not previews:
        return ""
    columns = columns or (min(4, len(previews)) if len(previews) <= 8 else 6)
    dropped, scores = data.get("dropped", {}), data.get("scores", {})
    figures = "".join(
        f'<figure class="{"gone" if index in dropped else ""}"><img src="{_data_uri(picture, side)}" '
        f'alt="candidate {index + 1}">'
        + (f"<figcaption>{scores[index]:.3f}</figcaption>" if index in scores else "")
        + "</figure>"
        for index, picture in enumerate(previews)
    )
    return f'<div class="board" style="--columns:{columns}">{figures}</div>'


def _data_uri(picture: Image.Image, side: int) -> str:
    # A page gets some of these every second, so they are small: about 3 kB each.
    small = picture.convert("RGB")
    small.thumbnail((side, side))
    file = BytesIO()
    small.save(file, "webp", quality=60, method=1)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()

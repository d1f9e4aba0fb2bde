"""What stands on the wall while a run goes on: canvases, pace, the loss of every prompt, and the changes made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from safeguards.admit_video import duration
from tabs.stage import bar, board, headline
from tabs.watching import View

WIDTH, HEIGHT = 600, 150  # of the plot's own units; it is stretched to the width of the page
COLOURS = 8
LONGEST = 60  # characters of a label


def draw(view: View, loading: str = "") -> str:
    """HTML of a run that waits or goes on."""
    step = view.step
    if view.state != "running" or step is None:
        return f'<div class="progress moving" role="status">{_words([headline(view, loading)])}{bar(0)}</div>'
    data = step.data
    frame = f"frame {data['frame']} of {data['frames']}" if "frame" in data else ""
    first = f"Step {step.number:,} of {step.total:,}" if step.number else "Drawing what to start from"
    said = [] if step.note in ("paused", frame) else [step.note]  # a change that was refused, or a round of judging
    words = ["Paused"] * bool(data.get("paused")) + [first, frame, *said]
    left = " · ".join(filter(None, words))
    share = 100 * step.number / step.total if step.total else 0
    columns = math.ceil(math.sqrt(len(step.previews)))
    pictures = board(step.previews, data, 384 if columns == 1 else 224, columns)
    plot = curves(data.get("at", ()), data.get("curves", {}))
    kind = "progress painting paused" if data.get("paused") else "progress painting"
    return (
        f'<div class="{kind}" role="status">{_words([left, _pace(view)])}{bar(share)}'
        f'<div class="easel"><div class="canvases">{pictures}</div><div class="beside">{plot}'
        f"{changes(data.get('log', ()))}</div></div></div>"
    )


def _pace(view: View) -> str:
    data = view.step.data if view.step is not None else {}
    words = [f"{view.elapsed:.0f} s"]
    if each := data.get("seconds_per_step"):
        words.append(f"{1 / each:.1f} steps/s" if each < 1 else f"{each:.1f} s a step")
    left = data.get("left", view.left)
    if left is not None and not data.get("paused"):
        words.append(f"about {duration(round(left))} left" if left >= 1 else "nearly done")
    if data.get("planned_mb"):
        words.append(f"{data['planned_mb']:,.0f} MB planned")
    return " · ".join(words)


def _words(texts: Sequence[str]) -> str:
    return f'<div class="words">{"".join(f"<span>{escape(text)}</span>" for text in texts)}</div>'


def curves(at: Sequence[int], losses: Mapping[str, Sequence[float | None]]) -> str:
    """The course of every loss as a small plot with its legend; "" before there are two points."""
    shown = {label: values for label, values in losses.items() if any(values)}  # what never pulled is no news
    numbers = [value for values in shown.values() for value in values if value is not None]
    if len(at) < 2 or not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0
    lines, legend = [], []
    for place, (label, values) in enumerate(shown.items()):
        kind = f"line-{place % COLOURS}"
        lines += [f'<polyline class="{kind}" points="{points}"/>' for points in _runs(at, values, low, span)]
        last = next(value for value in reversed(values) if value is not None)
        legend.append(f'<li><i class="{kind}"></i><span>{escape(label[:LONGEST])}</span><b>{last:.3f}</b></li>')
    scale = f'<div class="scale"><span>{high:.2f}</span><span>{low:.2f}</span></div>'
    return (
        f'<figure class="losses"><figcaption>Loss by prompt, steps {at[0]} to {at[-1]}</figcaption>'
        f'<div class="plot-area">{scale}<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="Losses by step, from {numbers[0]:.2f} on">{"".join(lines)}</svg></div>'
        f"<ul>{''.join(legend)}</ul></figure>"
    )


def _runs(at: Sequence[int], values: Sequence[float | None], low: float, span: float) -> list[str]:
    """The points of a line, broken where a prompt did not pull."""
    wide = max(at[-1] - at[0], 1)
    runs: list[list[str]] = [[]]
    for step, value in zip(at, values, strict=False):
        if value is None:
            runs.append([])
        else:
            x, y = (step - at[0]) / wide * WIDTH, HEIGHT - 4 - (value - low) / span * (HEIGHT - 8)
            runs[-1].append(f"{x:.1f},{y:.1f}")
    return [" ".join(run) for run in runs if len(run) > 1]


def changes(log: Sequence[Mapping[str, Any]]) -> str:
    """The changes that were made on the way, each with its step."""
    if not log:
        return ""
    lines = "".join(f"<li><b>{line['step']}</b> {escape(_change(line))}</li>" for line in log)
    return f'<details class="changes" open><summary>Changes on the way, by step</summary><ol>{lines}</ol></details>'


def _change(line: Mapping[str, Any]) -> str:
    named = {name: value for name, value in line.items() if name != "step"}
    if weight := named.pop("weight", None):
        named[f"weight of prompt {weight[0]}"] = weight[1]
    words = {"start_weight": "pull to the start", "tv": "smoothness", "cuts": "cut-outs", "rate": "learning rate"}
    return ", ".join(f"{words.get(name, name)} {_shown(value)}" for name, value in named.items())


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

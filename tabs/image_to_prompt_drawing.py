"""How a prompt grew, as pictures: its similarity curve, its terms with what each is worth, its token budget.

Everything returned here is HTML for `gr.HTML`, so every word that came from outside is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.image_to_prompt.chain import Prompt

WIDTH, HEIGHT, EDGE = 600, 120, 8  # units of the curve's drawing


@dataclass(frozen=True)
class Part:
    """A phrase of a prompt with its list, what it gained when it came, and what is lost without it (None: unknown)."""

    phrase: str
    kind: str
    gain: float
    loss: float | None = None


def parts_of(prompt: Prompt) -> list[Part]:
    """The terms of a finished prompt."""
    return [Part(term.phrase, term.kind, term.gain, term.loss) for term in prompt.terms]


def signed(value: float, digits: int = 3) -> str:
    """0.0123 -> "+0.012", with a real minus sign; what rounds to nothing has no sign."""
    text = f"{value:+.{digits}f}"
    return (text if float(text) else text[1:]).replace("-", "−")


def number(value: float, digits: int = 3) -> str:
    """-0.0123 -> "−0.012"; what rounds to nothing has no sign."""
    text = f"{value:.{digits}f}"
    return (text if float(text) else text.lstrip("-")).replace("-", "−")


def words(start: str, parts: Sequence[Part], growing: bool = False) -> str:
    """The prompt itself: its beginning, and each term with what it gained."""
    pieces = [f'<span class="start">{escape(start)}</span>'] if start else []
    pieces += [
        f'<span class="term" title="{escape(part.kind)}: {signed(part.gain)} when it was added">{escape(part.phrase)}'
        f"<small>{signed(part.gain)}</small></span>"
        for part in parts
    ]
    cursor = "<i></i>" if growing else ""
    return f'<p class="prompt-words{" draft" if growing else ""}">{", ".join(pieces)}{cursor}</p>'


def meter(tokens: int, limit: int) -> str:
    """How much of the token budget is used."""
    if not limit:
        return ""
    share = min(100.0, 100 * tokens / limit)
    full = " full" if share > 95 else ""
    return (
        f'<div class="meter{full}" role="meter" aria-label="Token budget" aria-valuemin="0" aria-valuemax="{limit}" '
        f'aria-valuenow="{tokens}"><span>{tokens} of {limit} tokens</span>'
        f'<div class="bar-of-progress"><i style="width:{share:.0f}%"></i></div></div>'
    )


def curve(values: Sequence[float], names: Sequence[str]) -> str:
    """The similarity after each step; `names` says what each step added. "" for fewer than two steps."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = high - low or 1.0

    def place(step: int, value: float) -> tuple[float, float]:
        x = EDGE + (WIDTH - 2 * EDGE) * step / (len(values) - 1)
        return x, HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value - low) / span

    spots = [place(step, value) for step, value in enumerate(values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    area = f"{EDGE},{HEIGHT} {line} {WIDTH - EDGE},{HEIGHT}"
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(name)}: {number(value, 4)}</title></circle>'
        for (x, y), value, name in zip(spots, values, names, strict=True)
    )
    return (
        f'<figure class="rise"><figcaption><span>Similarity to the picture</span><b>{number(values[0])} → '
        f'{number(values[-1])}</b></figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Similarity from {number(values[0])} to {number(values[-1])}">'
        f'<polygon points="{area}"/><polyline points="{line}"/>{dots}</svg></figure>'
    )


def grown(start: str, parts: Sequence[Part], values: Sequence[float]) -> str:
    """The curve of a prompt, with the names of its steps."""
    names = ([start] if start else []) + [part.phrase for part in parts]
    return curve(values, names) if len(names) == len(values) else ""


def worth(parts: Sequence[Part], away: bool = False) -> str:
    """The terms as a table: what each gained when it was added, and what the whole prompt loses without it.

    With `away`, in a negative prompt, it is the fall that was wanted.
    """
    if not parts:
        return ""
    known = any(part.loss is not None for part in parts)
    most = max(max(abs(part.gain), abs(part.loss or 0)) for part in parts) or 1.0
    rows = "".join(_worth_row(part, most, known, away) for part in parts)
    lost = '<th scope="col" title="How much the similarity falls when this phrase alone is left out">Worth now</th>'
    gain = "Change" if away else "Gain"
    heads = f'<th scope="col">Phrase</th><th scope="col">{gain} when added</th>{lost if known else ""}'
    return f'<div class="worth"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _worth_row(part: Part, most: float, known: bool, away: bool) -> str:
    lost = "<td>–</td>" if part.loss is None else f"<td>{_bar(part.loss, most, away)}</td>"
    name = f"{escape(part.phrase)} <small>{escape(part.kind)}</small>"
    return f'<tr><th scope="row">{name}</th><td>{_bar(part.gain, most, away)}</td>{lost if known else ""}</tr>'


def _bar(value: float, most: float, away: bool) -> str:
    unwanted = value > 0 if away else value < 0
    return (
        f'<span class="worth-bar{" minus" if unwanted else ""}"><i style="width:{100 * abs(value) / most:.0f}%"></i>'
        f"<b>{signed(value)}</b></span>"
    )

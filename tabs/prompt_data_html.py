"""How the view of prompts shows figures, tables and plots, as HTML; every word from a file is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from pipelines.prompt_data.svg import escaped, short

_FIGURE = re.compile(r"[−\d.,]+( to [−\d.,]+| %)?")
WORDS = 220  # letters of a prompt in a table


def figures(rows: Iterable[tuple[str, str]]) -> str:
    """Names with their values in large letters."""
    cells = "".join(f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>" for name, value in rows)
    return f'<dl class="figures">{cells}</dl>'


def table(header: Sequence[str], rows: Iterable[Sequence[object]], best: int | None = None) -> str:
    """A table; numbers stand to the right, None is a dash, and the row number `best` stands out."""
    lines = [list(row) for row in rows]
    kinds = [_is_number([row[place] for row in lines if row[place] is not None]) for place in range(len(header))]
    heads = "".join(
        f'<th scope="col"{_number(kind)}>{escaped(name)}</th>' for name, kind in zip(header, kinds, strict=True)
    )
    body = "".join(
        f"<tr{' class=best' if number == best else ''}>{''.join(map(_cell, row, kinds))}</tr>"
        for number, row in enumerate(lines)
    )
    return f'<div class="atelier-data-table"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def plots(*drawings: str) -> str:
    """Drawings below each other."""
    return "".join(f'<div class="atelier-data-plot">{drawing}</div>' for drawing in drawings if drawing)


def paragraph(words: str) -> str:
    """A line in small print."""
    return f'<p class="model-note">{escaped(words)}</p>' if words else ""


def fold(title: str, inside: str, is_open: bool = False) -> str:
    """Something that is shown when its title is pressed."""
    state = " open" if is_open else ""
    return f'<details class="atelier-data-fold"{state}><summary>{escape(title)}</summary>{inside}</details>'


def _is_number(column: Sequence[object]) -> bool:
    return bool(column) and all(isinstance(each, int | float) or _FIGURE.fullmatch(str(each)) for each in column)


def _number(kind: bool) -> str:
    return ' class="number"' if kind else ""


def _cell(value: object, kind: bool) -> str:
    if value is None:
        return f"<td{_number(kind)}>–</td>"
    if isinstance(value, float):
        return f"<td{_number(kind)}>{value:.3f}</td>".replace(">-", ">−")
    if isinstance(value, int):
        return f"<td{_number(kind)}>{value:,}</td>"
    return f"<td{_number(kind)}>{escaped(short(value, WORDS))}</td>"

"""Prompts as people read them: one picture with what every method says about it.

Everything returned here is HTML for `gr.HTML`, so every word that came from outside is escaped here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from tabs import image_to_prompt_drawing as drawing
from tabs.captioning_cards import pager
from tabs.captioning_pictures import asks
from tabs.image_to_prompt_controls import METHOD_TITLES

if TYPE_CHECKING:
    from pipelines.image_to_prompt.interrogator import Found
    from pipelines.image_to_prompt.rows import PromptRow

OTHERS = 8  # further texts in sight
Titles = Mapping[str, str]


def title_of(method: str, titles: Titles) -> str:
    """ "caption:blip-base" -> "BLIP base"."""
    if method.startswith("caption:"):
        name = method.removeprefix("caption:")
        return titles.get(name, name)
    return METHOD_TITLES.get(method, method)


def chosen_of(rows: Sequence[PromptRow], method: str = "") -> PromptRow | None:
    """The row of `method`, else the one to begin with: the exact prompt, or that with the highest cosine.

    A negative prompt, which is made to fit least, is begun with only where there is no other.
    """
    answered = [row for row in rows if row.prompt]
    for row in answered:
        if row.method == method:
            return row
    exact = [row for row in answered if row.exact]
    return (exact or sorted(answered, key=lambda row: (row.negative, -(row.cosine or 0))) or [None])[0]


def reading(rows: Sequence[PromptRow], titles: Titles, picture: str, of: int, method: str = "") -> str:
    """All prompts of one picture; `picture` is its data URI, `of` how many there are, `method` the one in use."""
    first = rows[0]
    shown = f'<img src="{picture}" alt="{escape(first.name)}">' if picture else '<p class="unread">no picture</p>'
    turn = pager("show", first.picture, of, "picture") if of > 1 else ""
    used = chosen_of(rows, method)
    cards = "".join(_card(row, titles, row is used, len(rows)) for row in rows)
    return (
        f'<div class="reading prompts"><figure class="seen"><div>{shown}</div><figcaption>{escape(first.name)}'
        f'</figcaption>{turn}</figure><div class="prompt-cards">{cards}</div></div>'
    )


def _card(row: PromptRow, titles: Titles, used: bool, of: int) -> str:
    title = title_of(row.method, titles)
    if row.error:
        head = f"<h3>{escape(title)}</h3>" if row.method else ""
        return f'<section class="prompt-card">{head}<p class="notice error">{escape(row.error)}</p></section>'
    badge = '<b class="exact">exact</b>' if row.exact else ""
    figures = [] if row.cosine is None else [f'<span title="Cosine by CLIP">{drawing.number(row.cosine)}</span>']
    figures += [f"<span>{row.seconds:.1f} s</span>"] if row.seconds >= 0.05 else []
    head = f"<header><h3>{escape(title)}{badge}</h3><p>{''.join(figures)}</p></header>"
    note = f'<p class="model-note">{escape(row.note)}</p>' if row.note else ""
    return (
        f'<section class="prompt-card{" used" if used else ""}">{head}{_text(row)}{note}{_buttons(row, used, of)}'
        f"{_growth(row)}{_found(row.found)}{_others(row)}</section>"
    )


def _text(row: PromptRow) -> str:
    if row.grown is not None and row.grown.terms:
        return drawing.words(row.grown.start, drawing.parts_of(row.grown))
    kept = ' style="white-space:pre-wrap"' if row.exact else ""  # to the letter, with its line breaks
    return f'<p class="prompt-words"{kept}>{escape(row.prompt)}</p>'


def _buttons(row: PromptRow, used: bool, of: int) -> str:
    copy = f'<button type="button" class="plain-button" data-copy="{escape(row.prompt)}">Copy</button>'
    if of < 2:
        return f'<p class="prompt-buttons">{copy}</p>'
    use = (
        '<b class="picked" title="The buttons below send this one">★ in use</b>'
        if used
        else f'<button type="button" class="plain-button" {asks(use=row.method)}>Use this one</button>'
    )
    return f'<p class="prompt-buttons">{copy}{use}</p>'


def _growth(row: PromptRow) -> str:
    grown = row.grown
    if grown is None:
        return ""
    parts = drawing.parts_of(grown)
    worth = f"<summary>What each phrase is worth</summary>{drawing.worth(parts, row.negative)}"
    table = f"<details open>{worth}</details>" if parts else ""
    return drawing.meter(grown.tokens, grown.limit) + drawing.grown(grown.start, parts, grown.curve) + table


def _found(found: Mapping[str, Sequence[Found]]) -> str:
    if not found:
        return ""
    return '<div class="found">' + "".join(_list(kind, rows) for kind, rows in found.items() if rows) + "</div>"


def _list(kind: str, rows: Sequence[Found]) -> str:
    lines = "".join(
        f"<li><span>{escape(each.phrase)}</span><b>{100 * each.share:.0f} %</b>"
        f'<i style="width:{100 * each.share:.0f}%"></i></li>'
        for each in rows
    )
    return f"<section><h4>{escape(kind)}</h4><ol>{lines}</ol></section>"


def _others(row: PromptRow) -> str:
    others = [(text, value) for text, value in row.others if text != row.prompt][:OTHERS]
    if not others:
        return ""
    lines = "".join(f"<li><span>{escape(text)}</span><b>{drawing.number(value)}</b></li>" for text, value in others)
    return f'<details class="others"><summary>Next after it</summary><ol>{lines}</ol></details>'

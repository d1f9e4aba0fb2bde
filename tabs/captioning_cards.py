"""Captions as people read them: words coloured by how sure the model was, with all figures, side by side.

Everything returned here is HTML for `gr.HTML`, so every word that came from outside is escaped here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from tabs.captioning_pictures import asks

if TYPE_CHECKING:
    from pipelines.captioning.rows import CaptionRow, ScoredCaption

COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2}  # by number of captioners
UNSURE = 0.5  # below it a word is underlined, too, for those who do not see the colour
LEGEND = (
    '<p class="sure-scale"><span>unsure</span><i></i><span>sure of the word</span>'
    '<button type="button" class="plain-button numbers-switch">Show or hide percentages</button></p>'
)


@dataclass(frozen=True)
class Spot:
    """A word whose heat map lies over the picture: where it stands, the word, and the overlay as a data URI."""

    captioner: str
    place: int
    word: int
    text: str
    overlay: str


def detail(
    rows: Sequence[CaptionRow], titles: Mapping[str, str], picture: str, spot: Spot | None = None, of: int = 1
) -> str:
    """All captions of one picture, a column for each captioner; `picture` is its data URI, `of` how many there are."""
    first = rows[0]
    shown = f'<img src="{picture}" alt="{escape(first.name)}">' if picture else '<p class="unread">no picture</p>'
    heat = f'<img class="heat" src="{spot.overlay}" alt="">' if spot else ""
    words = [escape(first.name), *([escape(first.note)] if first.note else [])]
    pager = _pager("show", first.picture, of, "picture") if of > 1 else ""
    told = f'<p class="heat-told" role="status">{_told(spot)}</p>' if spot else ""
    columns = "".join(_column(row, titles, spot) for row in rows)
    return (
        f'<div class="reading{" beside" if len(rows) > 1 else ""}"><figure class="seen"><div>{shown}{heat}</div>'
        f"<figcaption>{' · '.join(words)}</figcaption>{told}{pager}</figure>{_pick(rows, titles)}"
        f'<div class="readers" style="--columns:{COLUMNS[len(rows)]}">{columns}{_below(rows)}</div></div>'
    )


def _pick(rows: Sequence[CaptionRow], titles: Mapping[str, str]) -> str:
    """The picked caption in large letters, where several captioners stand side by side."""
    chosen = [(row, each) for row in rows for each in row.captions if each.chosen]
    if len(rows) < 2 or not chosen:
        return ""
    row, scored = chosen[0]
    by = escape(titles.get(row.captioner, row.captioner))
    return (
        f'<blockquote class="pick"><p>{escape(scored.text)}</p><footer>★ picked from all, by {by}</footer></blockquote>'
    )


def _told(spot: Spot) -> str:
    hide = f'<button type="button" class="plain-button" {asks(cool=True)}>Hide it</button>'
    return f"Warm colours: where it saw “{escape(spot.text)}”. {hide}"


def _below(rows: Sequence[CaptionRow]) -> str:
    return LEGEND if any(row.captions for row in rows) else ""


def _pager(key: str, number: int, of: int, what: str) -> str:
    def step(to: int, sign: str, word: str) -> str:
        off = "" if 0 <= to < of else " disabled"
        return f'<button type="button" aria-label="{word} {what}"{off} {asks(**{key: to})}>{sign}</button>'

    turn = step(number - 1, "‹", "Previous"), step(number + 1, "›", "Next")
    return f'<div class="pager">{turn[0]}<span>{number + 1:,} of {of:,}</span>{turn[1]}</div>'


pager = _pager


def _column(row: CaptionRow, titles: Mapping[str, str], spot: Spot | None) -> str:
    title = f"<h3>{escape(titles.get(row.captioner, row.captioner))}</h3>" if row.captioner else ""
    if row.error:
        return f'<section>{title}<p class="notice error">{escape(row.error)}</p></section>'
    said = "".join(_caption(row, place, each, spot) for place, each in enumerate(row.captions))
    return f"<section>{title}<ol>{said}</ol></section>"


def _caption(row: CaptionRow, place: int, scored: ScoredCaption, spot: Spot | None) -> str:
    hot = spot.word if spot and (spot.captioner, spot.place) == (row.captioner, place) else None
    caption = scored.caption
    pairs = zip(caption.words, caption.confidences, strict=True)
    words = " ".join(_word(row, place, k, word, sure, k == hot) for k, (word, sure) in enumerate(pairs))
    star = '<b class="picked" title="The consensus of all captions">★ picked</b>' if scored.chosen else ""
    told = f'<p class="said-figures">{star}{figures(scored)}</p>'
    return f'<li class="{"chosen" if scored.chosen else ""}"><p class="said">{words}</p>{told}</li>'


def _word(row: CaptionRow, place: int, number: int, word: str, sure: float, is_hot: bool) -> str:
    percent, text = f"{100 * sure:.0f} %", escape(word)
    asked = asks(picture=row.picture, captioner=row.captioner, place=place, word=number)
    classes = f"word{' doubtful' if sure < UNSURE else ''}{' hot' if is_hot else ''}"
    return (
        f'<button type="button" class="{classes}" style="--doubt:{100 * (1 - sure):.0f}%" '
        f'aria-pressed="{str(is_hot).lower()}" title="{text}: {percent} sure. Click to see where." {asked}>'
        f"{text}<small>{percent}</small></button>"
    )


def figures(scored: ScoredCaption) -> str:
    """What speaks for a caption, in a line."""
    items = [("log-prob.", scored.caption.log_probability, "{:.2f}", "Natural logarithm; nearer to 0 is likelier")]
    items += [("CLIPScore", scored.clip_score, "{:.3f}", "0 to 2.5, by the CLIP chosen beside")]
    items += [("agreement", scored.agreement, "{:.2f}", "Likeness to all captions of the picture, at most 1")]
    items += [("consensus", scored.consensus, "{:.3f}", "Agreement and CLIPScore together")]
    return "".join(
        f'<span title="{about}">{name} <b>{form.format(value).replace("-", "−")}</b></span>'
        for name, value, form, about in items
        if value is not None
    )

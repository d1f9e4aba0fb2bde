"""The captions of a run as a table to correct, page by page, and the files made of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines.captioning.namesakes import names
from pipelines.captioning.table import MAX_CAPTION, TableRow, clean, table, write_csv, write_jsonl
from safeguards.wording import file_name
from tabs.captioning_cards import pager
from tabs.captioning_pictures import asks
from tabs.captioning_thumbnails import thumbnail

if TYPE_CHECKING:
    from common.settings import Settings
    from pipelines.captioning.rows import CaptionResult, CaptionRow, ScoredCaption

PAGE = 12  # pictures in sight at a time
Key = tuple[int, str, int]  # picture, captioner, place of the caption
Edits = dict[Key, str]


def key_text(key: Key) -> str:
    """A key as a page knows it."""
    return json.dumps(key)


def with_edits(edits: Mapping[Key, str], changed: Iterable[Sequence[Any]], result: CaptionResult) -> Edits:
    """`edits` and those that a page tells as pairs of key and text; captions that are as they were count for none.

    Raises BadRequest for a key that is none of this result, and for a caption that is too long.
    """
    made = {
        (row.picture, row.captioner, place): clean(each.text)
        for row in result.rows
        for place, each in enumerate(row.captions)
    }
    both = dict(edits)
    for text_of_key, text in changed:
        key = _key(text_of_key)
        if key not in made:
            raise BadRequest("This table belongs to an older run. Reload the page to edit the newest one.")
        both[key] = clean(text)
    return {key: text for key, text in both.items() if text != made.get(key)}


def _key(text: Any) -> Key | None:
    try:
        picture, captioner, place = json.loads(text)
        return int(picture), str(captioner), int(place)
    except (TypeError, ValueError):
        return None


def pages(result: CaptionResult) -> int:
    """How many pages the table has."""
    return max(1, -(-result.pictures // PAGE))


def sheet(result: CaptionResult, edits: Mapping[Key, str], page: int, picked_only: bool, settings: Settings) -> str:
    """One page of the table: a line for each caption, with its picture, a box to correct it in, and its figures."""
    first = page * PAGE
    named = names(result.rows)  # as the saved table has them
    rows = [
        replace(row, name=file_name(named[str(row.path)])) for row in result.rows if first <= row.picture < first + PAGE
    ]
    several = len(result.titles) > 1
    lines = "".join(_lines(row, edits, picked_only, result.titles if several else {}, settings) for row in rows)
    turn = pager("page", page, pages(result), "page") if pages(result) > 1 else ""
    head = (
        "<div class='heads'><span>Picture</span><span>Caption</span><span>log-prob.</span><span>CLIPScore</span></div>"
    )
    return f'<div class="sheet">{head}{lines}</div>{turn}'


def _lines(
    row: CaptionRow, edits: Mapping[Key, str], picked_only: bool, titles: Mapping[str, str], settings: Settings
) -> str:
    if row.error and not (picked_only and row.captioner):
        said = f'<p class="refused">{escape(row.error)}</p>'
        return f'<div class="entry">{_picture(row, settings, titles)}{said}</div>'
    some = [(place, each) for place, each in enumerate(row.captions) if each.chosen or not picked_only]
    return "".join(
        f'<div class="entry">{_picture(row, settings, titles)}{_box(row, place, each, edits)}</div>'
        for place, each in some
    )


def _picture(row: CaptionRow, settings: Settings, titles: Mapping[str, str]) -> str:
    picture, name = thumbnail(str(row.path), settings), escape(row.name)
    shown = f'<img src="{picture}" alt="">' if picture else '<span class="unread"></span>'
    by = f"<em>{escape(titles[row.captioner])}</em>" if row.captioner in titles else ""
    by += f"<em>{escape(row.note)}</em>" if row.note else ""
    look = f'<button type="button" aria-label="Look at {name}" {asks(show=row.picture)}>{shown}</button>'
    return f'<div class="of">{look}<span>{name}{by}</span></div>'


def _box(row: CaptionRow, place: int, scored: ScoredCaption, edits: Mapping[Key, str]) -> str:
    key = (row.picture, row.captioner, place)
    is_edited = key in edits
    text = edits.get(key, clean(scored.text))
    numbers = [scored.caption.log_probability, scored.clip_score]
    forms = ("{:.2f}", "{:.3f}")
    cells = "".join(
        "<span>–</span>" if is_edited or value is None else f"<span>{form.format(value).replace('-', '−')}</span>"
        for form, value in zip(forms, numbers, strict=True)
    )
    star = '<i title="The consensus picks it">★</i>' if scored.chosen else ""
    return (
        f'<label class="box{" edited" if is_edited else ""}">{star}<textarea rows="1" maxlength="{MAX_CAPTION}" '
        f'data-key="{escape(key_text(key))}" aria-label="Caption {place + 1} of {escape(row.name)}">{escape(text)}'
        f"</textarea></label>{cells}"
    )


def chosen_rows(result: CaptionResult, edits: Mapping[Key, str], picked_only: bool) -> list[TableRow]:
    """The table as it is to be saved."""
    rows = table(result.rows, edits)
    return [row for row in rows if row.chosen] if picked_only else rows


def as_text(rows: Sequence[TableRow], kind: str) -> str:
    """The contents of a "csv" or "jsonl" file of these rows. Raises BadRequest when there are none."""
    if not rows:
        raise BadRequest("There is no caption left to save.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"captions.{kind}"
        (write_csv if kind == "csv" else write_jsonl)(rows, path)
        return path.read_bytes().decode("utf-8")

"""Captions as a table: to look at, to correct, and to train with. CSV and JSONL, safe to open in a spreadsheet.

The columns `file_name` and `caption` are what data loaders of image and text pairs look for (a `metadata.csv` or
`metadata.jsonl` beside the pictures); the others say where a caption comes from.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from common.errors import BadRequest
from pipelines.captioning.namesakes import names
from pipelines.captioning.rows import CaptionRow
from safeguards.wording import refuse

MAX_CAPTION = 1_000  # characters
MAX_ROWS = 100_000
# A spreadsheet takes a cell that begins so for a formula, in the wide forms of East Asian keyboards as well, and some
# look past blanks for it.
_FORMULAS = tuple("=+-@＝＋－＠")
_BLANKS = " \t\r\n\xa0'"


@dataclass(frozen=True)
class TableRow:
    """One caption of one picture.

    `log_probability` is the captioner's natural logarithm, `clip_score` is in [0, 2.5]; both are None where they are
    not known, as of a caption that was `edited` by hand. `chosen` marks the consensus of all captions of the picture.
    """

    file_name: str
    caption: str
    captioner: str = ""
    rank: int = 1
    log_probability: float | None = None
    clip_score: float | None = None
    chosen: bool = False
    edited: bool = False


COLUMNS = tuple(item.name for item in fields(TableRow))


def table(rows: Iterable[CaptionRow], edits: Mapping[tuple[int, str, int], str] | None = None) -> list[TableRow]:
    """The captions of a run, in its order. Pictures without any are left out; of several files with one name the
    first keeps it (see `names`).

    `edits` are captions corrected by hand, by (picture, captioner, place from 0): one that differs loses its numbers,
    which were those of other words; one that is empty is left out. Raises BadRequest for one longer than 1,000
    characters and for a place that holds no caption.
    """
    rows, edits, made = list(rows), dict(edits or {}), []
    named = names(rows)
    for row in rows:
        name = named[str(row.path)]
        for place, each in enumerate(row.captions):
            scores = {"log_probability": each.caption.log_probability, "clip_score": each.clip_score}
            found = TableRow(name, clean(each.text), row.captioner, place + 1, chosen=each.chosen, **scores)
            text = clean(edits.pop((row.picture, row.captioner, place), found.caption))
            if text != found.caption:
                found = replace(found, caption=text, log_probability=None, clip_score=None, edited=True)
            made += [found] if text else []
    if edits:
        picture, captioner, place = next(iter(edits))
        raise BadRequest(f"There is no caption {place + 1} of picture {picture + 1} by {captioner} to be edited.")
    return made


def clean(text: str) -> str:
    """A caption on one line, without characters that cannot be shown. Raises BadRequest above 1,000 characters."""
    if not isinstance(text, str):
        raise BadRequest(f"A caption must be a text, not {type(text).__name__}.")
    if len(text) > MAX_CAPTION:
        raise BadRequest(f"A caption has {len(text):,} characters; at most {MAX_CAPTION:,} are allowed.")
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def write_csv(rows: Sequence[TableRow], path: str | Path) -> Path:
    """Write the table as CSV that a spreadsheet reads as text, and return `path`. Raises OSError as `open` does.

    A cell that could be taken for a formula begins with an apostrophe, which `read_csv` takes away again.
    """
    with open(path, "w", encoding="utf-8-sig", newline="") as file:  # with its mark, or Excel guesses another coding
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([_cell(getattr(row, name)) for name in COLUMNS] for row in rows)
    return Path(path)


def write_jsonl(rows: Sequence[TableRow], path: str | Path) -> Path:
    """Write a line of JSON for each caption, and return `path`. Raises OSError as `open` does."""
    lines = (json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    Path(path).write_text("".join(lines), encoding="utf-8")
    return Path(path)


def read_table(path: str | Path) -> list[TableRow]:
    """Read what `write_csv` or `write_jsonl` wrote, or another file that has at least `file_name` and `caption`.

    JSONL is known by the end of the name, all else is read as CSV; other columns are passed over. Raises BadRequest,
    with one sentence that names the line, for a file that is not so.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            is_json = Path(path).suffix.lower() in (".jsonl", ".ndjson")
            entries = ((n, json.loads(line)) for n, line in enumerate(file, 1) if line.strip()) if is_json else None
            return [_row(path, number, entry) for number, entry in (entries or _csv_entries(path, file))]
    except OSError:
        raise refuse(path, "is missing or cannot be read. Choose it again.") from None
    except UnicodeDecodeError:
        raise refuse(path, "is not a text in UTF-8. Please save it as such.") from None
    except (csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise refuse(path, f"cannot be read as a table of captions: {error}.") from None


def _csv_entries(path: str | Path, file: Any) -> Iterable[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(file)
    missing = {"file_name", "caption"} - set(reader.fieldnames or ())
    if missing:
        raise refuse(path, f"lacks the column {sorted(missing)[0]}; a table of captions has file_name and caption.")
    for entry in reader:
        yield reader.line_num, {name: _uncell(text) for name, text in entry.items() if isinstance(text, str)}


def _row(path: str | Path, number: int, entry: Any) -> TableRow:
    if number > MAX_ROWS:
        raise refuse(path, f"has more than {MAX_ROWS:,} lines, and no more are read.")
    try:
        return TableRow(
            file_name=_text(entry["file_name"]),
            caption=_text(entry["caption"]),
            captioner=entry.get("captioner") or "",
            rank=int(entry.get("rank") or 1),
            log_probability=_number(entry.get("log_probability")),
            clip_score=_number(entry.get("clip_score")),
            chosen=_truth(entry.get("chosen")),
            edited=_truth(entry.get("edited")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise refuse(path, f"has no sound caption in line {number:,} ({type(error).__name__}: {error}).") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text is missing")
    return value


def _number(value: Any) -> float | None:
    number = None if value in (None, "") else float(value)
    if number is not None and not math.isfinite(number):
        raise ValueError(f"{number} is no score")
    return number


def _truth(value: Any) -> bool:
    words = {True: True, "True": True, "true": True, "1": True, False: False, "False": False, "false": False}
    return {**words, "0": False, "": False, None: False}[value]


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and _could_run(value) else value


def _uncell(text: str) -> str:
    return text[1:] if text.startswith("'") and _could_run(text[1:]) else text


def _could_run(text: str) -> bool:
    """Whether a spreadsheet might take it for a formula; the same for a text and for it after an apostrophe."""
    bare = text.lstrip("'")
    return bare[:1] in ("\t", "\r", "\n") or bare.lstrip(_BLANKS).startswith(_FORMULAS)

"""Files of prompts: CSV, TSV, Parquet and JSON Lines, with the column found or the columns there are listed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safeguards.wording import megabytes, refuse, shown

MAX_MB = 500
MAX_ROWS = 1_000_000
MAX_CHARACTERS = 20_000
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
PROMPT_NAMES = ("prompt", "prompts", "caption", "captions", "text", "description", "title")
ID_NAMES = ("imgid", "image_id", "id", "image", "file_name", "filename", "file", "path")
SPLIT_NAMES = ("split", "fold", "subset", "part", "set")


@dataclass(frozen=True, eq=False)
class PromptTable:
    """The prompts of a file, in its order: `texts` with spaces at both ends taken off, "" where there was none.

    `ids` name the rows: those of the column of ids, or the number of the row, from 1 on. `splits` are the values of
    the column of splits, or empty. `column` is the one the prompts came from, `columns` are all there are.
    """

    name: str
    column: str
    columns: tuple[str, ...]
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    splits: tuple[str, ...] = ()


def read_prompts(path: str | Path, column: str = "", id_column: str = "", split_column: str | None = "") -> PromptTable:
    """Read the prompts of a file.

    A column that is not named is looked for: prompts under PROMPT_NAMES, ids under ID_NAMES, splits under SPLIT_NAMES,
    in any case of letters; `split_column` None looks for none. A file with a single column needs no name.
    Raises BadRequest, with one sentence that names the row or lists the columns, for any other file.
    """
    path = Path(path)
    columns, rows = _open(path)
    named = _named(path, columns, column, "prompts", PROMPT_NAMES if len(columns) > 1 else tuple(columns))
    if not named:
        raise refuse(path, f"has no column of prompts: it has {_listed(columns)}. Say which of them to read.")
    id_named = _named(path, columns, id_column, "ids", ID_NAMES)
    split_named = "" if split_column is None else _named(path, columns, split_column, "splits", SPLIT_NAMES)
    ids, texts, splits = [], [], []
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            raise refuse(path, f"has more than {MAX_ROWS:,} rows; take a part of it.")
        texts.append(_text(path, number, named, row.get(named)))
        ids.append(_word(row.get(id_named)) if id_named and id_named != named else str(number))
        splits.append(_word(row.get(split_named)) if split_named else "")
    if not any(texts):
        raise refuse(path, f"has no prompts: the column {shown(named)} is empty.")
    return PromptTable(path.name, named, tuple(columns), tuple(ids), tuple(texts), tuple(splits) if split_named else ())


def columns_of(path: str | Path) -> tuple[str, ...]:
    """The names of the columns of a file. Raises BadRequest as `read_prompts` does."""
    return tuple(_open(Path(path))[0])


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a file as tables by column. Raises BadRequest as `read_prompts` does, on the way, too."""
    return _open(Path(path))[1]


def prompts_by_id(path: str | Path, column: str = "") -> dict[str, str]:
    """The prompts of a file by id, in its order. Raises BadRequest for an id that comes twice, too."""
    table = read_prompts(path, column, split_column=None)
    seen: set[str] = set()
    for each in table.ids:
        if each in seen:
            raise refuse(path, f"has the image {shown(each)} twice; exactly one prompt an image is allowed.")
        seen.add(each)
    return dict(zip(table.ids, table.texts, strict=True))


def _open(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """The columns and the rows of a file, by the ending of its name."""
    try:
        size = path.stat().st_size
        if size > MAX_MB * 1e6:
            raise refuse(path, f"has {megabytes(size)}; at most {MAX_MB} MB are read. Take a part of it.")
        if path.suffix.lower() == ".parquet":
            return _parquet(path)
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            return _jsonl(path)
        if path.suffix.lower() in (".csv", ".tsv"):
            return _csv(path)
    except OSError:
        raise refuse(path, "is missing or cannot be read. Choose it again.") from None
    except UnicodeDecodeError:
        raise refuse(path, "is not a text in UTF-8; save it as CSV in UTF-8.") from None
    raise refuse(path, f"is of no kind that is read here; allowed are {', '.join(SUFFIXES)}.")


def _csv(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    text = path.read_text(encoding="utf-8-sig")
    lines = csv.reader(text.splitlines(keepends=True), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    header = [name.strip() for name in next(lines, [])]
    if not any(header):
        raise refuse(path, "is empty; it needs a first line with the names of the columns.")
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise refuse(path, f"has two columns {shown(twice)}; every column needs a name of its own.")
    return header, _csv_rows(path, lines, header)


def _csv_rows(path: Path, lines: Any, header: list[str]) -> Iterator[dict[str, Any]]:
    number = 0
    try:
        for number, row in enumerate((row for row in lines if row), start=1):
            if len(row) != len(header):
                raise refuse(
                    path,
                    f"has {len(row)} values in row {number:,} (line {lines.line_num:,}) where the first line names "
                    f"{len(header)} columns; a text with a comma needs quotes around it.",
                )
            yield dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise refuse(path, f"cannot be read as CSV after row {number:,}: {error}.") from None


def _jsonl(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    columns: dict[str, None] = {}
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise refuse(path, f"is no JSON Lines file: line {number:,} is no JSON.") from None
            if not isinstance(row, dict):
                raise refuse(path, f'needs a table such as {{"prompt": "…"}} in line {number:,}.')
            rows.append(row)
            columns |= dict.fromkeys(map(str, row))
    if not rows:
        raise refuse(path, "is empty.")
    return list(columns), iter(rows)


def _parquet(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException:
        raise refuse(path, "is no Parquet file, or is damaged.") from None
    wanted = [name for name in file.schema_arrow.names if _is_plain(file.schema_arrow.field(name).type)]
    rows = (row for batch in file.iter_batches(10_000, columns=wanted) for row in batch.to_pylist())
    return list(file.schema_arrow.names), rows


def _is_plain(kind: Any) -> bool:
    import pyarrow as pa

    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _named(path: Path, columns: Sequence[str], asked: str, what: str, usual: Sequence[str]) -> str:
    """The column asked for, or the first with a usual name, or ""."""
    if asked:
        if asked not in columns:
            raise refuse(path, f"has no column {shown(asked)} of {what}: it has {_listed(columns)}.")
        return asked
    by_lower = {name.casefold(): name for name in reversed(columns)}
    return next((by_lower[name.casefold()] for name in usual if name.casefold() in by_lower), "")


def _text(path: Path, number: int, column: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise refuse(path, f"has {shown(value)} in row {number:,} of the column {shown(column)}, where a text belongs.")
    if len(value) > MAX_CHARACTERS:
        raise refuse(path, f"has a text of {len(value):,} characters in row {number:,}; at most {MAX_CHARACTERS:,}.")
    return value.strip()


def _word(value: Any) -> str:
    return "" if value is None else str(value).strip()[:200]


def _listed(columns: Sequence[str]) -> str:
    names = ", ".join(shown(name) for name in columns[:20])
    return names + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")

"""An index as one file for other programs."""

from __future__ import annotations

import csv
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines.image_index.filters import Filters
from pipelines.image_index.store import SHOWN, ImageIndex
from safeguards.wording import shown

if TYPE_CHECKING:
    import pyarrow as pa

FORMS = ("csv", "jsonl", "parquet")
COLUMNS = (*SHOWN, "ranker", "revision", "dimension")


def export(
    index: ImageIndex,
    path: str | Path,
    filters: Filters | None = None,
    vectors: bool = False,
    place: Callable[[str], str] | None = None,
) -> int:
    """Write the rows that pass the filters to `path`, whose ending says the form; how many there were.

    ".csv": UTF-8, copies joined by " | ". ".jsonl": a JSON table a line, moments in ISO 8601. ".parquet": typed
    columns. With `vectors` a column "vector" of float32 comes along, which a CSV file has no form for.
    `place` says how the path of a picture is told, for readers who shall not know the folders of this machine.
    The file is there whole or not at all. Raises BadRequest for another ending, OSError as `open` does.
    """
    path = Path(path)
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise BadRequest(f"The form of the export is {shown(form)}; allowed are {', '.join(FORMS)}.")
    if vectors and form == "csv":
        raise BadRequest("A CSV file cannot hold the vectors; choose jsonl or parquet, or leave the vectors out.")
    batches = index.pictures((filters or Filters()).sql(), (*COLUMNS, "vector") if vectors else COLUMNS)
    batches = batches if place is None else (_placed(batch, place) for batch in batches)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        count = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[form](batches, part, index, vectors)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _csv(batches: Iterator[pa.RecordBatch], part: Path, *_: Any) -> int:
    count = 0
    with open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for batch in batches:
            rows = [{**_plain(row), "copies": " | ".join(row["copies"])} for row in batch.to_pylist()]
            writer.writerows(rows)
            count += len(rows)
    return count


def _jsonl(batches: Iterator[pa.RecordBatch], part: Path, *_: Any) -> int:
    count = 0
    with open(part, "w", encoding="utf-8") as file:
        for batch in batches:
            file.writelines(json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in batch.to_pylist())
            count += batch.num_rows
    return count


def _parquet(batches: Iterator[pa.RecordBatch], part: Path, index: ImageIndex, vectors: bool) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.image_index.rows import picture_schema

    full = picture_schema(index.card.dimension)
    schema = pa.schema([full.field(name) for name in (*COLUMNS, *(["vector"] if vectors else []))])
    count = 0
    with pq.ParquetWriter(part, schema) as writer:
        for batch in batches:
            writer.write_batch(batch.select(schema.names).cast(schema))
            count += batch.num_rows
    return count


def _placed(batch: pa.RecordBatch, place: Callable[[str], str]) -> pa.RecordBatch:
    import pyarrow as pa

    told = {
        "path": [place(path) for path in batch["path"].to_pylist()],
        "copies": [[place(path) for path in paths] for paths in batch["copies"].to_pylist()],
    }
    columns = [
        pa.array(told[name], batch.schema.field(name).type) if name in told else batch[name]
        for name in batch.schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "modified": row["modified"].isoformat()}

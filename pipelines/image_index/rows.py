"""What an index keeps: a row for each different picture, and one for each file that was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import BadRequest
from pipelines.image_index.filters import words_of
from safeguards.wording import file_name

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.image_index.card import Card

# The columns of a picture's row that follow from the files it lies in.
FACTS = ("picture", "path", "copies", "folders", "sha256", "bytes", "modified", "prompt", "words", "program")


@dataclass(frozen=True)
class SeenFile:
    """A picture file as it was when it was looked at.

    `path` is absolute with forward slashes; `bytes` and `modified` (nanoseconds since 1970) tell whether it changed;
    `sha256` is that of the file, `picture` the hash of its pixels. `prompt` and `program` are what its metadata told,
    "" for nothing.
    """

    path: str
    bytes: int
    modified: int
    sha256: str
    picture: str
    prompt: str = ""
    program: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture to be added: its size in pixels, and the files it lies in (one at least)."""

    width: int
    height: int
    files: tuple[SeenFile, ...]


def facts(files: Iterable[SeenFile]) -> dict[str, Any]:
    """The columns FACTS of a picture's row.

    The first of them stands for the picture: one with a prompt before one without, then the oldest. The others are its
    `copies`, and the row counts as lying in the folders of all of them.
    """
    first, *others = sorted(files, key=lambda each: (not each.prompt, each.modified, each.path))
    folders = {str(parent) for each in (first, *others) for parent in PurePath(each.path).parents}
    return {
        "picture": first.picture,
        "path": first.path,
        "copies": [each.path for each in others],
        "folders": sorted(PurePath(folder).as_posix() for folder in folders),
        "sha256": first.sha256,
        "bytes": first.bytes,
        "modified": datetime.fromtimestamp(first.modified / 1e9, timezone.utc),
        "prompt": first.prompt,
        "words": words_of(first.prompt),
        "program": first.program,
    }


def picture_table(pictures: Sequence[Picture], vectors: np.ndarray, card: Card) -> pa.Table:
    """Rows for `pictures` with their unit vectors (N, card.dimension) float32.

    Raises BadRequest for a vector that is not finite or not of length 1, and names its file.
    """
    import pyarrow as pa

    check_vectors(vectors, [each.files[0].path for each in pictures], card.dimension)
    made = {"ranker": card.ranker, "revision": card.revision, "dimension": card.dimension}
    rows = [{**facts(each.files), "width": each.width, "height": each.height, **made} for each in pictures]
    schema = picture_schema(card.dimension)
    plain = pa.Table.from_pylist(rows, schema=schema.remove(schema.get_field_index("vector")))
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    return plain.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, card.dimension))


def check_vectors(vectors: np.ndarray, names: Sequence[str], dimension: int) -> None:
    """Raises BadRequest unless `vectors` are finite unit vectors (N, dimension), one for each of the names."""
    if vectors.shape != (len(names), dimension):
        raise BadRequest(
            f"The vectors have the shape {vectors.shape}; this index takes {len(names)} x {dimension} numbers here."
        )
    # The length of a vector with NaN inside is NaN, and fails this comparison too.
    wrong = ~(np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-3)
    if wrong.any():
        row = int(wrong.argmax())
        finite = bool(np.isfinite(vectors[row]).all())
        reason = "is not of length 1" if finite else "has values that are no numbers (NaN or infinite)"
        raise BadRequest(f"The vector of {file_name(names[row])} {reason}, so it cannot be compared with others.")


def picture_schema(dimension: int) -> pa.Schema:
    """The columns of the table of pictures; `vector` is the last."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    columns: Mapping[str, pa.DataType] = {
        "picture": text,
        "path": text,
        "copies": texts,
        "folders": texts,
        "sha256": text,
        "bytes": pa.int64(),
        "modified": pa.timestamp("us", "UTC"),
        "prompt": text,
        "words": texts,
        "program": text,
        "width": pa.int32(),
        "height": pa.int32(),
        "ranker": text,
        "revision": text,
        "dimension": pa.int32(),
        "vector": pa.list_(pa.float32(), dimension),
    }
    return pa.schema(list(columns.items()))


def file_schema() -> pa.Schema:
    """The columns of the table of files, those of `SeenFile`."""
    import pyarrow as pa

    kinds = {int: pa.int64(), str: pa.string()}
    numbers = ("bytes", "modified")
    return pa.schema([(name, kinds[int if name in numbers else str]) for name in SeenFile.__dataclass_fields__])

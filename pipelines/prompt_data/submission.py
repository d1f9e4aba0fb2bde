"""Files in the layout of Kaggle's *Stable Diffusion – Image to Prompts*: written, read, and checked row by row.

The header is `imgId_eId,val`; each image has 384 rows in a run, `<image's id>_<0..383>` with the numbers of its
vector in the space of all-MiniLM-L6-v2. The score is the mean cosine to the true prompts' vectors, so the length of a
vector does not count, but a vector of zeros has no cosine.
"""

from __future__ import annotations

import csv
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import BadRequest
from pipelines.prompt_data.submission_rows import EXTENSION, NUMBERS, RowCheck
from safeguards.wording import refuse, shown

HEADER = ("imgId_eId", "val")


@dataclass(frozen=True, eq=False)
class Submission:
    """The images of a file in its order, and their vectors (N, 384) float64."""

    ids: tuple[str, ...]
    vectors: np.ndarray


def write_submission(path: str | Path, ids: Sequence[str], vectors: np.ndarray) -> Path:
    """Write vectors (N, 384), one for each image id, and return `path`. The file is there whole or not at all.

    Numbers have the digits that bring back the same float32. Raises BadRequest for what `problems` would object to,
    and OSError as `open` does.
    """
    vectors = np.asarray(vectors)
    if vectors.shape != (len(ids), NUMBERS):
        raise BadRequest(f"There are vectors of the shape {vectors.shape}; needed are {len(ids)} x {NUMBERS} numbers.")
    if not ids:
        raise BadRequest("There are no predictions to submit.")
    if twice := [each for each, count in Counter(ids).items() if count > 1]:
        raise BadRequest(f"The image {shown(twice[0])} has two predictions; exactly one is allowed.")
    for each, vector in zip(ids, vectors, strict=True):
        if EXTENSION.search(each) or not each.strip():
            raise BadRequest(f"The image id is {shown(each)}; it must be the file's name without its extension.")
        if not np.isfinite(vector).all() or not vector.any():
            raise BadRequest(f"The vector of the image {shown(each)} has no direction: it is zero, NaN or infinite.")
    path = Path(path)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(part, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for each, vector in zip(ids, vectors.astype(np.float32), strict=True):
                writer.writerows((f"{each}_{number}", str(value)) for number, value in enumerate(vector))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read_submission(path: str | Path, expected: Sequence[str] = ()) -> Submission:
    """Read a file that `problems` has nothing against. Raises BadRequest with the first problem otherwise."""
    if found := problems(path, expected):
        raise refuse(path, found[0] if len(found) == 1 else f"{found[0]} There are {len(found) - 1:,} more problems.")
    ids: list[str] = []
    values: list[float] = []
    for number, (name, value) in enumerate(_rows(Path(path))):
        if number % NUMBERS == 0:
            ids.append(name.rpartition("_")[0])
        values.append(float(value))
    return Submission(tuple(ids), np.array(values).reshape(-1, NUMBERS))


def problems(path: str | Path, expected: Sequence[str] = ()) -> list[str]:
    """Everything that is wrong with a submission file, one sentence each that names the row; empty for a sound one.

    Rows count from 1, the header's is row 1. `expected` are the images' ids in the order of the sample submission;
    left out, any images in any order will do. Raises BadRequest when the file cannot be read at all.
    """
    check = RowCheck(expected)
    rows = _rows(Path(path), header=True)
    header = tuple(next(rows, ()))
    if header != HEADER:
        check.object("header", f"Row 1 is {shown(','.join(header))}; the header must be {','.join(HEADER)}.")
    for number, row in enumerate(rows, start=2):
        check.take(number, row)
    return check.finish()


def _rows(path: Path, header: bool = False) -> Iterator[list[str]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file)):
                if row and (header or number):
                    yield row
    except OSError:
        raise refuse(path, "is missing or cannot be read. Choose it again.") from None
    except (UnicodeDecodeError, csv.Error):
        raise refuse(path, "is not a CSV file in UTF-8.") from None

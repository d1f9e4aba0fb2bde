"""Captions and their pictures, ready to train with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from common.errors import BadRequest
from pipelines.captioning.table import TableRow
from pipelines.evaluation.coco import CocoCaptions
from safeguards.wording import shown


def pairs(rows: Iterable[TableRow], folder: str | Path) -> Iterator[tuple[Path, str]]:
    """Every caption of a table with its picture in `folder`; those whose picture is not there are left out.

    Raises BadRequest where two files of the table, of different folders, would be one in this.
    """
    taken: dict[str, str] = {}
    for row in rows:
        name = Path(row.file_name).name
        if taken.setdefault(name, row.file_name) != row.file_name:
            raise BadRequest(
                f"The table names {shown(taken[name])} and {shown(row.file_name)}, which would be one file in one "
                "folder; give them different names."
            )
        path = Path(folder) / name
        if path.is_file():
            yield path, row.caption


def coco(rows: Iterable[TableRow]) -> CocoCaptions:
    """A table in the layout of COCO, its pictures numbered from 1: references to train with or to evaluate by."""
    captions: dict[str, list[str]] = {}
    for row in rows:
        captions.setdefault(row.file_name, []).append(row.caption)
    files = dict(enumerate(captions, start=1))
    return CocoCaptions(files, {key: tuple(captions[name]) for key, name in files.items()})

"""Captions and their pictures, ready to train with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.captioning.table import TableRow
from pipelines.evaluation.coco import CocoCaptions


def pairs(rows: Iterable[TableRow], folder: str | Path) -> Iterator[tuple[Path, str]]:
    """Every caption of a table with its picture in `folder`; those whose picture is not there are left out."""
    for row in rows:
        path = Path(folder) / Path(row.file_name).name
        if path.is_file():
            yield path, row.caption


def coco(rows: Iterable[TableRow]) -> CocoCaptions:
    """A table in the layout of COCO, its pictures numbered from 1: references to train with or to evaluate by."""
    captions: dict[str, list[str]] = {}
    for row in rows:
        captions.setdefault(row.file_name, []).append(row.caption)
    files = dict(enumerate(captions, start=1))
    return CocoCaptions(files, {key: tuple(captions[name]) for key, name in files.items()})

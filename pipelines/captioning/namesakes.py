"""Files of one name from several folders, told apart wherever a table names pictures without their folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from pipelines.captioning.rows import CaptionRow
from safeguards.wording import file_name


def names(rows: Iterable[CaptionRow]) -> dict[str, str]:
    """By path what each file is called in the table: its own name, or where another file has that already, "name (2)"
    and so on, for two pictures under one name would become one to whoever reads the table."""
    own = {str(row.path): _own_name(row.path) for row in rows}
    taken, named = set(own.values()), {}
    numbers: dict[str, Iterator[int]] = {}  # by name the next to try, from the second file of that name on
    for path, name in own.items():
        named[path] = name
        if name in numbers:
            others = (f"{Path(name).stem} ({number}){Path(name).suffix}" for number in numbers[name])
            named[path] = next(other for other in others if other not in taken)
            taken.add(named[path])
        numbers.setdefault(name, count(2))
    return named


def told_of_namesakes(rows: Iterable[CaptionRow]) -> list[str]:
    """A sentence where files were given other names in the table because theirs were taken, else none."""
    changed = [(path, name) for path, name in names(rows).items() if _own_name(path) != name]
    if not changed:
        return []
    path, name = changed[0]
    more = f" (and {len(changed) - 1:,} more so)" if len(changed) > 1 else ""
    return [f"Several files are named {file_name(path)}; in the table another one is {file_name(name)}{more}."]


def _own_name(path: str | Path) -> str:
    return Path(path).name.encode("utf-8", "replace").decode()

"""Lists of phrases: those that come with the app, each with its source and licence, and those that people bring.

Lists of other programs can be brought as they are, clip-interrogator's (`flavors.txt`, `artists.txt`, ...) among them.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from common.errors import BadRequest
from common.settings import REPOSITORY
from pipelines.image_to_prompt.recent import Recent, look
from pipelines.image_to_prompt.wary import ARTISTS, flags
from safeguards.wording import file_name, megabytes, refuse, shown

FOLDER = REPOSITORY / "models" / "phrases"
NEGATIVE = "negative"  # what pictures should not have; only the mode of this name reads it
BUILT_IN = ("media", "styles", "movements", "lighting", "composition", "palettes", "subjects", "things", "flavours")
MAX_MB, MAX_PHRASES, MAX_CHARACTERS = 50, 500_000, 300
_read_lately: Recent[PhraseList] = Recent(1_000_000)  # phrases
_ABOUT = re.compile(r"# (Title|Source|Licence|Note): (.+)")
_OTHER_NAMES = {"flavors": "flavours", "mediums": "media", "trendings": "flavours", ARTISTS: ARTISTS}
_COLUMNS = ("phrase", "phrases", "label", "text", "prompt", "term", "name")


@dataclass(frozen=True)
class PhraseList:
    """Phrases of one kind, none of them twice, and where they come from.

    `name` names the kind; `left_out` are phrases that were not taken in, each with the reason ("unsafe", "artist",
    "too long").
    """

    name: str
    title: str
    source: str
    licence: str
    phrases: tuple[str, ...]
    note: str = ""
    left_out: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.phrases)

    def sentence(self) -> str:
        """What was left out of it, "" when nothing was."""
        if not self.left_out:
            return ""
        reasons = [reason for _, reason in self.left_out]
        counts = ", ".join(f"{reasons.count(each):,} {each}" for each in dict.fromkeys(reasons))
        return f"Of the list {shown(self.name)} phrases were left out: {counts}."


@lru_cache
def built_in(name: str) -> PhraseList:
    """A list that comes with the app. Raises BadRequest for another name."""
    if name not in (*BUILT_IN, NEGATIVE):
        raise BadRequest(f"There is no list {shown(name)}; there are {', '.join((*BUILT_IN, NEGATIVE))}.")
    about, rows = _parted((FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines())
    return PhraseList(name, about["title"], about["source"], about["licence"], tuple(rows), about.get("note", ""))


def read_list(path: str | Path, artists: bool = False) -> PhraseList:
    """A list from a file: a phrase a line (.txt), the column of phrases of a table (.csv), or a list in .json.

    Spaces are put in order and repeated phrases taken once. Left out are phrases that are not safe, longer than 300
    characters, or, unless `artists`, that name an artist: a list named artists altogether.
    A file that has not changed is not read again. Raises BadRequest, with one sentence, for a file that is not so or
    leaves nothing.
    """
    path = Path(path)
    if (about := look(path)) is None:
        return _read_list(path, artists)  # says that it is missing
    key = (*about, artists)
    if (known := _read_lately.get(key)) is not None:
        return known
    made = _read_list(path, artists)
    return _read_lately.keep(key, made, len(made) + len(made.left_out))


def _read_list(path: Path, artists: bool) -> PhraseList:
    about, rows = _read(path)
    stem = path.stem.casefold()
    kind = _OTHER_NAMES.get(stem, stem)
    kept: dict[str, str] = {}
    left: list[tuple[str, str]] = []
    for number, row in enumerate(rows, start=1):
        if number > MAX_PHRASES:
            raise refuse(path, f"has more than {MAX_PHRASES:,} phrases; take a part of it.")
        phrase = " ".join("".join(c if c.isprintable() else " " for c in row).split())
        if not phrase:
            continue
        if reason := _why_not(phrase, kind, artists):
            left.append((phrase[:MAX_CHARACTERS], reason))
        else:
            kept.setdefault(phrase.casefold(), phrase)
    if not kept:
        why = f": all of its {len(left):,} were left out ({left[0][1]})" if left else ""
        raise refuse(path, f"has no phrases{why}. It needs one a line, or a table with a column “phrase”.")
    phrases = [f"by {each}" if kind == ARTISTS else each for each in kept.values()]
    title = about.get("title", file_name(path))
    source = about.get("source", f"your file {file_name(path)}")
    return PhraseList(
        kind, title, source, about.get("licence", "as its owner says"), tuple(phrases), left_out=tuple(left)
    )


def gather(names: Sequence[str], paths: Sequence[str | Path], artists: bool = False) -> tuple[PhraseList, ...]:
    """The built-in lists of these names and the lists of these files; no phrase is in two of them.

    A file's list that is named as one before it joins it; one that adds nothing to those before it is left out.
    Raises BadRequest as `built_in` and `read_list` do, and when there is no phrase at all.
    """
    found: dict[str, PhraseList] = {}
    seen: set[str] = set()
    for each in (*(built_in(name) for name in names), *(read_list(path, artists) for path in paths)):
        new = []
        for phrase in each.phrases:
            if phrase.casefold() not in seen:
                seen.add(phrase.casefold())
                new.append(phrase)
        before = found.get(each.name)
        found[each.name] = _joined(before, each, new) if before else replace(each, phrases=tuple(new))
    if not seen:
        raise BadRequest("There is no list of phrases; choose at least one, or bring a file with phrases.")
    return tuple(each for each in found.values() if each.phrases)


def _joined(one: PhraseList, other: PhraseList, new: Iterable[str]) -> PhraseList:
    source, licence = (f"{getattr(one, name)}; {getattr(other, name)}" for name in ("source", "licence"))
    left_out = (*one.left_out, *other.left_out)
    return replace(one, source=source, licence=licence, phrases=(*one.phrases, *new), left_out=left_out)


def _why_not(phrase: str, kind: str, artists: bool) -> str:
    if len(phrase) > MAX_CHARACTERS:
        return "too long"
    found = flags(phrase)
    if "unsafe" in found:
        return "unsafe"
    return "artist" if not artists and ("artist" in found or kind == ARTISTS) else ""


def _read(path: Path) -> tuple[dict[str, str], Iterable[str]]:
    try:
        size = path.stat().st_size
        if size > MAX_MB * 1e6:
            raise refuse(path, f"has {megabytes(size)}; at most {MAX_MB} MB are read. Take a part of it.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError:
        raise refuse(path, "is missing or cannot be read. Choose it again.") from None
    except UnicodeDecodeError:
        raise refuse(path, "is not a text in UTF-8. Please save it as such.") from None
    kind = path.suffix.lower()
    if kind == ".json":
        return {}, _json(path, text)
    if kind in (".csv", ".tsv"):
        return {}, _table(path, text, "\t" if kind == ".tsv" else ",")
    if kind == ".txt":
        return _parted(text.splitlines())
    raise refuse(path, "is of no kind that holds phrases here; allowed are .txt, .csv, .tsv and .json.")


def _parted(lines: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What the first lines say about the list, and the phrases after them."""
    about: dict[str, str] = {}
    for number, line in enumerate(lines):
        match = _ABOUT.fullmatch(line.strip())
        if match is None:
            return about, [row for row in lines[number:] if row.strip()]
        about[match.group(1).lower()] = match.group(2)
    return about, []


def _json(path: Path, text: str) -> list[str]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise refuse(path, "is no sound JSON.") from None
    rows = value.get("phrases", value.get("labels")) if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise refuse(path, 'must hold a list of texts, such as ["a cat", "a dog"], or {"phrases": [...]}.')
    return rows


def _table(path: Path, text: str, delimiter: str) -> list[str]:
    try:
        rows = [row for row in csv.reader(text.splitlines(keepends=True), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise refuse(path, f"cannot be read as a table: {error}.") from None
    header = [name.strip().casefold() for name in rows[0]] if rows else []
    named = next((header.index(name) for name in _COLUMNS if name in header), None)
    if named is None and any(len(row) > 1 for row in rows):
        listed = ", ".join(file_name(name) for name in rows[0][:20])
        raise refuse(path, f"has no column “phrase”: it has {listed}. Name the column of the phrases so.")
    return [row[named or 0] for row in (rows if named is None else rows[1:]) if len(row) > (named or 0)]

"""What was predicted for some images, by several methods: a file of prompts or a submission each, or a table of all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from common.errors import BadRequest
from pipelines.prompt_data.cells import uncell
from pipelines.prompt_data.prompt_sets import MAX_IMAGES, MAX_METHODS, TRUTH, PromptSets
from pipelines.prompt_data.prompts_file import columns_of, prompts_by_id, read_rows
from pipelines.prompt_data.scoring import is_submission
from pipelines.prompt_data.submission import problems, read_submission
from pipelines.prompt_data.submission_rows import EXTENSION
from safeguards.wording import refuse, shown

METHOD = "method"  # the column that makes a table of several methods


@dataclass(frozen=True, eq=False)
class Entry:
    """One method: its `prompts` by image, or the `vectors` (384,) of a submission; `seconds` by image where known.

    `problems` say why it would be refused, a sentence each.
    """

    name: str
    file: str
    prompts: Mapping[str, str] = field(default_factory=dict)
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_truth(path: str | Path, column: str = "") -> Entry:
    """What is true, from a file of prompts or a submission. Raises BadRequest for an unsound one."""
    if is_submission(path):
        submission = read_submission(path)
        return Entry(TRUTH, Path(path).name, vectors=dict(zip(submission.ids, submission.vectors, strict=True)))
    return Entry(TRUTH, Path(path).name, _limited(path, prompts_by_id(path, column)))


def read_entries(paths: Sequence[str | Path], column: str = "", truth: Entry | None = None) -> tuple[Entry, ...]:
    """The methods in these files, each named after its file, those of a table after what its column "method" says.

    A submission that is not sound, and prompts for other images than those of the `truth`, are told in `problems`.
    Raises BadRequest for files that cannot be read, two methods of one name, and more than MAX_METHODS.
    """
    asked = tuple(truth.prompts or truth.vectors) if truth else ()
    made = [entry for path in paths for entry in _entries(Path(path), column, asked)]
    if not 1 <= len(made) <= MAX_METHODS:
        raise BadRequest(f"There are predictions of {len(made)} methods; allowed are 1 to {MAX_METHODS}.")
    for entry in made:
        if entry.name == TRUTH:
            raise refuse(entry.file, f"would be a method named {TRUTH}, as the true prompts are; give it another name.")
        if [each.name for each in made].count(entry.name) > 1:
            raise BadRequest(f"Two methods are named {shown(entry.name)}; give one of the files another name.")
    named = f" of {truth.file}" if truth else ""
    return tuple(_checked(entry, asked, named) for entry in made)


def prompt_sets(paths: Sequence[str | Path], truth: str | Path | None, column: str = "") -> PromptSets:
    """The prompts in these files, and the true ones. Raises BadRequest for a submission, which holds no words."""
    for path in (*paths, *([truth] if truth else [])):
        if is_submission(path):
            raise refuse(path, "is a submission: it holds numbers and no words. Choose the file of prompts instead.")
    entries = read_entries(paths, column)
    true = read_truth(truth, column).prompts if truth else {}
    seconds = {each.name: each.seconds for each in entries if each.seconds}
    return PromptSets(true, {each.name: each.prompts for each in entries}, seconds)


def _entries(path: Path, column: str, asked: Sequence[str]) -> list[Entry]:
    if is_submission(path):
        if found := problems(path, asked):
            return [Entry(path.stem, path.name, problems=tuple(found))]
        submission = read_submission(path, asked)
        return [Entry(path.stem, path.name, vectors=dict(zip(submission.ids, submission.vectors, strict=True)))]
    columns = columns_of(path)
    if METHOD in columns and "file" in columns and (column or "prompt") in columns:
        return _table(path, column or "prompt")
    return [Entry(path.stem, path.name, _limited(path, prompts_by_id(path, column)))]


def _table(path: Path, column: str) -> list[Entry]:
    """A table as the view of pictures saves it: a row for each picture and method, pictures by the names of files."""
    said: dict[str, dict[str, str]] = {}
    seconds: dict[str, dict[str, float]] = {}
    for number, row in enumerate(read_rows(path), start=1):
        method, image, text = (uncell(str(row.get(name) or "").strip()) for name in (METHOD, "file", column))
        if not text:
            continue
        image = EXTENSION.sub("", PurePosixPath(image).name)
        if image in said.setdefault(method, {}):
            raise refuse(path, f"has the image {shown(image)} twice for {shown(method)}, again in row {number:,}.")
        said[method][image] = text
        if (taken := _seconds(row.get("seconds"))) is not None:
            seconds.setdefault(method, {})[image] = taken
    if not said:
        raise refuse(path, f"has no prompts: the column {shown(column)} is empty.")
    return [Entry(name, path.name, prompts, seconds=seconds.get(name, {})) for name, prompts in said.items()]


def _seconds(value: object) -> float | None:
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _checked(entry: Entry, asked: Sequence[str], named: str) -> Entry:
    """The entry with what is wrong with the images its prompts are for."""
    if not entry.prompts:
        return entry
    told = list(entry.problems)
    if wrong := [each for each in entry.prompts if EXTENSION.search(each)]:
        others = f", and so on with {len(wrong) - 1:,} others" if len(wrong) > 1 else ""
        right = EXTENSION.sub("", wrong[0])
        told.append(
            f"The image id {shown(wrong[0])} must be {shown(right)}, without the extension of the file{others}."
        )
    if missing := [each for each in asked if each not in entry.prompts]:
        told.append(f"{len(missing):,} of the {len(asked):,} images{named} have no prompt, the first is {missing[0]}.")
    if empty := [each for each, text in entry.prompts.items() if not text]:
        more = f", and {len(empty) - 1:,} more" if empty[1:] else ""
        told.append(f"The prompt of {shown(empty[0])} is empty{more}.")
    return Entry(entry.name, entry.file, entry.prompts, entry.vectors, entry.seconds, tuple(told))


def _limited(path: str | Path, prompts: dict[str, str]) -> dict[str, str]:
    if len(prompts) > MAX_IMAGES:
        raise refuse(path, f"has prompts for {len(prompts):,} images; allowed are {MAX_IMAGES:,}.")
    return prompts

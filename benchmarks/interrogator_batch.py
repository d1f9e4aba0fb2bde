"""The starter interrogator with one picture at a time, with several at once, and with a folder into a table."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.pictures import save, unseen
from benchmarks.report import Figure
from models.clip_scorer import ClipScorer
from pipelines.image_to_prompt import folder, run
from pipelines.image_to_prompt.request import ImageToPromptRequest

SIZES = (1, 4, 16)  # pictures at once; all pictures go through each
PICTURES, FOLDER_PICTURES = 16, 48
GOALS = {"fast": 0.5, "best": 5.0}  # seconds a picture, on 2 cores
NEAR = 1.1  # how much longer than one by one a picture of a batch may take and still be called linear


def measure(bench: Bench) -> list[Figure]:
    """Seconds a picture: modes fast and best one by one, the same in batches, and a folder into a table.

    Models are loaded and the phrases known; nothing is known of the pictures. Nothing is measured without the starter
    pack.
    """
    rankers = [spec.name for spec in bench.services.catalog.all("ranker") if spec.pack == "starter"]
    if not rankers:
        return []
    figures = []
    with tempfile.TemporaryDirectory() as place:
        paths = save(unseen(FOLDER_PICTURES), Path(place) / "pictures")
        for mode in GOALS:
            figures += _mode(bench, mode, rankers[0], paths[:PICTURES])
        at_once = figures[1].ours  # of the mode fast
        figures.append(_folder(bench, rankers[0], Path(place), len(paths), at_once))
    return figures


def _mode(bench: Bench, mode: str, ranker: str, paths: Sequence[Path]) -> Iterator[Figure]:
    """One picture against its goal, and many at once beside one by one."""
    asked = ImageToPromptRequest((paths[0],), mode=mode, ranker=ranker)
    list(run.run(asked, bench.services))  # loads the models and reads the phrases
    seconds = {size: _by_parts(bench, asked, paths, size) for size in SIZES}
    one, many = seconds[SIZES[0]][0], seconds[SIZES[-1]][0]
    goal = GOALS[mode]
    what = f"interrogator, mode {mode}, {ranker}, a picture"
    yield Figure(f"interrogator_starter_{mode}", what, one, None, "s", f"at most {goal:g} s", one <= goal)
    rows = [{"pictures": size, "seconds_a_picture": a, "work_a_picture": b} for size, (a, b) in seconds.items()]
    yield Figure(
        f"interrogator_batch_{mode}",
        f"{what}: {SIZES[-1]} at once, beside one by one",
        many,
        one,
        "s",
        f"at most {NEAR:g} times one by one",
        many <= NEAR * one,
        {"rows": rows},
    )


def _by_parts(bench: Bench, asked: ImageToPromptRequest, paths: Sequence[Path], size: int) -> tuple[float, float]:
    """Seconds a picture, passed and of work by all threads, when so many go through one run."""
    services, began, worked = _forgetful(bench), time.perf_counter(), time.process_time()
    for start in range(0, len(paths), size):
        *_, result = run.run(replace(asked, paths=tuple(paths[start : start + size])), services)
        if result.answered < result.pictures:
            raise RuntimeError(f"only {result.answered} of {result.pictures} pictures got a prompt")
    return (time.perf_counter() - began) / len(paths), (time.process_time() - worked) / len(paths)


def _folder(bench: Bench, ranker: str, place: Path, count: int, at_once: float) -> Figure:
    """The mode fast over a folder of pictures, a few of which are worked on at a time."""
    request = folder.FolderRequest(
        place / "pictures", place / "prompts.csv", ImageToPromptRequest(("-",), mode="fast", ranker=ranker)
    )
    began = time.perf_counter()
    *_, result = folder.run(request, _forgetful(bench))
    each = (time.perf_counter() - began) / count
    if result.done < count:
        raise RuntimeError(f"only {result.done} of {count} pictures have their rows")
    what = f"interrogator, mode fast, {ranker}, a picture of a folder of {count} into a table, beside a batch"
    return Figure(
        "interrogator_folder", what, each, at_once, "s", f"at most {NEAR:g} times as long", each <= NEAR * at_once
    )


def _forgetful(bench: Bench) -> Any:
    # Vectors remembered from the run before would make the next one look faster than it is.
    return replace(bench.services, scorer=ClipScorer(bench.services.pool))

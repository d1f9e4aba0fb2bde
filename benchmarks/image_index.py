"""The image index against comparing with every vector by numpy: time of a search, and what it finds.

Vectors of 512 numbers of two kinds. "pictures": around 2,000 centres that share a direction, as those of CLIP do.
"noise": all directions alike, which is the worst case there is, for no part of such vectors tells anything of another.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import Bench
from benchmarks.report import Figure
from pipelines.image_index import store
from pipelines.image_index.card import Card
from pipelines.image_index.rows import Picture, SeenFile
from pipelines.image_index.store import ImageIndex

ROWS, DIMENSION, TOP, QUESTIONS, WARM_UP = 100_000, 512, 10, 200, 20
WRITTEN_AT_ONCE = 10_000


def measure(bench: Bench) -> list[Figure]:
    """Median and 95th percentile of the time of a search in milliseconds, and recall@10; one question at a time."""
    return [figure for kind in ("pictures", "noise") for figure in _figures(kind)]


def vectors(kind: str, count: int, seed: int) -> np.ndarray:
    """Unit vectors (count, DIMENSION) float32; the same for the same seed."""
    random = np.random.default_rng((seed, 1))
    made = random.standard_normal((count, DIMENSION))
    if kind == "pictures":
        world = np.random.default_rng(0)
        shared, looks = world.standard_normal(DIMENSION), world.standard_normal((64, DIMENSION)) / 8
        centres = world.standard_normal((2_000, 64)) @ looks
        made = shared + centres[random.integers(0, len(centres), count)] + 0.6 * made
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def build(folder: Path, rows: np.ndarray) -> ImageIndex:
    """An index of these unit vectors (N, D), written in several pieces and put in order."""
    index = ImageIndex(folder, Card("synthetic", "synthetic vectors", "", rows.shape[1]))
    for start in range(0, len(rows), WRITTEN_AT_ONCE):
        part = rows[start : start + WRITTEN_AT_ONCE]
        files = [_file(number) for number in range(start, start + len(part))]
        index.add([Picture(512, 512, (file,)) for file in files], part)
        index.note(files)
    index.settle()
    return index


def _file(number: int) -> SeenFile:
    path = f"/pictures/{number % 100:02}/{number:06}.png"
    return SeenFile(path, 1000, number * 10**9, f"{number:064x}", f"{number:032x}", f"picture number {number}")


def _figures(kind: str) -> Iterator[Figure]:
    rows, asked = vectors(kind, ROWS, 1), vectors(kind, QUESTIONS + WARM_UP, 2)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        index = build(Path(folder), rows)
        built = time.perf_counter() - began
        ours, theirs = _timed(
            asked,
            lambda vector: [int(hit.row["picture"], 16) for hit in index.search(vector, TOP)],
            lambda vector: _brute_force(rows, vector),
        )
    recall = float(np.mean([len(set(a) & set(b)) / TOP for a, b in zip(ours[1], theirs[1], strict=True)]))
    (early, middle, late), plain = (np.percentile(times[:, 0], (5, 50, 95)).tolist() for times in (ours[0], theirs[0]))
    what = f"image index, {ROWS:,} rows of {DIMENSION}, {kind}"
    details = {"p5_ms": early, "p95_ms": late, "plain_p5_ms": plain[0], "plain_p95_ms": plain[2]}
    details |= {"work_ms": float(np.median(ours[0][:, 1])), "plain_work_ms": float(np.median(theirs[0][:, 1]))}
    details |= {"build_s": built, "probes": store.PROBES, "refine": store.REFINE, "rows": ROWS, "questions": QUESTIONS}
    name = f"image_index_{kind}"
    yield Figure(
        f"{name}_time",
        f"{what}: top {TOP} warm, beside numpy",
        middle,
        plain[1],
        "ms",
        "at most 30 ms",
        middle <= 30,
        details,
    )
    yield Figure(f"{name}_recall", f"{what}: recall@{TOP}", recall, 1.0, "", "at least 0.98", recall >= 0.98)


def _timed(asked: np.ndarray, *searches: Callable[[np.ndarray], list[int]]) -> list[tuple[np.ndarray, list[Any]]]:
    """For each way to search its answers and milliseconds (N, 2): passed, and of work by all threads.

    Of all questions after the first few, which warm up.
    """
    taken: list[tuple[list[tuple[float, float]], list[Any]]] = [([], []) for _ in searches]
    for vector in asked:
        for search, (times, answers) in zip(searches, taken, strict=True):  # in turn: a busy moment hits all of them
            began, worked = time.perf_counter(), time.process_time()
            answers.append(search(vector))
            times.append((time.perf_counter() - began, time.process_time() - worked))
    return [(1000 * np.array(times[WARM_UP:]), answers[WARM_UP:]) for times, answers in taken]


def _brute_force(rows: np.ndarray, vector: np.ndarray) -> list[int]:
    cosines = rows @ vector
    best = np.argpartition(-cosines, TOP)[:TOP]
    return best[np.argsort(-cosines[best])].tolist()

"""One source's part on disk: `<name>.npy`, `<name>.jsonl` and, written last, `<name>.json`."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.data.colours import dominant_colours
from training.data.items import Item, Listing
from training.data.render import picture_hash, render_many, why_featureless

FORMAT = 6  # raise when the way pictures are chosen or rendered changes, so that parts are rebuilt
NEAR = 3.0  # root-mean-square gray levels between signatures below which two drawings are the same
# Emoji of one set are all kept, however alike or plain; clip art needs sorting by its looks.
UNSORTED = frozenset({"openclipart"})


def folder_of(out: Path) -> Path:
    """Where the parts lie."""
    return out / "parts"


def finished(out: Path, name: str, mark: dict) -> dict | None:
    """The part's report when it was finished with the same settings, else None."""
    folder = folder_of(out)
    try:
        report = json.loads((folder / f"{name}.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    there = (folder / f"{name}.npy").exists() and (folder / f"{name}.jsonl").exists()
    return report if there and report.get("mark") == mark else None


def make_record(item: Item, pixels: np.ndarray) -> dict:
    """The record of one picture, all but its split, which depends on the other styles."""
    colours, share = dominant_colours(pixels)
    return {
        "id": item.id,
        "source": item.source,
        "style": item.style,
        "name": item.name,
        "keywords": item.keywords,
        "concept": item.concept,
        "group": item.group,
        "colors": colours,
        "dominant": share,
        # Share of the canvas that is opaque: full-bleed drawings show no background behind them.
        "coverage": round(float((pixels[..., 3] >= 128).mean()), 4),
        "licence": item.licence,
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }


def drop_near(pictures: list[np.ndarray]) -> list[bool]:
    """For each picture whether it is kept: the first of every bunch of near equals is."""
    if not pictures:
        return []
    marks = np.stack([picture_hash(p) for p in pictures])
    keep = np.ones(len(marks), bool)
    for i in range(1, len(marks)):
        earlier = marks[:i][keep[:i]]
        keep[i] = not np.any(np.sqrt(((earlier - marks[i]) ** 2).mean(1)) < NEAR)
    return keep.tolist()


def build(out: Path, name: str, listing: Listing, mark: dict, workers: int, limit: float) -> dict:
    """Render the listing and write the part; returns its report."""
    items, dropped, failures = listing.items, listing.dropped.copy(), Counter()
    results: dict[int, np.ndarray] = {}
    rendering = render_many([item.path for item in items], mark["size"], workers, limit)
    for index, pixels, problem in tqdm(rendering, total=len(items), desc=name, unit="pic"):
        sorting = pixels is not None and name in UNSORTED
        reason = why_featureless(pixels) if sorting else problem
        if pixels is not None and not reason:
            results[index] = pixels
        elif reason.startswith("failed: "):
            failures[reason.removeprefix("failed: ")] += 1
        else:
            dropped[reason] += 1
    order = sorted(results)  # files finish in any order; the part must not depend on it
    if name in UNSORTED:
        keep = drop_near([results[i] for i in order])
        dropped["near duplicate"] += keep.count(False)
        order = [i for i, wanted in zip(order, keep, strict=True) if wanted]
    report = {
        "mark": mark,
        "kept": len(order),
        "dropped": dict(dropped),
        "failures": dict(failures),
    }
    _write(folder_of(out), name, [(items[i], results[i]) for i in order], report)
    return report


def _write(folder: Path, name: str, pairs: list[tuple[Item, np.ndarray]], report: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").unlink(missing_ok=True)
    size = report["mark"]["size"]
    pixels = np.stack([p for _, p in pairs]) if pairs else np.zeros((0, size, size, 4), np.uint8)
    np.save(folder / f"{name}.npy", pixels)
    with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as handle:
        for item, picture in pairs:
            handle.write(json.dumps(make_record(item, picture), ensure_ascii=False) + "\n")
    # Renamed into place last: a part without its report counts as unfinished.
    torn = folder / f"{name}.json.tmp"
    torn.write_text(json.dumps(report, indent=1))
    os.replace(torn, folder / f"{name}.json")

"""Joining the parts into the final set, splitting it, and verifying it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from training.data.items import stable_unit
from training.data.parts import folder_of
from training.data.sources import ARCHIVES

HELD_OUT = 0.08  # share of concepts that training never sees in any style
HELD_OUT_STYLE = 0.04  # share of single pictures whose concept stays in training in other styles


def concept_is_held_out(concept: str) -> bool:
    """Depends on the concept's name alone, so that it never changes as sources come and go."""
    return stable_unit(concept) < HELD_OUT


def assign_splits(records: list[dict]) -> None:
    """Set "split" in place: "train", "held_out" (concept) or "held_out_style" (single picture)."""
    drawn: dict[str, list[dict]] = defaultdict(list)
    trained: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if concept_is_held_out(record["concept"]):
            record["split"] = "held_out"
            continue
        record["split"] = "train"
        # Drawn by concept and style: of two clip arts of one name, both or none are held out.
        if stable_unit(f"style:{record['concept']}:{record['style']}") < HELD_OUT_STYLE:
            drawn[record["concept"]].append(record)
        else:
            trained[record["concept"]].add(record["style"])
    for concept, chosen in drawn.items():
        for record in chosen:
            # Only when its style is gone from training for this concept but another one stays.
            if trained[concept] and record["style"] not in trained[concept]:
                record["split"] = "held_out_style"


def join(out: Path, reports: dict[str, dict], size: int) -> dict:
    """Write pictures.npy, records.jsonl and summary.json from the parts; returns the summary."""
    records: list[dict] = []
    arrays = []
    for name in reports:
        lines = (folder_of(out) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        records += [json.loads(line) for line in lines]
        arrays.append(np.load(folder_of(out) / f"{name}.npy", mmap_mode="r"))
    assign_splits(records)
    temporary = out / "pictures.npy.tmp"
    joined = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=(len(records), size, size, 4))
    start = 0
    for array in arrays:
        joined[start : start + len(array)] = array
        start += len(array)
    joined.flush()
    del joined
    os.replace(temporary, out / "pictures.npy")
    lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    (out / "records.jsonl.tmp").write_text(lines, encoding="utf-8")
    os.replace(out / "records.jsonl.tmp", out / "records.jsonl")
    summary = summarise(records, reports)
    (out / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False))
    return summary


def summarise(records: list[dict], reports: dict[str, dict]) -> dict:
    """Counts, versions, checksums, licences, failures and reasons for dropping."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        table[record["source"]][record["split"]] += 1
    used = {r["mark"]["archive_sha256"] for r in reports.values()}
    used |= {r["mark"]["emojibase_sha256"] for r in reports.values()}
    known = {a.sha256: a for a in ARCHIVES.values()}
    return {
        "pictures": len(records),
        "concepts": len({r["concept"] for r in records}),
        "split": dict(Counter(r["split"] for r in records)),
        "style": dict(Counter(r["style"] for r in records)),
        "source_split": {name: dict(counts) for name, counts in table.items()},
        "licence": dict(Counter(r["licence"] for r in records)),
        "archives": {
            digest: {"package": a.package, "version": a.version, "licence": a.licence}
            if (a := known.get(digest))
            else {"package": "not a pinned build"}
            for digest in sorted(used)
        },
        "parts": {
            name: {"kept": r["kept"], "failures": r["failures"], "dropped": r["dropped"]} for name, r in reports.items()
        },
    }


def verify(out: Path) -> list[str]:
    """Check pixels against checksums, and records against the splits' rules; returns problems."""
    try:
        pictures = np.load(out / "pictures.npy", mmap_mode="r")
        lines = (out / "records.jsonl").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ValueError) as error:
        return [f"{out} cannot be read: {error}"]
    records = [json.loads(line) for line in lines]
    if len(records) != len(pictures):
        return [f"{len(records)} records but {len(pictures)} pictures"]
    problems = []
    if len({r["id"] for r in records}) != len(records):
        problems.append("some ids occur twice")
    trained: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record["split"] == "train":
            trained[record["concept"]].add(record["style"])
    for record, picture in zip(records, pictures, strict=True):
        if hashlib.sha256(picture.tobytes()).hexdigest() != record["sha256"]:
            problems.append(f"{record['id']}: pixels do not match the checksum")
        if record["split"] == "held_out" and record["concept"] in trained:
            problems.append(f"{record['id']}: held-out concept is in training")
        if record["split"] == "held_out_style" and record["concept"] not in trained:
            problems.append(f"{record['id']}: concept of a held-out style is not in training")
    return problems

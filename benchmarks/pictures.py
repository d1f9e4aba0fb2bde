"""Pictures that the starter pack's networks were not trained on, for benchmarks that need real ones."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.settings import REPOSITORY

if TYPE_CHECKING:
    from PIL.Image import Image

DATA = REPOSITORY / "data" / "pictograms"
GALLERY = REPOSITORY / "examples" / "gallery"
FIXTURES = REPOSITORY.parent / "shared" / "fixtures" / "sd-image-to-prompts"
SIDE, SEED = 256, 7


@dataclass(frozen=True)
class Shown:
    """A picture, RGB, and `truth`: its caption or prompt where one is known, else ""."""

    name: str
    image: Image
    truth: str = ""


def unseen(count: int, split: str = "held_out") -> list[Shown]:
    """So many pictures, always the same: the competition's seven where they are, then held-out pictograms; pictures of
    the app's gallery where there is no data set. Fewer where there are no more."""
    found = _competition()[:count] if split == "held_out" else []
    made = _pictograms(count - len(found), split) if (DATA / "records.jsonl").exists() else _gallery()
    return (found + made)[:count]


def save(pictures: list[Shown], folder: Path) -> list[Path]:
    """Write them as PNG files named by their number; the paths in the same order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.png" for number in range(len(pictures))]
    for each, path in zip(pictures, paths, strict=True):
        each.image.save(path)
    return paths


def _competition() -> list[Shown]:
    import csv

    table = FIXTURES / "prompts.csv"
    if not table.is_file():
        return []
    with open(table, encoding="utf-8", newline="") as file:
        prompts = {row["imgId"]: row["prompt"] for row in csv.DictReader(file)}
    paths = sorted((FIXTURES / "images").iterdir())
    return [Shown(path.name, _opened(path), prompts.get(path.stem, "")) for path in paths]


def _pictograms(count: int, split: str) -> list[Shown]:
    """Drawn at random; no flags, for nothing but names tells them apart."""
    from training.pictures import MEASURED, Pictograms

    data = Pictograms(DATA, (split,), MEASURED)
    rows = [row for row in map(int, data.rows) if data.records[row]["group"] != "flags"]
    random.Random(SEED).shuffle(rows)
    return [
        Shown(data.records[row]["id"], _on_white(data.rgba[row]), data.records[row]["name"])
        for row in rows[: max(count, 0)]
    ]


def _gallery() -> list[Shown]:
    return [Shown(path.name, _opened(path)) for path in sorted(GALLERY.glob("*.png"))]


def _opened(path: Path) -> Image:
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB")


def _on_white(pixels: Any) -> Image:
    """A picture from straight alpha, uint8 (H, W, 4)."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.array(pixels))
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    return ground.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)

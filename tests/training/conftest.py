"""A tiny pictogram data set in the real format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

NAMES = ["red apple", "blue cup", "pizza", "penguin", "car", "green tree"]
STYLES = ["3D", "flat", "cartoon"]
SOURCES = {"3D": "fluent3d", "flat": "fluent-flat", "cartoon": "noto"}


@pytest.fixture
def pictograms(tmp_path: Path) -> Path:
    """Eighteen pictures: six concepts in three styles, a disc each, its colour following the concept."""
    folder = tmp_path / "pictograms"
    folder.mkdir()
    y, x = np.mgrid[:128, :128] - 63.5
    disc = (x**2 + y**2 < 55**2).astype(np.uint8) * 255
    rng, pictures, records = np.random.default_rng(0), [], []
    for concept, name in enumerate(NAMES):
        colour = rng.integers(0, 255, 3)
        for style in STYLES:
            rgba = np.zeros((128, 128, 4), np.uint8)
            rgba[..., :3], rgba[..., 3] = colour, disc
            pictures.append(rgba)
            records.append(
                {
                    "id": f"{style}/{concept}", "name": name, "style": style, "keywords": ["thing", "food"],
                    "concept": str(concept), "group": "objects", "colors": ["red"], "dominant": 0.9,
                    "coverage": 0.5, "source": SOURCES[style], "split": "held_out" if name == "green tree" else "train",
                }
            )  # fmt: skip
    np.save(folder / "pictures.npy", np.stack(pictures))
    (folder / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder

"""The pictogram data set in memory: pictures, records, and pictures put on backgrounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

# What scores are measured on, always the same, so that releases can be compared: the sources of the first one.
MEASURED = ("fluent3d", "fluent-flat", "fluent-contrast", "twemoji", "openclipart")
# What is painted from: black silhouettes would only be recoloured.
PAINTED = (*MEASURED, "noto", "emojione", "fxemoji", "streamline")


class Pictograms:
    """The pictures of ``data/pictograms`` and what is known about them.

    ``folder`` is where they lie; ``rgba`` is a memory map, uint8 (N, 128, 128, 4), straight alpha; ``records`` one dict
    a picture, same order; ``rows`` are the numbers of those of the given ``splits`` and ``sources`` (None: all).
    """

    def __init__(
        self, folder: Path, splits: tuple[str, ...] = ("train",), sources: tuple[str, ...] | None = None
    ) -> None:
        if not (folder / "records.jsonl").exists():
            raise SystemExit(f"{folder} holds no data set; build it: python -m training.data.pictograms --out {folder}")
        self.folder, self.sources = folder, sources
        self.rgba = np.load(folder / "pictures.npy", mmap_mode="r")
        with open(folder / "records.jsonl") as file:
            self.records: list[dict[str, Any]] = [json.loads(line) for line in file]
        wanted = [r["split"] in splits and (sources is None or r["source"] in sources) for r in self.records]
        self.rows = np.flatnonzero(wanted)

    def __len__(self) -> int:
        return len(self.rows)


def on_background(rgba: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """Puts pictures on plain colours.

    rgba (N, H, W, 4) uint8 straight alpha; background (N, 3) float [0, 1]. Returns (N, 3, H, W) float32 [0, 1].
    """
    pixels = rgba.permute(0, 3, 1, 2).float() / 255
    alpha = pixels[:, 3:]
    return pixels[:, :3] * alpha + background[:, :, None, None] * (1 - alpha)


def random_backgrounds(n: int, rng: np.random.Generator, white: float = 0.6) -> torch.Tensor:
    """Background colours (n, 3) in [0, 1]: white with the given chance, else any colour."""
    colours = rng.random((n, 3), dtype=np.float32)
    colours[rng.random(n) < white] = 1.0
    return torch.from_numpy(colours)


def random_crops(data: Pictograms, n: int, size: int, rng: np.random.Generator) -> torch.Tensor:
    """n random crops, at times mirrored, on random backgrounds: (n, 3, size, size) float32 [0, 1]."""
    full = data.rgba.shape[1]
    rows = data.rows[rng.integers(len(data.rows), size=n)]
    ys, xs = rng.integers(full - size + 1, size=(2, n)) if size < full else np.zeros((2, n), dtype=int)
    crops = [data.rgba[r, y : y + size, x : x + size] for r, y, x in zip(rows, ys, xs, strict=True)]
    pictures = on_background(torch.from_numpy(np.stack(crops)), random_backgrounds(n, rng))
    mirrored = torch.from_numpy(rng.random(n) < 0.5)
    pictures[mirrored] = pictures[mirrored].flip(-1)
    return pictures


def augment(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Small shifts, zooms and noise of a batch (N, 3, H, W) in [0, 1]: what cut-outs and generators show a ranker."""
    n = len(pictures)
    zoom = torch.from_numpy(rng.uniform(0.85, 1.3, n)).float()
    shift = torch.from_numpy(rng.uniform(-0.12, 0.12, (n, 2))).float()
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = zoom
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta.to(pictures), list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    noise = torch.from_numpy(rng.uniform(0, 0.06, n)).to(moved)[:, None, None, None]
    return (moved + noise * torch.randn_like(moved)).clamp(0, 1).float()

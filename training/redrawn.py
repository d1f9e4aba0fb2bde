"""Pictures as the painters redraw them: ``python -m training.redrawn --model pictograms-gan --out data/redrawn-gan``.

Each training picture is put before a painter as its own remembered neighbour, under its own caption. What comes back is
nearly the picture, in latents with the painter's own mistakes: wavy outlines, mottled fills. The VQGAN's decoder learns
to paint over such mistakes from these (``training.vqgan --redrawn``).

``redrawn.safetensors`` comes out: ``latents`` (N, C, 16, 16) float16 as the decoder takes them, and ``rows`` (N,)
int64, the pictures on white that they should have been.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from models.families.pictograms_ground import ground_of
from models.families.pictograms_ldm import RECOLOURED, strength_of
from models.families.pictograms_memory import NEIGHBOURS, as_channels
from models.families.pictograms_query import split_pair
from training.data.captions import caption
from training.generation_scores import Way, candidates, open_pool
from training.latents import encode
from training.pictures import PAINTED, Pictograms, on_background

KEPT = 0.6  # share of the pictures that were redrawn most alike: others became something else
FILE = "redrawn.safetensors"


def on_white(data: Pictograms, rows: Tensor) -> Tensor:
    """Pictures (N, 3, 128, 128) float32 [0, 1]."""
    return on_background(torch.from_numpy(data.rgba[rows.numpy()]), torch.ones(len(rows), 3))


def plain_caption(data: Pictograms, row: int, rng: np.random.Generator) -> str | None:
    """A caption of one thing without a background or a colour that would be painted anew; None if ten tries fail."""
    for text in (caption(data.records[row], rng) for _ in range(10)):
        if split_pair(text) is None and ground_of(text)[1] is None and strength_of(text) < RECOLOURED:
            return text
    return None


class Mirror:
    """A painter that is shown pictures of our choice and whose latents are kept. ``painter`` is a changed copy."""

    def __init__(self, painter: Any, pictures: Iterator[Tensor]) -> None:
        self.painter, self.latents = copy.copy(painter), []
        decode = self.painter.decode

        def show(thing: str, seeds: list[int], place: int = 0) -> Tensor:
            own = painter.vqgan.quantize(encode(painter.vqgan, next(pictures)[None]))[0][0]
            return as_channels([own] * NEIGHBOURS, painter.mean, painter.std)[None]

        def keep(latents: Tensor) -> Tensor:
            self.latents.append(latents * painter.std + painter.mean)
            return decode(latents)

        self.painter.redrawn_from, self.painter.decode = show, keep


def redraw(model: str, data: Pictograms, weights: Path, rows: Tensor, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Latents (N, C, 16, 16) of redrawn pictures, and how far each is from the picture's own (N,), in pixels' RMS."""
    pool, apart = open_pool(weights), []
    with pool.use(model) as painter, torch.no_grad():
        mirror = Mirror(painter, (on_white(data, row[None])[0] for row in rows))
        painted = candidates(mirror.painter, pool.catalog, Way(model), texts)
        for row, picture in zip(rows, tqdm(painted, total=len(rows), unit="picture"), strict=True):
            apart.append(float((picture - on_white(data, row[None])).square().mean().sqrt()))
    return torch.cat(mirror.latents), torch.tensor(apart)


@dataclass(frozen=True)
class Painted:
    """Redrawn pictures: ``latents`` (N, C, 16, 16) as the decoder takes them, ``rows`` (N,) of what they should be."""

    latents: Tensor
    rows: Tensor

    def crops(self, data: Pictograms, n: int, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """n crops: latents (n, C, size / 8, size / 8) and what they should be, (n, 3, size, size) in [0, 1]."""
        chosen = torch.from_numpy(rng.integers(len(self.rows), size=n))
        cells = size // 8
        corners = rng.integers(self.latents.shape[-1] - cells + 1, size=(n, 2))
        latents, pictures = self.latents[chosen].float(), on_white(data, self.rows[chosen])
        return (
            torch.stack([part[:, y : y + cells, x : x + cells] for part, (y, x) in zip(latents, corners, strict=True)]),
            torch.stack(
                [part[:, y : y + size, x : x + size] for part, (y, x) in zip(pictures, corners * 8, strict=True)]
            ),
        )


def load(folders: list[Path]) -> Painted | None:
    """What was redrawn into several folders as one; None of none."""
    parts = [load_file(folder / FILE) for folder in folders]
    return Painted(*(torch.cat([part[name] for part in parts]) for name in ("latents", "rows"))) if parts else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.redrawn", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--model", default="pictograms-gan")
    parser.add_argument("--count", type=int, default=4000, help="pictures to redraw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    data, rng = Pictograms(args.data, sources=PAINTED), np.random.default_rng(args.seed)
    chosen = rng.permutation(data.rows)[: args.count]
    told = {int(row): text for row in chosen if (text := plain_caption(data, int(row), rng))}
    rows = torch.tensor(list(told))
    latents, apart = redraw(args.model, data, args.weights, rows, list(told.values()))
    near = apart.argsort()[: round(KEPT * len(apart))]
    print(f"{len(near)} of {len(rows)} pictures kept: RMS {apart[near].mean():.3f} (all: {apart.mean():.3f})")
    args.out.mkdir(parents=True, exist_ok=True)
    save_file({"latents": latents[near].half().contiguous(), "rows": rows[near].contiguous()}, args.out / FILE)


if __name__ == "__main__":
    main()

"""Does a model copy? ``python -m training.generation_scores_nearest --out weights/pictograms-ldm/nearest.webp``.

Sixty-four pictures for held-out captions, each beside the training pictures nearest to it and the neighbours that it
was given. Nearness is measured twice: by EfficientNet-lite0 features (1 - cosine) and by pixels (root mean square on a
32 x 32 grid). What is near is taken from real pictures: one in twenty real pictures of unseen concepts lies nearer than
``new`` to its nearest training picture, and nineteen in twenty training pictures lie nearer than ``copy`` to themselves
after a passage through the VQGAN. That passage changes features far more than pixels, and a model that paints through
the VQGAN cannot do without it: whether something is a copy is told by the pixels, not by the features.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from common.images import contact_sheet, to_pil
from training.compose import Sample
from training.evaluate import white
from training.generation_scores import Way, captions, fair, open_pool, paint
from training.generation_scores_distance import Features
from training.pictures import MEASURED, PAINTED, Pictograms

PICTURES, RECONSTRUCTED, BATCH, GRID = 64, 256, 64, 32
CELL, LINE, COLUMNS = 64, 13, 3  # pixels of a picture on the sheet and of its caption; samples side by side


@dataclass(frozen=True)
class Views:
    """Pictures as they are compared: unit ``features`` (N, 1280) and coarse ``pixels`` (N, 3 * 32 * 32)."""

    features: Tensor
    pixels: Tensor

    def nearest(self, others: Views) -> dict[str, tuple[Tensor, Tensor]]:
        """For each picture and each way of looking the distance to its nearest among ``others``, and which that is."""
        ways = {
            "features": 1 - self.features @ others.features.T,
            "pixels": torch.cdist(self.pixels, others.pixels) / self.pixels.shape[1] ** 0.5,
        }
        return {name: tuple(distance.min(1)) for name, distance in ways.items()}

    def apart(self, others: Views) -> dict[str, Tensor]:
        """Distance of each picture to the one in the same place of ``others``."""
        return {
            "features": 1 - (self.features * others.features).sum(1),
            "pixels": (self.pixels - others.pixels).square().mean(1).sqrt(),
        }


def view(pictures: Tensor, features: Features) -> Views:
    """Views of pictures (N, 3, H, W) in [0, 1]."""
    return Views(F.normalize(features(pictures), dim=1), F.adaptive_avg_pool2d(pictures, GRID).flatten(1))


def view_rows(data: Pictograms, rows: np.ndarray, features: Features) -> Views:
    """Views of pictograms on white, a batch at a time, for all of them do not fit into memory."""
    parts = [view(white(data, part), features) for part in np.array_split(rows, max(len(rows) // BATCH, 1))]
    return Views(torch.cat([part.features for part in parts]), torch.cat([part.pixels for part in parts]))


def plain(folder: Path, count: int) -> list[Sample]:
    """Held-out samples of both kinds without a painted background: training pictures are compared on white."""
    kinds = ("unseen concept", "unseen style of a known concept")
    found = [[sample for sample in captions(folder, kind) if sample.ground is None] for kind in kinds]
    return [sample for several in zip(*found, strict=False) for sample in several][:count]


@torch.no_grad()
def thresholds(data: Pictograms, trained: Views, features: Features, vqgan: Any) -> dict[str, dict[str, float]]:
    """Per way of looking the distances ``new`` and ``copy`` (see above)."""
    unseen = view_rows(data, Pictograms(data.folder, ("held_out",), MEASURED).rows, features).nearest(trained)
    rows = np.random.default_rng(6).permutation(data.rows)[:RECONSTRUCTED]
    originals, again = white(data, rows), []
    for part in originals.split(BATCH):
        latents = vqgan.quantize(vqgan.encode(part * 2 - 1).latents)[0]
        again.append((vqgan.decode(latents, force_not_quantize=True).sample / 2 + 0.5).clamp(0, 1))
    itself = view(torch.cat(again), features).apart(view(originals, features))
    return {
        name: {"new": float(unseen[name][0].quantile(0.05)), "copy": float(itself[name].quantile(0.95))}
        for name in itself
    }


def near(ours: dict[str, tuple[Tensor, Tensor]], limits: dict[str, dict[str, float]]) -> dict[str, float]:
    """Shares of pictures nearer to a training picture than the limits, by each way of looking and by both at once."""
    shares: dict[str, float] = {}
    for what in ("new", "copy"):
        under = {name: ours[name][0] < limits[name][what] for name in limits}
        under["both"] = torch.stack(list(under.values())).all(0)
        shares |= {f"under {what}, {name}": float(hits.float().mean()) for name, hits in under.items()}
    return shares


def report(way: Way, folder: Path, weights: Path) -> tuple[dict[str, Any], Image.Image]:
    """Numbers and the sheet for one model."""
    from diffusers import VQModel

    data, features, pool = Pictograms(folder, sources=PAINTED), Features(), open_pool(weights)
    samples = plain(folder, way.count)
    texts = [sample.caption for sample in samples]
    with pool.use(way.model) as whole:
        model = fair(whole)
        pictures = paint(model, pool.catalog, way, texts)
        given = [model.shown(text, seed) for seed, text in enumerate(texts)] if hasattr(model, "shown") else []
    trained = view_rows(data, data.rows, features)
    held_out = view_rows(data, Pictograms(folder, ("held_out", "held_out_style"), MEASURED).rows, features)
    limits = thresholds(data, trained, features, VQModel.from_pretrained(weights / "pictograms-vqgan").eval())
    mine = view(pictures, features)
    ours, theirs = mine.nearest(trained), mine.nearest(held_out)
    numbers = {
        "model": way.model,
        "pictures": len(pictures),
        "limits": limits,
        **near(ours, limits),
        "median to training": {name: float(distance.median()) for name, (distance, _) in ours.items()},
        "median to held-out": {name: float(distance.median()) for name, (distance, _) in theirs.items()},
    }
    if given:
        numbers |= first_neighbours(mine, view(torch.stack([each[0] for each in given]), features), trained, limits)
    nearest = [white(data, data.rows[which.numpy()]) for _, which in ours.values()]
    return numbers, sheet(texts, [pictures, *nearest], given)


def first_neighbours(mine: Views, given: Views, trained: Views, limits: dict[str, dict[str, float]]) -> dict[str, Any]:
    """How near pictures are to the neighbour that each was painted over, and whether that is the nearest there is."""
    far = mine.apart(given)
    same = mine.nearest(trained)["pixels"][1] == given.nearest(trained)["pixels"][1]
    return {
        "median to first neighbour": {name: float(distance.median()) for name, distance in far.items()},
        "first neighbour under copy, pixels": float((far["pixels"] < limits["pixels"]["copy"]).float().mean()),
        "nearest by pixels is the first neighbour": float(same.float().mean()),
    }


def sheet(texts: list[str], columns: list[Tensor], given: list[Tensor]) -> Image.Image:
    """Rows of sample | nearest training pictures | neighbours given, with the caption, ``COLUMNS`` side by side.

    ``columns`` are the samples, then the nearest by features and by pixels, each (N, 3, 128, 128) in [0, 1].
    """
    cards = []
    for k, text in enumerate(texts):
        cells = [to_pil(part[k : k + 1])[0] for part in columns] + (to_pil(given[k]) if given else [])
        strip = contact_sheet([cell.resize((CELL, CELL), Image.Resampling.LANCZOS) for cell in cells], len(cells))
        card = Image.new("RGB", (strip.width + 10, CELL + LINE), "white")
        card.paste(strip, (0, 0))
        ImageDraw.Draw(card).text((1, CELL), text[:52], fill="black", font_size=9)
        cards.append(card)
    body = contact_sheet(cards, COLUMNS)
    whole = Image.new("RGB", (body.width, body.height + 16), "white")
    whole.paste(body, (0, 16))
    heading = "sample | nearest training picture by features | by pixels"
    heading += " | neighbours it was given" if given else ""
    ImageDraw.Draw(whole).text((1, 2), heading, fill="black", font_size=11)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.generation_scores_nearest", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--model", default=Way.model)
    parser.add_argument("--count", type=int, default=PICTURES)
    parser.add_argument("--out", type=Path, default=Path("nearest.webp"))
    args = parser.parse_args()
    numbers, picture = report(Way(args.model, count=args.count), args.data, args.weights)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    picture.save(args.out, quality=80)
    print(json.dumps(numbers, indent=2))


if __name__ == "__main__":
    main()

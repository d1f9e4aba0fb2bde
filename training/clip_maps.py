"""Caches what CLIP training starts from: ``python -m training.clip_maps --out data/clip_maps``.

The lower two thirds of EfficientNet-lite0 know edges and textures well enough already. Run once over every training
picture, their output is all that the upper layers need, which then learn some twenty times faster than the whole tower.

``maps.npy``: float16 (M, C, 8, 8), memory-mapped, of 112 channels (lite0) or 120 (lite2); ``texts.npy``: float16
(M, 384), MiniLM means of the captions; ``negatives.npy``: the same for a caption that is almost true
(``training.hard_captions``), zeros where there is none; ``captions.jsonl``: the captions themselves, and what the
pictures show, to caption them anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor, nn
from tqdm import tqdm

from models.families.efficientnet import LITE0, LITE2, MEAN, STD, imagenet_state
from models.families.sentence import SentenceEncoder
from training.compose import Sample, group, pair, render, single
from training.hard_captions import wrong_caption
from training.loop import digest
from training.pictures import Pictograms, augment

SPLIT = 5  # blocks below it are frozen: stride 16, so 8 x 8 cells at 128 pixels
BATCH, SEEN = 32, 256  # pictures at once through the lower and through the upper part


def lower(trunk: nn.Module, pixels: Tensor) -> Tensor:
    """The frozen part of a timm EfficientNet: normalised pixels (N, 3, H, W) to maps (N, C, H/16, W/16)."""
    x = trunk.bn1(trunk.conv_stem(pixels))
    for block in trunk.blocks[:SPLIT]:
        x = block(x)
    return x


def upper(trunk: nn.Module, maps: Tensor) -> Tensor:
    """The part that learns: maps to pooled features (N, 1280)."""
    return trunk.forward_head(last_maps(trunk, maps))


def last_maps(trunk: nn.Module, maps: Tensor) -> Tensor:
    """The same before pooling: (N, 1280, 4, 4) at 128 pixels."""
    x = maps
    for block in trunk.blocks[SPLIT:]:
        x = block(x)
    return trunk.bn2(trunk.conv_head(x))


@torch.no_grad()
def seen(
    folder: Path, name: str, clip: Path, see: Callable[[Tensor], Tensor], rows: np.ndarray | None = None
) -> np.ndarray:
    """``see(maps)`` of the cached maps in ``folder``, or of these ``rows`` of them, float16; kept beside them by the
    weights of ``clip``, and by how many there are."""
    maps = np.load(folder / "maps.npy", mmap_mode="r")
    rows = np.arange(len(maps)) if rows is None else rows
    kept = folder / f"{name}-{len(rows)}-{digest(clip)}.npy"
    if not kept.exists():
        found = []
        for start in tqdm(range(0, len(rows), SEEN), desc=name, unit="batch"):
            found.append(see(torch.from_numpy(maps[rows[start : start + SEEN]]).float()).half().numpy())
        np.save(kept, np.concatenate(found))
    return np.load(kept)


def means(sentence: SentenceEncoder, texts: list[str]) -> np.ndarray:
    """Mean token states (N, 384) float16, what the text projection reads; zeros for ""."""
    states, mask = sentence.token_states(texts, length=77)
    pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return np.where([[bool(text)] for text in texts], pooled.cpu().numpy(), 0).astype(np.float16)


def draw(data: Pictograms, variants: int, pairs: int, groups: int, rng: np.random.Generator) -> list[Sample]:
    """``variants`` captioned versions of every training pictogram, ``pairs`` of two and ``groups`` of one, shuffled."""
    samples = [single(data, int(row), rng) for row in data.rows for _ in range(variants)]
    samples += [pair(data, int(a), int(b), rng) for a, b in rng.choice(data.rows, (pairs, 2))]
    samples += [group(data, int(row), rng) for row in rng.choice(data.rows, groups)]
    return [samples[k] for k in rng.permutation(len(samples))]


def facts_of(sample: Sample) -> dict[str, Any]:
    """All of a sample but its pixels."""
    return {name: value for name, value in vars(sample).items() if name not in ("rgba", "background")}


@torch.no_grad()
def write(folder: Path, samples: list[Sample], rng: np.random.Generator, network: str = LITE0) -> None:
    """Runs the frozen part over all samples, slightly moved and noisy as generators' pictures are."""
    import timm

    trunk = timm.create_model(network, num_classes=0)
    trunk.load_state_dict(imagenet_state(network), strict=False)
    trunk.eval()
    sentence = SentenceEncoder()
    mean, std = (torch.tensor(value)[:, None, None] for value in (MEAN, STD))
    count = len(samples)
    shape = lower(trunk, torch.zeros(1, 3, 128, 128)).shape[1:]
    maps = open_memmap(folder / "maps.npy", "w+", np.float16, (count, *shape))
    texts = open_memmap(folder / "texts.npy", "w+", np.float16, (count, 384))
    negatives = open_memmap(folder / "negatives.npy", "w+", np.float16, (count, 384))
    with open(folder / "captions.jsonl", "w") as file:
        for start in tqdm(range(0, count, BATCH), desc="maps", unit="batch"):
            part = samples[start : start + BATCH]
            rows = slice(start, start + len(part))
            maps[rows] = lower(trunk, (augment(render(part), rng) - mean) / std).half().numpy()
            wrong = [wrong_caption(sample, rng) for sample in part]
            texts[rows], negatives[rows] = means(sentence, [s.caption for s in part]), means(sentence, wrong)
            for sample, other in zip(part, wrong, strict=True):
                file.write(json.dumps({"wrong": other, **facts_of(sample)}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.clip_maps", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--out", type=Path, default=Path("data/clip_maps"))
    parser.add_argument("--network", choices=(LITE0, LITE2), default=LITE0, help="the judge has other eyes: lite2")
    parser.add_argument("--variants", type=int, default=4, help="captioned versions of every pictogram")
    parser.add_argument("--pairs", type=int, default=6000, help="compositions of two pictograms")
    parser.add_argument("--groups", type=int, default=4000, help="several copies of one pictogram, counted")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    write(args.out, draw(Pictograms(args.data), args.variants, args.pairs, args.groups, rng), rng, args.network)


if __name__ == "__main__":
    main()

"""Draws what the GAN is trained on, once: ``python -m training.gan_data --out data/gan``.

``pictures.npy``: uint8 (M, S, S, 3), memory-mapped; ``texts.npy``: float16 (M, 384), MiniLM sentence vectors of the
captions; ``wrongs.npy``: the same for a caption that is almost true (``training.hard_captions``), zeros where there is
none; ``captions.jsonl``: the captions and the row of the pictogram that each picture shows.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.format import open_memmap
from torch import Tensor
from tqdm import tqdm

from models.families.sentence import SentenceEncoder
from training.compose import Sample, render, single
from training.hard_captions import wrong_caption
from training.pictures import Pictograms

BATCH = 64


def write(folder: Path, data: Pictograms, variants: int, size: int, rng: np.random.Generator) -> None:
    """``variants`` captioned versions of every training pictogram, shuffled, at ``size`` pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = rng.permutation(np.repeat(data.rows, variants))
    pictures = open_memmap(folder / "pictures.npy", "w+", np.uint8, (len(rows), size, size, 3))
    texts, wrongs = (open_memmap(folder / f"{name}.npy", "w+", np.float16, (len(rows), 384)) for name in _VECTORS)
    sentence = SentenceEncoder()
    with open(folder / "captions.jsonl", "w") as file:
        for start in tqdm(range(0, len(rows), BATCH), desc="pictures", unit="batch"):
            samples = [single(data, int(row), rng) for row in rows[start : start + BATCH]]
            part = slice(start, start + len(samples))
            pictures[part] = _pixels(samples, size)
            almost = [wrong_caption(sample, rng) for sample in samples]
            texts[part] = sentence.encode([sample.caption for sample in samples]).numpy()
            if told := [k for k, text in enumerate(almost) if text]:
                wrongs[start + np.array(told)] = sentence.encode([almost[k] for k in told]).numpy()
            for sample, other in zip(samples, almost, strict=True):
                file.write(json.dumps({"caption": sample.caption, "wrong": other, "row": sample.rows[0]}) + "\n")


_VECTORS = ("texts", "wrongs")


def _pixels(samples: list[Sample], size: int) -> np.ndarray:
    pictures = F.interpolate(render(samples), (size, size), mode="area")
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()


@dataclass(frozen=True)
class Batch:
    """``pictures`` (N, 3, S, S) in [0, 1]; ``texts`` (N, 384) tell what they show, ``wrongs`` (N, 384) do not."""

    pictures: Tensor
    texts: Tensor
    wrongs: Tensor


class Captioned:
    """The cached pictures with their sentence vectors."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "captions.jsonl").exists():
            raise SystemExit(f"{folder} holds no pictures; make them: python -m training.gan_data --out {folder}")
        self.pictures = np.load(folder / "pictures.npy", mmap_mode="r")
        self.texts, self.wrongs = (np.load(folder / f"{name}.npy") for name in _VECTORS)
        with open(folder / "captions.jsonl") as file:
            self.rows = np.array([json.loads(line)["row"] for line in file])

    def draw(self, count: int, rng: np.random.Generator, device: torch.device, almost: float = 0.5) -> Batch:
        """A random batch. The wrong text is at times almost true, where there is such a one, else of another picture.

        Another picture's text can be true by chance (two apples in one batch), seldom enough not to mind.
        """
        chosen = np.sort(rng.choice(len(self.rows), count, replace=False))  # ascending: a disc likes that better
        pixels = torch.from_numpy(self.pictures[chosen]).to(device).permute(0, 3, 1, 2).float() / 255
        texts, hard = (torch.from_numpy(each[chosen]).to(device).float() for each in (self.texts, self.wrongs))
        use_hard = (hard.abs().sum(1) > 0).cpu().numpy() & (rng.random(count) < almost)
        wrongs = torch.where(torch.from_numpy(use_hard).to(device)[:, None], hard, texts.roll(1, 0))
        return Batch(pixels, texts, wrongs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.gan_data", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--out", type=Path, default=Path("data/gan"))
    parser.add_argument("--variants", type=int, default=4, help="captioned versions of every pictogram")
    parser.add_argument("--size", type=int, default=64, help="pixels a side")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    write(args.out, Pictograms(args.data), args.variants, args.size, np.random.default_rng(args.seed))


if __name__ == "__main__":
    main()

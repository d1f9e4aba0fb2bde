"""Encodes the pictograms once: ``python -m training.latents --vqgan weights/pictograms-vqgan --out data/latents``.

Diffusion then trains on cached latents. Two files come out:

``samples.safetensors`` + ``samples.jsonl``: captioned training pictures (plain, recoloured, on colours, in pairs) as
latents (M, C, 16, 16) float16, before quantisation, and per sample its caption, one that is almost true ("" where there
is none; ``training.hard_captions``) and the rows of the pictograms in it.
``memory.safetensors``: for every pictogram of the data set its codes at full size (N, 256) and at half size (N, 64),
int16; the retrieval memory is made of those.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import VQModel
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from training.compose import Sample, pair, render, shrink, single
from training.hard_captions import wrong_caption
from training.pictures import PAINTED, Pictograms, on_background

BATCH = 32


def draw(data: Pictograms, variants: int, pairs: int, seed: int) -> list[Sample]:
    """``variants`` captioned versions of every training pictogram, and ``pairs`` compositions of two."""
    rng = np.random.default_rng(seed)
    samples = [single(data, int(row), rng) for row in data.rows for _ in range(variants)]
    chosen = rng.choice(data.rows, (pairs, 2))
    return samples + [pair(data, int(a), int(b), rng) for a, b in chosen]


@torch.no_grad()
def encode(vqgan: VQModel, pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) in [0, 1] to latents before quantisation (N, C, H/8, W/8)."""
    return vqgan.encode(pictures * 2 - 1).latents


@torch.no_grad()
def codes(vqgan: VQModel, pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) in [0, 1] to code numbers (N, H/8 * W/8), int16."""
    latents = encode(vqgan, pictures)
    indices = vqgan.quantize(latents)[2][2]
    return indices.reshape(len(pictures), -1).to(torch.int16)


def encode_samples(vqgan: VQModel, samples: list[Sample]) -> Tensor:
    """Latents (M, C, 16, 16) float16 of captioned pictures."""
    parts = [
        encode(vqgan, render(samples[start : start + BATCH])).half()
        for start in tqdm(range(0, len(samples), BATCH), desc="samples", unit="batch")
    ]
    return torch.cat(parts).contiguous()


def encode_memory(vqgan: VQModel, data: Pictograms) -> dict[str, Tensor]:
    """Codes of every pictogram on white, at full and at half size."""
    full, half = [], []
    white = torch.ones(BATCH, 3)
    for start in tqdm(range(0, len(data.rgba), BATCH), desc="memory", unit="batch"):
        rgba = np.asarray(data.rgba[start : start + BATCH])
        small = np.stack([shrink(picture, picture.shape[0] // 2) for picture in rgba])
        full.append(codes(vqgan, on_background(torch.from_numpy(rgba.copy()), white[: len(rgba)])))
        half.append(codes(vqgan, on_background(torch.from_numpy(small), white[: len(rgba)])))
    return {"full": torch.cat(full), "half": torch.cat(half)}


def write_captions(samples: list[Sample], path: Path, rng: np.random.Generator) -> None:
    """One line of JSON a sample."""
    with open(path, "w") as file:
        for sample in samples:
            line = {"caption": sample.caption, "wrong": wrong_caption(sample, rng)}
            file.write(json.dumps(line | {"rows": sample.rows, "relation": sample.relation}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.latents", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--vqgan", type=Path, default=Path("weights/pictograms-vqgan"))
    parser.add_argument("--out", type=Path, default=Path("data/latents"))
    parser.add_argument("--variants", type=int, default=3, help="captioned versions of every pictogram")
    parser.add_argument("--pairs", type=int, default=5000, help="compositions of two pictograms")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    data = Pictograms(args.data, sources=PAINTED)
    vqgan = VQModel.from_pretrained(args.vqgan).eval()
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(encode_memory(vqgan, data), args.out / "memory.safetensors")
    samples = draw(data, args.variants, args.pairs, args.seed)
    save_file({"latents": encode_samples(vqgan, samples)}, args.out / "samples.safetensors")
    write_captions(samples, args.out / "samples.jsonl", np.random.default_rng(args.seed + 1))


if __name__ == "__main__":
    main()

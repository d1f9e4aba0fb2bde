"""Scores of the starter models on held-out pictures: ``python -m training.evaluate [NAME ...]``; prints JSON.

Held out are whole concepts (no style of them was trained on), so a number here is about things never seen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import caption_scores, clip_scores, generation_scores
from training.data.photos import photos
from training.pictures import MEASURED, Pictograms, on_background

BATCH = 32


def white(data: Pictograms, rows: np.ndarray) -> torch.Tensor:
    """The pictures of these rows on white: (n, 3, 128, 128) float32 [0, 1]."""
    return on_background(torch.from_numpy(data.rgba[rows]), torch.ones(len(rows), 3))


@torch.no_grad()
def vqgan(data: Pictograms, weights: Path, name: str = "pictograms-vqgan") -> dict[str, float]:
    """Mean PSNR in dB of held-out pictograms on white, rounded to codes, and the share of the codebook that they use;
    PSNR without rounding, how steep their edges are (1 is as steep as the originals'), and PSNR of photographs."""
    from diffusers import VQModel

    model = VQModel.from_pretrained(weights / name).eval()
    used = torch.zeros(model.config.num_vq_embeddings, dtype=torch.bool)
    found: dict[str, list[torch.Tensor]] = {}

    def decode(latents: torch.Tensor) -> torch.Tensor:
        return (model.decode(latents, force_not_quantize=True).sample / 2 + 0.5).clamp(0, 1)

    def compare(pictures: torch.Tensor, kind: str = "") -> torch.Tensor:
        latents = model.encode(pictures * 2 - 1).latents
        rounded, _, (_, _, codes) = model.quantize(latents)
        ours, free = decode(rounded), decode(latents)
        found.setdefault(f"{kind}psnr_db", []).append(psnr(ours, pictures))
        found.setdefault(f"{kind}psnr_db_not_rounded", []).append(psnr(free, pictures))
        found.setdefault(f"{kind}steepness", []).append(steepness(free) / steepness(pictures).clamp(min=1e-6))
        return codes.flatten()

    for rows in np.array_split(data.rows, max(len(data) // BATCH, 1)):
        used[compare(white(data, rows))] = True
    for part in photos(data.folder / "archives")[0].split(BATCH):
        compare(part, "photo_")
    means = {kind: float(torch.cat(values).mean()) for kind, values in found.items()}
    return {"pictures": len(data), "codes_used": float(used.float().mean()), **means}


def psnr(ours: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio of each of (N, 3, H, W) in [0, 1], in dB."""
    return -10 * (ours - pictures).square().mean((1, 2, 3)).log10()


def steepness(pictures: torch.Tensor) -> torch.Tensor:
    """Mean difference between neighbouring pixels of each of (N, 3, H, W)."""
    return sum(pictures.diff(dim=dim).abs().mean((1, 2, 3)) for dim in (2, 3))


def clip(data: Pictograms, weights: Path, name: str = "pictograms-clip") -> dict[str, float]:
    """Retrieval among unseen pictograms, and almost true captions told from true ones (``training.clip_scores``)."""
    from models.families.pictograms_clip import read_folder
    from models.families.sentence import SentenceEncoder

    model = read_folder(weights / name, SentenceEncoder())
    pictograms = {**clip_scores.retrieval(model, data), **clip_scores.hard_negatives(model, data)}
    return {**pictograms, **clip_scores.things(model, *photos(data.folder / "archives"))}


def captioner(data: Pictograms, weights: Path, name: str = "pictograms-clipcap") -> dict[str, dict[str, float]]:
    """Captions of unseen pictograms and of photographs (``training.caption_scores``)."""
    from models.families.clipcap_model import read_config
    from models.families.pictograms_clip import read_folder
    from models.families.sentence import SentenceEncoder

    sentence, config = SentenceEncoder(), read_config(weights / name)
    if config is None:
        raise SystemExit(f"{weights / name} holds no captioner; train one: python -m training.clipcap --export it")
    describe = caption_scores.describe_with(weights / name, read_folder(weights / config["clip"], sentence))
    unseen = Pictograms(data.folder, ("held_out",), MEASURED)
    seen = Pictograms(data.folder, ("held_out_style",), MEASURED)
    return {
        "photo": caption_scores.things(describe, *photos(data.folder / "archives")),
        "unseen style of a known concept": caption_scores.pictograms(describe, seen, sentence),
        "unseen concept": caption_scores.pictograms(describe, unseen, sentence),
    }


def generator(data: Pictograms, weights: Path, name: str = "pictograms-ldm") -> dict[str, Any]:
    """R-precision by the judge, FID and KID on held-out captions (``training.generation_scores``)."""
    return generation_scores.scores(generation_scores.Way(name), data.folder, weights)


SCORES = {  # what is asked for -> how it is scored, and the folder of its weights
    "vqgan": (vqgan, "pictograms-vqgan"),
    "clip": (clip, "pictograms-clip"),
    "judge": (clip, "pictograms-judge"),
    "clipcap": (captioner, "pictograms-clipcap"),
    "clipcap-mlp": (captioner, "pictograms-clipcap-mlp"),
    "ldm": (generator, "pictograms-ldm"),
    "student": (generator, "pictograms-student"),
    "gan": (generator, "pictograms-gan"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*SCORES, []], help="which models; all there are when none is named")
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    args = parser.parse_args()
    data = Pictograms(args.data, ("held_out", "held_out_style"), MEASURED)
    names = args.what or [name for name, (_, folder) in SCORES.items() if (args.weights / folder).exists()]
    results = {name: score(data, args.weights, folder) for name, (score, folder) in SCORES.items() if name in names}
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()

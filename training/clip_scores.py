"""What a CLIP of this project is measured by, on pictograms of concepts that it was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from training.compose import Sample, group, pair, render, single
from training.hard_captions import KINDS, hard_caption
from training.pictures import Pictograms


def retrieval(model: Any, data: Pictograms, pool_size: int = 1000) -> dict[str, float]:
    """Share of captions whose picture comes first (R@1), or among ten (R@10), out of ``pool_size`` pictograms."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(data.rows)[:pool_size]
    samples = [single(data, int(row), rng) for row in rows]
    images = model.encode_images(render(samples))
    texts = model.encode_texts([sample.caption for sample in samples])
    rank = (texts @ images.T).argsort(1, descending=True).eq(torch.arange(len(rows))[:, None]).int().argmax(1)
    return {"pictures": len(rows), "R@1": _share(rank == 0), "R@10": _share(rank < 10)}


def hard_negatives(model: Any, data: Pictograms, each: int = 300) -> dict[str, float]:
    """Share of pictures that fit their caption better than an almost true one, by kind (chance is 0.5)."""
    rng = np.random.default_rng(1)
    return {kind: _against(model, _samples(data, kind, each, rng), kind, rng) for kind in KINDS}


def _samples(data: Pictograms, kind: str, count: int, rng: np.random.Generator) -> list[Sample]:
    """``count`` held-out samples to which ``kind`` applies."""
    found: list[Sample] = []
    while len(found) < count:
        first, second = (int(row) for row in rng.choice(data.rows, 2))
        if kind == "count":
            sample = group(data, first, rng)
        else:
            sample = single(data, first, rng) if kind == "colour" else pair(data, first, second, rng)
        if hard_caption(sample, kind, rng):
            found.append(sample)
    return found


def _against(model: Any, samples: list[Sample], kind: str, rng: np.random.Generator) -> float:
    images = model.encode_images(render(samples))
    true = model.encode_texts([sample.caption for sample in samples])
    wrong = model.encode_texts([hard_caption(sample, kind, rng) for sample in samples])
    return _share((images * true).sum(1) > (images * wrong).sum(1))


def things(model: Any, pixels: torch.Tensor, names: list[str]) -> dict[str, float]:
    """Photographs named among the 1,000 ImageNet classes by "a photo of a ...": top-1 and top-5 accuracy.

    ``pixels`` (N, 3, H, W) float32 [0, 1] with their class ``names``.
    """
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    texts = model.encode_texts([f"a photo of a {name}" for name in IMAGENET_CLASSNAMES])
    best = (model.encode_images(pixels) @ texts.T).topk(5).indices
    hits = best == torch.tensor([IMAGENET_CLASSNAMES.index(name) for name in names])[:, None]
    return {"photos": len(names), "photo_top1": _share(hits[:, 0]), "photo_top5": _share(hits.any(1))}


def _share(hits: torch.Tensor) -> float:
    return float(hits.float().mean())

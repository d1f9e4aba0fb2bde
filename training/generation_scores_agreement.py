"""How far judge and ranker agree on generated pictures: ``python -m training.generation_scores_agreement``.

Both score several candidates of each held-out caption. Within a caption Spearman's rank correlation says whether they
would sort its candidates alike (0 by chance, 1 for the same order); over all pictures, whether they find the same
captions well painted. The two were trained apart, but on the same pictograms and with the same sentence encoder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import bootstrap, spearmanr
from torch import Tensor

from models.families.pictograms_clip import read_folder
from models.families.sentence import SentenceEncoder
from training.generation_scores import JUDGES, KINDS, Way, candidates, captions, fair, open_pool


def agreement(ours: Tensor, theirs: Tensor) -> dict[str, Any]:
    """Of two rankers' scores (captions, candidates) of the same pictures; captions whose candidates one of the two
    scores all alike have no order and are left out of the first."""
    pairs = [
        pair for pair in zip(ours.tolist(), theirs.tolist(), strict=True) if all(len(set(part)) > 1 for part in pair)
    ]
    within = np.array([spearmanr(*pair).statistic for pair in pairs])
    interval = bootstrap((within,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return {
        "captions": len(ours),
        "candidates": ours.shape[1],
        "spearman": float(within.mean()),
        "spearman_95": [float(interval.low), float(interval.high)],
        "same_best": float((ours.argmax(1) == theirs.argmax(1)).float().mean()),
        "spearman_over_all": float(spearmanr(ours.flatten(), theirs.flatten()).statistic),
    }


@torch.no_grad()
def scores(way: Way, folder: Path, weights: Path) -> dict[str, Any]:
    """The agreement of judge and ranker about ``way``'s pictures, by kind of caption and over all."""
    sentence, pool = SentenceEncoder(), open_pool(weights)
    both = [read_folder(weights / name, sentence) for name in JUDGES]
    found: dict[str, Any] = {**vars(way), "judges": JUDGES}
    parts: list[list[Tensor]] = [[], []]
    with pool.use(way.model) as whole:
        model = fair(whole)
        for kind in KINDS:
            texts = [sample.caption for sample in captions(folder, kind)[: way.count]]
            seen = list(candidates(model, pool.catalog, way, texts))
            for part, clip in zip(parts, both, strict=True):
                vectors = clip.encode_texts(texts)
                part.append(torch.stack([clip.encode_images(p) @ v for p, v in zip(seen, vectors, strict=True)]))
            found[kind] = agreement(parts[1][-1], parts[0][-1])
    return found | {"all kinds": agreement(torch.cat(parts[1]), torch.cat(parts[0]))}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.generation_scores_agreement", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--model", default="pictograms-gan")
    parser.add_argument("--count", type=int, default=50, help="captions of each kind")
    parser.add_argument("--candidates", type=int, default=8, help="pictures a caption")
    args = parser.parse_args()
    way = Way(args.model, count=args.count, candidates=args.candidates)
    print(json.dumps(scores(way, args.data, args.weights), indent=2))


if __name__ == "__main__":
    main()

"""Scores of a text -> image model of the starter pack on held-out captions: ``python -m training.generation_scores``.

Every picture is made as the app makes it: the request's defaults, then ``model.start``. There are three kinds of
captions, none of them met in training: of concepts never seen, of known concepts in a style never seen, and of two such
things side by side. R-precision (Xu et al. 2018) asks a CLIP which of a hundred captions a picture was made from. The
judge is a CLIP that was never a loss and never chose anything. Real pictures are judged beside the generated ones, to
show what it can see, and so are the first neighbours of a model with a memory, which merely looking up would give.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.settings import Settings
from models.catalog import Catalog
from models.families.pictograms_clip import read_folder
from models.families.sentence import SentenceEncoder
from models.pool import ModelPool
from pipelines.text_to_image import start
from pipelines.text_to_image_request import TextToImageRequest
from training.compose import Sample, pair, render, single
from training.generation_scores_distance import Features, distances
from training.pictures import MEASURED, Pictograms

RANKER = "pictograms-clip"  # of the app
JUDGES = ("pictograms-judge", RANKER)  # the first that is there judges
RIVALS = 99  # wrong captions beside the true one
PAIRS = 200  # captions of two things to draw from
KINDS = {
    "unseen concept": ("held_out", single),
    "unseen style of a known concept": ("held_out_style", single),
    "two things in unseen styles": ("held_out_style", pair),
}


@dataclass(frozen=True)
class Way:
    """Which model and how; None and "" are the model's own defaults. ``count`` captions of each kind.

    Of several ``candidates`` the one that the app's own ranker likes best is judged, which is what people see first.
    """

    model: str = "pictograms-ldm"
    steps: int | None = None
    guidance: float | None = None
    scheduler: str = ""
    count: int = 100
    candidates: int = 1


def captions(folder: Path, kind: str) -> list[Sample]:
    """All held-out samples of a kind, in an order that never changes: one a picture, or ``PAIRS`` pairs."""
    split, make = KINDS[kind]
    data, rng = Pictograms(folder, (split,), MEASURED), np.random.default_rng(3)
    rows = [int(row) for row in rng.permutation(data.rows)]
    if make is single:
        return [single(data, row, rng) for row in rows]
    return [pair(data, int(first), int(second), rng) for first, second in rng.choice(data.rows, (PAIRS, 2))]


def fair(model: Any) -> Any:
    """The model without the held-out pictures that it ships with; models that remember nothing as they are."""
    if not hasattr(model, "memory"):
        return model
    model = copy.copy(model)  # the one in the pool keeps its whole memory
    model.memory = model.memory.seen_in_training()
    return model


def open_pool(weights: Path) -> ModelPool:
    """The starter pack's models in ``weights``, on the CPU."""
    settings = Settings(models="starter", device="cpu", weights=weights)
    return ModelPool(Catalog.scan(settings), settings, ["cpu"])


def candidates(model: Any, catalog: Catalog, way: Way, texts: list[str]) -> Iterator[Tensor]:
    """All candidates of each text, (``way.candidates``, 3, H, W) float32 [0, 1]; those of the k-th have the seeds from
    k * ``way.candidates`` on."""
    asked = TextToImageRequest(
        "-", model=way.model, candidates=way.candidates, steps=way.steps, guidance=way.guidance, scheduler=way.scheduler
    ).resolve(catalog)
    for k, text in enumerate(texts):
        run = start(model, replace(asked, prompt=text, seed=k * way.candidates))
        while run.done < run.total:
            run.step()
        yield run.predicted()


def paint(model: Any, catalog: Catalog, way: Way, texts: list[str], ranker: Any = None) -> Tensor:
    """One picture a text, (N, 3, H, W) float32 [0, 1]; ``ranker`` chooses among several ``candidates``."""
    pictures = []
    for text, painted in zip(texts, candidates(model, catalog, way, texts), strict=True):
        best = 0
        if len(painted) > 1:
            best = int((ranker.encode_images(painted) @ ranker.encode_texts([text]).T).argmax())
        pictures.append(painted[best])
    return torch.stack(pictures)


def judged(
    judge: Any, data: Pictograms, several: dict[str, Tensor], samples: list[Sample], pool: list[Sample]
) -> dict[str, float]:
    """R-precision and mean cosine of several sets of pictures (N, 3, H, W) for the same N captions, by the sets' names.

    The rivals of a caption are drawn from ``pool``, of other concepts: in another style the same concept would be true
    of many pictures.
    """
    rng = np.random.default_rng(4)
    texts, others = (judge.encode_texts([sample.caption for sample in part]) for part in (samples, pool))
    shown, about = ([{data.records[row]["concept"] for row in s.rows} for s in part] for part in (samples, pool))
    rivals = []
    for mine, sample in zip(shown, samples, strict=True):
        wrong = [k for k, other in enumerate(pool) if not mine & about[k] and other.caption != sample.caption]
        rivals.append(rng.choice(wrong, min(RIVALS, len(wrong)), replace=False))
    result = {}
    for name, pictures in several.items():
        images = judge.encode_images(pictures)
        true = (images * texts).sum(1)
        best = torch.stack([(others[wrong] @ image).max() for wrong, image in zip(rivals, images, strict=True)])
        result |= {f"R-precision{name}": float((true > best).float().mean())}
        result |= {f"cosine{name}": float(true.mean())}
    return result


def scores(way: Way, folder: Path, weights: Path) -> dict[str, Any]:
    """Everything about one model: R-precision by kind, FID and KID with their floors, seconds a picture."""
    sentence, data, pool = SentenceEncoder(), Pictograms(folder, sources=MEASURED), open_pool(weights)
    judge_name = next(name for name in JUDGES if (weights / name / "config.json").exists())
    if way.candidates > 1 and judge_name == RANKER:
        raise SystemExit(f"{RANKER} cannot choose among candidates and judge its choice; {JUDGES[0]} is not there.")
    judge, ranker = (read_folder(weights / name, sentence) for name in (judge_name, RANKER))
    result: dict[str, Any] = {**vars(way), "judge": judge_name}
    drawn: list[Sample] = []
    painted: list[Tensor] = []
    began = time.monotonic()
    with pool.use(way.model) as whole:
        model = fair(whole)
        for kind in KINDS:
            everything = captions(folder, kind)
            samples = everything[: way.count]
            texts = [sample.caption for sample in samples]
            pictures = paint(model, pool.catalog, way, texts, ranker)
            several = {"": pictures, " of real pictures": render(samples)}
            if hasattr(model, "shown"):  # what painting adds to merely looking up
                first = [model.shown(text, seed)[0] for seed, text in enumerate(texts)]
                several[" of first neighbours"] = torch.stack(first)
            result[kind] = {"pictures": len(samples), **judged(judge, data, several, samples, everything)}
            drawn, painted = drawn + samples, [*painted, pictures]
    features = Features()
    training = features(render(like(drawn, data)))
    result |= distances(features(torch.cat(painted)), features(render(drawn)), training)
    return result | {"minutes": round((time.monotonic() - began) / 60, 2)}


def like(samples: list[Sample], data: Pictograms) -> list[Sample]:
    """As many samples of training pictures, singles and pairs as in ``samples``."""
    rng = np.random.default_rng(5)
    return [
        pair(data, *(int(row) for row in rng.choice(data.rows, 2)), rng)
        if sample.relation
        else single(data, int(rng.choice(data.rows)), rng)
        for sample in samples
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.generation_scores", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--model", default=Way.model)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--scheduler", default="")
    parser.add_argument("--count", type=int, default=Way.count, help="captions of each kind")
    parser.add_argument("--candidates", type=int, default=Way.candidates, help="the ranker's choice of so many")
    args = parser.parse_args()
    way = Way(args.model, args.steps, args.guidance, args.scheduler, args.count, args.candidates)
    print(json.dumps(scores(way, args.data, args.weights), indent=2))


if __name__ == "__main__":
    main()

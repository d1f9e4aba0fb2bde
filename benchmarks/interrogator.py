"""The interrogator against the published algorithm on the same random CLIP."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from benchmarks.bench import Bench
from benchmarks.plain_interrogator import grow, rank
from benchmarks.report import Figure

MODEL = "ViT-B-32"  # its size; the weights are random, so the prompt means nothing and the work is all the same
CANDIDATES, STEPS, START = 256, 8, "a picture of a small red house beside a lake in the mountains"
GOAL = 10.0
RANKED, DIMENSION, WANTED = 112_000, 512, 2048


def measure(bench: Bench) -> list[Figure]:
    """The chain and the ranking."""
    return [_chain(bench.services.pool.devices[0]), _ranking()]


def random_ranker(name: str = MODEL, device: str = "cpu") -> Any:
    """An open_clip model with random weights as a ranker."""
    import open_clip
    import torch

    from models.families.clip import OpenClipRanker

    torch.manual_seed(0)
    model = open_clip.create_model(name, pretrained=None)
    size = model.visual.image_size
    transform = open_clip.image_transform(size if isinstance(size, tuple) else (size, size), is_train=False)
    return OpenClipRanker(model, transform, open_clip.get_tokenizer(name), device)


def _chain(device: str) -> Figure:
    import torch

    from models.prompting.readers import reader_of
    from pipelines.image_to_prompt.chain import EXACT, Chain

    ranker, phrases = random_ranker(device=device), _phrases(CANDIDATES)
    width = ranker.encode_texts([START]).shape[-1]
    image = torch.nn.functional.normalize(torch.randn(width, generator=torch.Generator().manual_seed(1)), dim=0)
    effort = replace(EXACT, least=STEPS, most=STEPS)

    def ours() -> tuple[str, list[str]]:
        chain = Chain(reader_of(ranker), image, START, [(phrase, "") for phrase in phrases], effort)
        last = list(chain.grow())[-1]
        return chain.best.text, [term.phrase for term in last.terms]

    ours()  # warms up
    began = time.perf_counter()
    made = ours()
    mine = time.perf_counter() - began
    began = time.perf_counter()
    plain = grow(ranker, image, START, phrases, STEPS, STEPS)
    theirs = time.perf_counter() - began
    what = f"interrogator, mode best, {MODEL} of random weights, {CANDIDATES} candidates, {STEPS} phrases"
    about = {"times_faster": theirs / mine, "same_phrases": made[1] == plain[1], "same_prompt": made[0] == plain[0]}
    met = theirs / mine >= GOAL and made == plain
    target = f"at least {GOAL:g} times faster with the same phrases"
    return Figure("interrogator_best", what, mine, theirs, "s", target, met, about)


def _ranking() -> Figure:
    """How much of the true list of the nearest phrases each way of ranking finds."""
    import torch

    made = torch.randn(RANKED, DIMENSION, generator=torch.Generator().manual_seed(0))
    vectors = torch.nn.functional.normalize(made, dim=1)
    image = torch.nn.functional.normalize(torch.randn(DIMENSION, generator=torch.Generator().manual_seed(1)), dim=0)
    true = set((vectors.double() @ image.double()).topk(WANTED).indices.tolist())
    ours = set((vectors @ image).topk(WANTED).indices.tolist())
    found, theirs = (len(true & each) / WANTED for each in (ours, set(rank(vectors, image, WANTED))))
    what = f"interrogator, the best {WANTED:,} of {RANKED:,} phrases: share of the true list that is found"
    return Figure("interrogator_ranking", what, found, theirs, "", "at least 0.999", found >= 0.999)


def _phrases(count: int) -> list[str]:
    from pipelines.image_to_prompt.lists import BUILT_IN, gather

    return [phrase for each in gather(BUILT_IN, ()) for phrase in each.phrases][:count]

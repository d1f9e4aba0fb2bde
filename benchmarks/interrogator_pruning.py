"""What the starter interrogator loses by pruning candidates, beside the chain that compares all at every step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.bench import Bench, mean
from benchmarks.pictures import Shown, unseen
from benchmarks.report import Figure
from pipelines.image_to_prompt.chain import PRUNED, Prompt
from pipelines.image_to_prompt.interrogator import Interrogator
from pipelines.image_to_prompt.lists import BUILT_IN, gather
from pipelines.image_to_prompt.vectors import PhraseVectors

PICTURES = 24
LOSS = 0.01  # of the mean cosine; less is not worth the time


@dataclass(frozen=True)
class Grown:
    """The best prompt of a chain, the seconds it took, and how many prompts were compared."""

    prompt: Prompt
    seconds: float
    compared: int

    @property
    def phrases(self) -> list[str]:
        """What was chosen, in order."""
        return [term.phrase for term in self.prompt.terms]


def measure(bench: Bench) -> list[Figure]:
    """Mean cosine and seconds of both ways, on the same pictures from the same beginnings; and how often they agree."""
    rankers = [spec.name for spec in bench.services.catalog.all("ranker") if spec.pack == "starter"]
    if not rankers:
        return []
    pictures = unseen(PICTURES)
    return _figures(*_grown(bench.services, rankers[0], pictures), pictures)


def _grown(services: Any, name: str, pictures: Sequence[Shown]) -> tuple[list[Grown], list[Grown]]:
    """For each picture the pruned chain and the exact one, taken in turn: a busy moment hits both."""
    from models.prompting.readers import reader_of

    lists, known = gather(BUILT_IN, ()), PhraseVectors(services, name)
    with services.pool.use(name) as ranker:
        reader = reader_of(ranker)
        list(known.read([phrase for each in lists for phrase in each.phrases], reader))
        vectors = {each.name: known.of(each.phrases) for each in lists}
        ways = [Interrogator(reader, lists, vectors, effort=each) for each in (PRUNED, replace(PRUNED, keep=None))]
        images = services.scorer.image_vectors(name, [each.image for each in pictures])
        found = [[_timed(way, image) for way in ways] for image in images]
    return [each[0] for each in found], [each[1] for each in found]


def _timed(way: Interrogator, image: Any) -> Grown:
    began = time.perf_counter()
    chain = way.chain(image, way.beginning(image))
    list(chain.grow())
    return Grown(chain.best, time.perf_counter() - began, chain.compared)


def _figures(pruned: Sequence[Grown], exact: Sequence[Grown], pictures: Sequence[Shown]) -> list[Figure]:
    count = len(pictures)
    pairs = list(zip(pruned, exact, strict=True))
    same = sum(one.phrases == other.phrases for one, other in pairs) / count
    first = sum(one.phrases[:1] == other.phrases[:1] for one, other in pairs) / count
    shared = mean([_shared(one.phrases, other.phrases) for one, other in pairs])
    ours, theirs = (mean([each.prompt.cosine for each in way]) for way in (pruned, exact))
    about = {
        "pictures": count,
        "same_phrases": same,
        "same_first_phrase": first,
        "phrases_shared": shared,
        "worst": min(one.prompt.cosine - other.prompt.cosine for one, other in pairs),
        "compared_pruned": mean([each.compared for each in pruned]),
        "compared_exact": mean([each.compared for each in exact]),
    }
    what = f"interrogator, mode best, starter pack, {count} pictures, candidates pruned, beside all compared"
    seconds = [mean([each.seconds for each in way]) for way in (pruned, exact)]
    target = f"at most {LOSS:g} below"
    return [
        Figure("interrogator_pruning", f"{what}: cosine", ours, theirs, "", target, theirs - ours <= LOSS, about),
        Figure("interrogator_pruning_same", f"{what}: share with the same phrases in the same order", same, 1.0, ""),
        Figure("interrogator_pruning_time", f"{what}: the chain", *seconds, "s"),
    ]


def _shared(one: Sequence[str], other: Sequence[str]) -> float:
    """How many of the phrases both have, as a share of all that either has."""
    every = set(one) | set(other)
    return len(set(one) & set(other)) / len(every) if every else 1.0

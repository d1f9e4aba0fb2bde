"""Text → image: a batch of candidates is painted step by step, the weaker ones given up early, the rest ranked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import OutOfMemory
from common.images import to_pil
from pipelines import halving
from pipelines.bracket import Bracket
from pipelines.ranking import passes, recipe_table, summary, unread_note
from pipelines.services import Services
from pipelines.steps import Result, Run, Step, Stop
from pipelines.text_to_image_request import TextToImageRequest
from safeguards.recipe import Recipe
from safeguards.release import release, safety_note

if TYPE_CHECKING:
    from PIL.Image import Image

    from models.clip_scorer import Scores

TASK = "text_to_image"


@dataclass(frozen=True)
class Candidate:
    """One picture: `index` is its place in the batch, `seed` makes it again alone, `path` is its PNG file.

    A candidate given up at step `dropped_at` has no file, and the scores it had then.
    """

    index: int
    seed: int
    path: Path | None
    cosine: float
    clip_score: float
    share: float
    passes: bool | None = None
    dropped_at: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class TextToImageResult(Result):
    """Finished pictures, best first, and the candidates given up on the way, last given up first.

    `best`, `mean` and `spread` (best minus mean) are cosines of the finished ones; `overflow` is a sentence about the
    words that were not read, or ""; `notes` are further sentences.
    """

    candidates: tuple[Candidate, ...]
    dropped: tuple[Candidate, ...] = ()
    best: float = 0.0
    mean: float = 0.0
    spread: float = 0.0
    overflow: str = ""
    notes: tuple[str, ...] = ()


def run(request: TextToImageRequest, services: Services, device: str | None = None) -> Run:
    """Paint, prune, rank and save; yields a `Step` after each step and the `TextToImageResult` at the end.

    `device` is one of the pool's devices, None for its first. On `Stop` the pictures are finished as far as they are.
    Raises what `resolve` and the model pool raise, and Blocked when the safety model objects to every picture.
    """
    began, stopped = time.monotonic(), False
    request = request.resolve(services.catalog)
    with services.pool.use(request.model, device) as model:
        overflow = unread_note(model.overflow(request.prompt), "model")
        sampling = start(model, request)
        bracket = Bracket(sampling, request.candidates)
        looks = services.catalog.get(request.model).looks
        rounds = halving.plan(request.candidates, sampling.total, looks) if request.fast_ranking else {}
        while not stopped and sampling.done < sampling.total:
            sampling.step()
            bracket.look()
            if sampling.done in rounds:
                try:
                    scores = services.scorer.scores(request.ranker, bracket.pictures(), request.prompt, device)
                    bracket.give_up(scores, keep=rounds[sampling.done])
                except OutOfMemory:  # of the ranker beside the model; at the end there is room for it alone
                    rounds = {}
            command = yield Step(sampling.done, sampling.total, bracket.note(), bracket.previews(), bracket.data())
            stopped = isinstance(command, Stop) and sampling.done < sampling.total
        pictures = to_pil(sampling.predicted())
    made = _finish(request, services, device, bracket, pictures)
    yield TextToImageResult(seconds=time.monotonic() - began, stopped=stopped, overflow=overflow, **made)


def start(model: Any, request: TextToImageRequest) -> Any:
    """The `Sampling` of a resolved request, before its first step."""
    return model.start(
        request.prompt,
        request.negative,
        [request.seed + index for index in range(request.candidates)],
        request.width,
        request.height,
        request.steps,
        1.0 if request.guidance is None else request.guidance,
        request.scheduler,
    )


def _finish(
    request: TextToImageRequest, services: Services, device: str | None, bracket: Bracket, pictures: Sequence[Image]
) -> dict[str, Any]:
    """Score and save what is left in the bracket; the fields of the result that follow from it."""
    scores = services.scorer.scores(request.ranker, pictures, request.prompt, device)
    candidates = _release(request, services, bracket.inside, pictures, scores, device)
    dropped = tuple(
        _candidate(request, index, None, scores_then, place, step)
        for index, place, scores_then, step in reversed(bracket.outside)
    )
    notes = (
        unread_note(services.scorer.overflow(request.ranker, request.prompt, device), "ranker"),
        _dropped_note(dropped, request.candidates),
        _withheld_note(len(pictures) - len(candidates)),
        safety_note(_recipe(request, services, request.seed), services.catalog),
    )
    return {
        "model": services.catalog.get(request.model).title,
        "recipe": recipe_table(_recipe(request, services, request.seed)),
        "candidates": candidates,
        "dropped": dropped,
        "notes": tuple(note for note in notes if note),
        **summary([candidate.cosine for candidate in candidates]),
    }


def _release(
    request: TextToImageRequest,
    services: Services,
    indices: Sequence[int],
    pictures: Sequence[Image],
    scores: Scores,
    device: str | None,
) -> tuple[Candidate, ...]:
    """Save the pictures through the safeguards; those that may be shown, best first."""
    recipes = []
    for place, index in enumerate(indices):
        measured = {name: getattr(scores, name)[place] for name in ("cosine", "clip_score", "share")}
        recipes.append(_recipe(request, services, request.seed + index, measured))
    folder = services.settings.output / TASK
    paths = release(pictures, recipes, folder, services.settings, services.pool, device)
    made = [_candidate(request, index, paths[place], scores, place) for place, index in enumerate(indices)]
    return tuple(sorted((each for each in made if each.path), key=lambda each: (-each.cosine, each.index)))


def _candidate(
    request: TextToImageRequest, index: int, path: Path | None, scores: Scores, place: int, step: int | None = None
) -> Candidate:
    cosine = scores.cosine[place]
    verdict = None if step else passes(cosine, request.threshold)
    return Candidate(
        index, request.seed + index, path, cosine, scores.clip_score[place], scores.share[place], verdict, step
    )


def _recipe(request: TextToImageRequest, services: Services, seed: int, scores: dict[str, Any] | None = None) -> Recipe:
    settings = {field.name: getattr(request, field.name) for field in fields(request) if field.name != "seed"}
    revision = services.catalog.get(request.model).revision or ""
    return Recipe(TASK, request.model, revision, settings, seed, scores or {})


def _dropped_note(dropped: Sequence[Candidate], candidates: int) -> str:
    if not dropped:
        return ""
    seeds = ", ".join(str(each.seed) for each in sorted(dropped, key=lambda each: each.index))
    return f"Fast ranking gave up {len(dropped)} of {candidates} candidates early (seeds {seeds})."


def _withheld_note(count: int) -> str:
    return f"The safety model withheld {count} picture{'s' * (count > 1)}." if count else ""

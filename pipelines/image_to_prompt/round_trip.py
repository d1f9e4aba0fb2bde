"""The round trip: each candidate prompt is painted, and the picture compared with the original.

What a ranker thinks of the words says little about what a painter makes of them; this asks the painter.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import AtelierError, BadRequest
from pipelines import limits, text_to_image
from pipelines.ranking import recipe_table
from pipelines.services import Services
from pipelines.steps import Result, Run, Step, Stop
from pipelines.text_to_image_request import MAX_CANDIDATES, TextToImageRequest
from safeguards.admit import admit
from safeguards.prompts import check_prompt
from safeguards.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from models.catalog import Catalog

MAX_PROMPTS = 12


@dataclass(frozen=True)
class RoundTripRequest:
    """The picture in the file `image`, and prompts for it. "" and None stand for the catalog's and model's defaults.

    Every prompt is painted `pictures` times by `model`, with the seeds `seed`, `seed` + 1, ...: the same for all of
    them, so that luck is shared.
    """

    image: str | Path
    prompts: tuple[str, ...]
    model: str = ""
    ranker: str = ""
    pictures: int = 2
    steps: int | None = None
    seed: int = 0

    def resolve(self, catalog: Catalog) -> RoundTripRequest:
        """The same request with every default filled in. Raises BadRequest, Blocked and ModelUnavailable as others."""
        prompts = tuple(dict.fromkeys(" ".join(each.split()) for each in self.prompts if each.strip()))
        if not 1 <= len(prompts) <= MAX_PROMPTS:
            raise BadRequest(f"There are {len(prompts)} different prompts; allowed are 1 to {MAX_PROMPTS}.")
        for prompt in prompts:
            check_prompt(prompt)
        return replace(
            self,
            prompts=prompts,
            model=limits.model(catalog, "text_to_image", self.model).name,
            ranker=limits.model(catalog, "ranker", self.ranker).name,
            pictures=limits.whole("number of pictures a prompt", self.pictures, 1, MAX_CANDIDATES),
            seed=limits.whole("seed", self.seed, 0, 2**32 - 1),
        )

    @property
    def cost(self) -> float:
        """How much work it is, in pictures to paint."""
        return float(max(len(self.prompts), 1) * self.pictures)


@dataclass(frozen=True)
class Painted:
    """A prompt and what became of it.

    `likeness` is the mean cosine between the original and the pictures painted from the prompt, both by the ranker,
    and `best` that of the one most alike, whose file is `path`; `words` is the cosine of the prompt itself. `paths` and
    `likenesses` are of all pictures, most alike first. Where nothing could be painted `error` is one sentence.
    """

    prompt: str
    words: float
    likeness: float | None = None
    best: float | None = None
    path: Path | None = None
    paths: tuple[Path, ...] = ()
    likenesses: tuple[float, ...] = ()
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundTripResult(Result):
    """Prompts by likeness of what they paint, best first; those that painted nothing come last."""

    rows: tuple[Painted, ...]
    ranker: str = ""


def run(request: RoundTripRequest, services: Services, device: str | None = None) -> Run:
    """Paint and compare; yields the painter's steps and the `RoundTripResult` at the end.

    The data of a step: `rows`, finished so far, best first, and `prompt`, the one being painted. On `Stop` the prompts
    painted so far are ranked. Raises what `resolve`, `admit` and the model pool raise, and the first error when nothing
    was painted at all.
    """
    began, stopped = time.monotonic(), False
    request = request.resolve(services.catalog)
    original = services.scorer.image_vectors(request.ranker, [admit(request.image, services.settings).image], device)
    words = services.scorer.text_vectors(request.ranker, request.prompts, device) @ original[0]  # (N,)
    rows: list[Painted] = []
    errors: list[AtelierError] = []
    for place, prompt in enumerate(request.prompts):
        start, row, command = time.monotonic(), Painted(prompt, float(words[place])), None
        painting = text_to_image.run(_paint(request, prompt), services, device)
        try:
            while not isinstance(event := painting.send(command), Result):
                data = {"rows": ranked(rows), "prompt": prompt}
                number, total = place * event.total + event.number, event.total * len(request.prompts)
                command = yield Step(number, total, f"painting “{prompt[:60]}”", event.previews, data)
                stopped = stopped or isinstance(command, Stop)
            row = _compared(row, request.ranker, event, original[0], services, device)
        except AtelierError as error:  # a prompt that may not be painted is no end for the others
            errors.append(error)
            row = replace(row, error=str(error))
        finally:
            painting.close()
        rows.append(replace(row, seconds=time.monotonic() - start))
        if stopped:
            break
    if errors and len(errors) == len(rows):
        raise errors[0]
    yield _result(request, services, ranked(rows), time.monotonic() - began, stopped)


def ranked(rows: Sequence[Painted]) -> tuple[Painted, ...]:
    """The rows by likeness, best first; those without come last."""
    return tuple(sorted(rows, key=lambda row: -2.0 if row.likeness is None else row.likeness, reverse=True))


def _paint(request: RoundTripRequest, prompt: str) -> TextToImageRequest:
    return TextToImageRequest(
        prompt,
        model=request.model,
        candidates=request.pictures,
        steps=request.steps,
        seed=request.seed,
        ranker=request.ranker,
        fast_ranking=False,  # it gives up what is unlike the words; wanted is what is like the picture
    )


def _compared(
    row: Painted, ranker: str, made: Result, original: Tensor, services: Services, device: str | None
) -> Painted:
    paths = [each.path for each in made.candidates]
    if not paths:
        return replace(row, error="No picture was painted.")
    images = [admit(path, services.settings).image for path in paths]
    cosines = (services.scorer.image_vectors(ranker, images, device) @ original).tolist()
    order = sorted(range(len(paths)), key=lambda place: -cosines[place])
    likenesses = tuple(cosines[place] for place in order)
    files = tuple(paths[place] for place in order)
    mean = sum(cosines) / len(cosines)
    return replace(row, likeness=mean, best=likenesses[0], path=files[0], paths=files, likenesses=likenesses)


def _result(
    request: RoundTripRequest, services: Services, rows: tuple[Painted, ...], seconds: float, stopped: bool
) -> RoundTripResult:
    painter, ranker = services.catalog.get(request.model), services.catalog.get(request.ranker)
    names = ("prompts", "model", "ranker", "pictures", "steps")
    settings = {"round_trip": True, **{name: getattr(request, name) for name in names}}
    recipe = Recipe("image_to_prompt", request.model, painter.revision or "", settings, request.seed)
    return RoundTripResult(
        seconds=seconds,
        model=painter.title,
        stopped=stopped,
        recipe=recipe_table(recipe),
        rows=rows,
        ranker=ranker.title,
    )

"""Image → prompt: captions for a few pictures at once, then each picture through one method after another."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError, BadRequest
from common.images import content_hash
from pipelines.captioning.writing import our_fault
from pipelines.image_to_prompt.captions import Captions
from pipelines.image_to_prompt.clock import Clock
from pipelines.image_to_prompt.methods import Growing, Methods, Picture
from pipelines.image_to_prompt.request import ImageToPromptRequest, recipe_of
from pipelines.image_to_prompt.rows import ImageToPromptResult, PromptRow
from pipelines.image_to_prompt.tools import Tools
from pipelines.ranking import recipe_table
from pipelines.services import Services
from pipelines.steps import Command, Run, Step, Stop
from safeguards.admit import admit
from safeguards.recipe import MAX_PARENTS
from safeguards.wording import file_name

if TYPE_CHECKING:
    from PIL.Image import Image

SLICE = 16  # pictures in memory at a time
FINE = 100  # units of progress a picture
Steps = Generator[Step, Command | None, None]


def run(request: ImageToPromptRequest, services: Services, device: str | None = None) -> Run:
    """Find prompts; yields a `Step` as they grow and the `ImageToPromptResult` at the end.

    The data of a step: `rows`, finished so far; and while something grows `picture` (its number), `method`, `prompt`,
    and for the interrogator `cosine`, `curve`, `terms` (as tuples of phrase, list, gain), `tokens`, `limit` and
    `negative`; and `left`, the seconds that are left, None as long as nobody can tell.
    A picture or method that fails becomes a row with a sentence while the others go on. On `Stop` the finished rows
    are kept, and the best prompt so far of the picture at work.
    Raises what `resolve`, `lists.gather` and the model pool raise, and the first error when there is no prompt at all.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    device = device or services.pool.devices[0]
    with services.pool.use(request.ranker, device) as ranker:
        work = _Work(request, services, device, Tools(request, services, device, ranker))
        yield from work.prepare()
        for start in range(0, len(request.paths), SLICE):
            yield from work.slice(range(start, min(start + SLICE, len(request.paths))))
    yield work.result(time.monotonic() - began)


class _Work:
    """The state of one run."""

    def __init__(self, request: ImageToPromptRequest, services: Services, device: str, tools: Tools) -> None:
        self._request, self._services, self._device, self._tools = request, services, device, tools
        self._methods = Methods(request, tools)
        self._captions = Captions(request, services, device, self._methods)
        self._rows: list[PromptRow] = []
        self._hashes: list[str] = []
        self._errors: list[Exception] = []
        self._done, self._shown, self._stopped = 0, 0, False
        self._clock = Clock()

    def prepare(self) -> Steps:
        """Lists, indexes and heads; a stop ends the run without rows."""
        with closing(self._tools.prepare()) as steps:
            for done, total, what in steps:
                if isinstance((yield self._step(f"{what}, {done:,} of {total:,}")), Stop):
                    self._stopped = True
                    return

    def slice(self, numbers: Sequence[int]) -> Steps:
        """A few pictures through everything."""
        if self._stopped:
            return
        images = self._admit(numbers)
        pictures = self._see(images)
        for picture in pictures.values():  # before any captioner, so that a stop keeps them
            if (first := self._tried(picture, "metadata", partial(self._methods.metadata, picture))) is not None:
                self._rows.append(first)
        for name in self._request.captioners:
            yield from self._caption(name, {number: image for number, (image, _) in images.items()}, pictures)
        self._rows += self._captions.rows
        self._captions.rows = []
        self._clock.begin(self._shown)
        for number in numbers:
            if number in pictures and not self._stopped:
                yield from self._picture(pictures[number])
            if self._stopped:
                return
            self._done += 1
            command = yield self._step(file_name(self._request.paths[number]))
            self._stopped = isinstance(command, Stop) and self._done < len(self._request.paths)
            if self._stopped:
                return

    def _admit(self, numbers: Sequence[int]) -> dict[int, tuple[Image, str]]:
        found = {}
        for number in numbers:
            path = self._request.paths[number]
            try:
                admitted = admit(path, self._services.settings)
            except BadRequest as error:
                self._errors.append(error)
                self._rows.append(PromptRow(number, path, file_name(path), "", error=str(error)))
                continue
            found[number] = (admitted.image, admitted.note)
            if len(self._hashes) < MAX_PARENTS:
                self._hashes.append(content_hash(admitted.image))
        return found

    def _see(self, images: Mapping[int, tuple[Image, str]]) -> dict[int, Picture]:
        if not images:
            return {}
        looked = [image for image, _ in images.values()]
        vectors = self._services.scorer.image_vectors(self._request.ranker, looked, self._device).clone()
        return {
            number: Picture(number, self._request.paths[number], vector, note)
            for vector, (number, (_, note)) in zip(vectors, images.items(), strict=True)
        }

    def _caption(self, name: str, images: Mapping[int, Image], pictures: Mapping[int, Picture]) -> Steps:
        if self._stopped or not images:
            return
        with closing(self._captions.write(name, images, pictures)) as steps:
            for note, data in steps:
                if isinstance((yield self._step(note, **data)), Stop):
                    self._stopped = True
                    return

    def _picture(self, picture: Picture) -> Steps:
        for method in self._request.methods:
            if method == "caption" or self._stopped:
                continue
            if method == "interrogator":
                yield from self._interrogate(picture)
                continue
            mine = [row for row in self._rows if row.picture == picture.number]
            self._rows.append(self._tried(picture, method, partial(self._methods.other, picture, method, mine)))
            if isinstance((yield self._step(file_name(picture.path))), Stop):
                self._stopped = True

    def _interrogate(self, picture: Picture) -> Steps:
        began, caption = time.monotonic(), self._beginning(picture)
        steps: Iterator[Growing | PromptRow] = self._methods.interrogator(picture, caption)
        while True:
            event = self._tried(picture, "interrogator", partial(next, steps, None))
            if event is None:
                return
            if isinstance(event, PromptRow):
                self._rows.append(event)
                return
            note = f"{file_name(picture.path)}: {event.prompt.cosine:.3f}".replace(": -", ": −")
            if isinstance((yield self._step(note, **event.data)), Stop):
                self._stopped = True
                self._rows.append(self._methods.kept(picture, began, stopped=True))
                return

    def _beginning(self, picture: Picture) -> str:
        """What was asked for, else the caption or the lists' subject, whichever is nearer; "" leaves it to the lists.

        A caption that is wrong would lead all that follows astray.
        """
        caption = self._captions.beginning(picture.number)
        if self._request.start or not caption:
            return self._request.start
        subject = self._tools.interrogator.beginning(picture.image)
        nearer = zip(self._tools.cosines([caption, subject], picture.image), (1, 0), (caption, subject), strict=True)
        return max(nearer)[2] if subject else caption

    def _tried(self, picture: Picture, method: str, way: Any) -> Any:
        """What `way` gives, or a row with the sentence that says why it gave nothing."""
        try:
            return way()
        except AtelierError as error:
            self._errors.append(error)
            return picture.row(method, error=str(error))
        except Exception as error:
            self._errors.append(error)
            return picture.row(method, error=our_fault(error))

    def _step(self, note: str, **data: Any) -> Step:
        most, total = self._tools.most, len(self._request.paths) * FINE
        within = FINE * (1 + len(data["terms"])) // (most + 2) if "terms" in data else 0
        self._shown = max(self._shown, min(self._done * FINE + within, total))  # captions come before, for many at once
        left = self._clock.left(self._shown, total)
        return Step(self._shown, total, note, data={"rows": tuple(self._rows), "left": left, **data})

    def result(self, seconds: float) -> ImageToPromptResult:
        """What the run made. Raises the first error when it made nothing, though nobody stopped it."""
        answered = len({row.picture for row in self._rows if row.prompt})
        errors = [*self._errors, *self._captions.errors]
        if not answered and not self._stopped and errors:
            raise errors[0]
        request, tools = self._request, self._tools
        spec = self._services.catalog.get(request.ranker)
        titles = [self._services.catalog.get(name).title for name in request.captioners]
        return ImageToPromptResult(
            seconds=seconds,
            model=", ".join([spec.title, *titles]),
            stopped=self._stopped,
            recipe=recipe_table(recipe_of(request, spec.revision or "", self._hashes)),
            rows=tuple(sorted(self._rows, key=lambda row: row.picture)),
            pictures=len(request.paths),
            answered=answered,
            complete=self._done,
            ranker=spec.title,
            sources=tuple((each.name, each.source, each.licence) for each in tools.lists),
            notes=tuple(tools.notes),
        )

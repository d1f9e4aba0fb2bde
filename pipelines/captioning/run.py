"""Captioning: pictures in batches through one captioner after another, scored and judged as they come."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from common.errors import AtelierError, BadRequest
from common.images import content_hash
from models.devices import free_memory, free_memory_mb
from pipelines.captioning.batches import batch_size
from pipelines.captioning.board import Board
from pipelines.captioning.namesakes import told_of_namesakes
from pipelines.captioning.request import CaptionRequest
from pipelines.captioning.rows import CaptionResult
from pipelines.captioning.writing import Drafts, Writing, Written, our_fault
from pipelines.ranking import recipe_table
from pipelines.services import Services
from pipelines.steps import Command, Run, Step, Stop
from safeguards.admit import Admitted, admit
from safeguards.recipe import MAX_PARENTS, Recipe
from safeguards.wording import refuse

if TYPE_CHECKING:
    from PIL.Image import Image

    from models.families.caption_contract import Captioner

TASK = "caption"
LOOKS = 8  # pictures in memory at a time when they are looked at once more
MAX_SAID = 600  # characters about pictures when not one could be captioned
ENOUGH = 1024  # pixels of a picture's shorter side; the captioners see 224 to 768
Steps = Generator[Step, Command | None, None]


def run(request: CaptionRequest, services: Services, device: str | None = None) -> Run:
    """Caption the pictures; yields a `Step` after each token and batch, and the `CaptionResult` at the end.

    The data of a step are complete each time: `rows`, finished so far and judged; `drafts`, a tuple of (picture,
    captioner, text so far) for those being written; `captioned`, how many pictures have a caption; and `left`, the
    estimated seconds, None before the first batch. `device` is one of the pool's, None for its first.
    A picture that cannot be read or captioned becomes a row with a sentence while the others go on, and so do those of
    a captioner that fails beside another. Of several captioners each does what it can of the decoding, and the notes of
    the result tell what one could not; one alone refuses. On `Stop` the finished rows are kept.
    Raises what `resolve` and the model pool raise, and BadRequest when not one picture can be read.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    work = _Captioning(request, services, device or services.pool.devices[0])
    for name in request.captioners:
        yield from work.caption(name)
    yield from work.catch_up()
    yield work.result(time.monotonic() - began)


class _Captioning:
    """The state of one run."""

    def __init__(self, request: CaptionRequest, services: Services, device: str) -> None:
        self._request, self._services, self._device = request, services, device
        self._board = Board(request, services, device)
        self._hashes: dict[int, str] = {}
        self._errors: list[Exception] = []
        self._notes: list[str] = []
        self._stopped = False

    def caption(self, name: str) -> Steps:
        """All pictures that are left through the captioner of this name."""
        if self._stopped or not self._board.waiting(name):
            return
        try:
            with self._services.pool.use(name, self._device) as model:
                yield from self._batches(name, self._writing(name, model))
        except Exception as error:  # about the captioner as a whole; what others wrote is kept
            ours = not isinstance(error, AtelierError)
            if ours and not self._board.captioned:
                raise
            said = our_fault(error) if ours else str(error)
            self._errors.append(error)
            self._board.keep(name, Written(errors=dict.fromkeys(self._board.waiting(name), said)), {})

    def _writing(self, name: str, model: Captioner) -> Writing:
        decoding = self._request.decoding
        if len(self._request.captioners) > 1:  # each as well as it can, or they could not be compared
            decoding, note = model.fitted(decoding)
            self._notes += [note] if note else []
        spec, free = self._services.catalog.get(name), free_memory_mb(self._device)
        return Writing(model, decoding, batch_size(spec, decoding, self._device, free), self._device)

    def _batches(self, name: str, writing: Writing) -> Steps:
        while waiting := self._board.waiting(name):
            images = self._admit(name, waiting[: writing.size])
            with closing(writing.write(images)) as events:
                for event in events:
                    if isinstance(event, Written):
                        self._board.keep(name, event, images)
                    drafts = event if isinstance(event, Drafts) else Drafts({}, 0)
                    if isinstance((yield self._board.step(name, drafts)), Stop):
                        self._stopped = True
                        return

    def _admit(self, name: str, numbers: Sequence[int]) -> dict[int, Image]:
        """The pictures of these numbers that can be read; the others get their sentence."""
        board, images = self._board, {}
        for number in numbers:
            try:
                admitted = self._read(number)
            except BadRequest as error:
                # A file that went away between two captioners has captions already, and keeps them.
                board.keep(name if number in board.read else "", Written(errors={number: str(error)}), {})
                continue
            board.read[number] = admitted.note
            if number not in self._hashes and len(self._request.paths) <= MAX_PARENTS:
                self._hashes[number] = content_hash(admitted.image)
            images[number] = small(admitted.image)
        return images

    def _read(self, number: int) -> Admitted:
        """The picture of this number. Raises BadRequest, also when there is not the memory to read it."""
        path = self._request.paths[number]
        try:
            return admit(path, self._services.settings)
        except MemoryError:
            free_memory(self._device)
        raise refuse(path, "needs more memory to be read than there is. Please save it smaller.")

    def catch_up(self) -> Steps:
        """Score what had no room beside the captioner, now that the captioner may leave."""
        scoring = self._board.scoring
        rows = [row for row in self._board.finished if scoring.lacks(row)]
        for start in range(0, len(rows), LOOKS):
            some, images = rows[start : start + LOOKS], {}
            for number in {row.picture for row in some if not scoring.knows(row.picture)}:
                with suppress(BadRequest):
                    images[number] = small(self._read(number).image)
            error = scoring.score(some, images)
            self._board.judge({row.picture: row for row in some})
            if error is not None:
                scoring.notes.append(f"Some captions have no score. {error}")
                return
            if isinstance((yield self._board.step(some[-1].captioner, Drafts({}, 0))), Stop):
                self._stopped = True
                return

    def result(self, seconds: float) -> CaptionResult:
        """What the run made. Raises the first error when it made nothing, though nobody stopped it."""
        rows = self._board.finished
        if not self._board.captioned and not self._stopped:
            said = " ".join(dict.fromkeys(row.error for row in rows))
            raise self._errors[0] if self._errors else BadRequest(said[:MAX_SAID])
        titles = {name: self._services.catalog.get(name).title for name in self._request.captioners}
        return CaptionResult(
            seconds=seconds,
            model=", ".join(titles.values()),
            stopped=self._stopped,
            recipe=recipe_table(self._recipe()),
            rows=rows,
            titles=titles,
            pictures=len(self._request.paths),
            captioned=self._board.captioned,
            ranker=self._services.catalog.get(self._request.ranker).title,
            notes=(*self._notes, *self._board.scoring.notes, *told_of_namesakes(rows)),
        )

    def _recipe(self) -> Recipe:
        request = self._request
        revisions = [self._services.catalog.get(name).revision or "" for name in request.captioners]
        settings = {
            "captioners": request.captioners,
            "decoding": asdict(request.decoding),
            "ranker": request.ranker,
            "blend": request.blend,
            "pictures": len(request.paths),
        }
        parents = tuple(self._hashes[number] for number in sorted(self._hashes))
        revision = ", ".join(revisions) if any(revisions) else ""
        return Recipe(TASK, ", ".join(request.captioners), revision, settings, request.decoding.seed, parents=parents)


def small(image: Image) -> Image:
    """A picture with far more pixels than any captioner sees, made smaller by a whole number; others as they are."""
    factor = min(image.size) // ENOUGH
    return image.reduce(factor) if factor > 1 else image

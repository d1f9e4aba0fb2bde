"""The steps of one canvas through a film: what they tell, what may be said to them, and what they leave."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines.services import Services
from pipelines.steps import Command, Step
from pipelines.vqgan_clip.film import TASK, film_recipe
from pipelines.vqgan_clip.keeper import Keeper
from pipelines.vqgan_clip.listening import Listener
from pipelines.vqgan_clip.losses import coarseness
from pipelines.vqgan_clip.progress import Progress

if TYPE_CHECKING:
    from pipelines.vqgan_clip.optimisation import Optimisation
    from pipelines.vqgan_clip.request import VqganClipRequest
    from safeguards.recipe import Recipe

FROM_CHECKPOINT = "This film goes on from a checkpoint, so its recipe alone does not make it again."


class Conductor:
    """Leads `canvas` through a film of so many `frames`; `steps` is how many there will be in all.

    `stopped` is true once somebody said Stop.
    """

    def __init__(self, canvas: Optimisation, steps: int, frames: int, services: Services) -> None:
        self.canvas, self.frames, self.stopped = canvas, frames, False
        began_before = canvas.step_number > 0
        self._coarse = 0.0 if began_before else canvas.request.coarse or 0.0
        self.progress = Progress(canvas.step_number + steps)
        self._keeper = Keeper(self.progress.total, services, services.settings.output / TASK)
        self._services, self._notes, self._number = services, [*canvas.pictures.notes], 1
        self._listener = Listener(canvas.steer, lambda: self._told(self.progress.paused(canvas)))
        self._notes += [FROM_CHECKPOINT] if began_before else []

    def frame(self, number: int, steps: int) -> Generator[Step, Command | None, bool]:
        """Make the steps of frame `number` (from 1); yields a `Step` after each. On Stop it ends early.

        Returns whether all were made: a frame that was not painted to its end would be a flash at the end of a film.
        The steps' `data` is that of a run of one picture, and "frame" and "frames".
        """
        self._number = number
        with self._keeper.rescuing(self.canvas):
            for done in range(steps):
                began = time.monotonic()
                self._refine(done / steps if number == 1 else 1.0)
                moment = self.canvas.step()
                self._keeper.watch(self.canvas)
                note = self._listener.hint or f"frame {number} of {self.frames}"
                step = self.progress.step(self.canvas, moment, time.monotonic() - began, note)
                self.stopped = yield from self._listener.heard((yield self._told(step)))
                if self.stopped:
                    return done == steps - 1
        return True

    def recipe(self, mode: str, film: dict[str, Any], parents: Sequence[str] = ()) -> Recipe:
        """The recipe of the film; `film` is what its request says beside the image's settings."""
        self._keeper.keep(self.canvas)
        image = replace(self.canvas.begun, log=tuple(self.canvas.log))
        return film_recipe(mode, image, film, self._services, (*self.canvas.pictures.parents, *parents))

    def told(self, made: dict[str, Any]) -> dict[str, Any]:
        """The fields of a `FilmResult`, `made` among them, with what the steps have left."""
        notes = (*self._notes, self._listener.note, *made["notes"], self._keeper.note)
        left = {"checkpoints": self._keeper.kept, "log": tuple(self.canvas.log)}
        left |= {"curves": self.progress.curves, "at": self.progress.at, "pace": self.progress.pace}
        left["footprint"] = self.canvas.plan.footprint if self.canvas.plan else None
        left["stopped"] = self.stopped
        return {**made, **left, "notes": tuple(note for note in notes if note)}

    def _refine(self, part: float) -> None:
        """Only the first frame begins coarsely, and gets fine within its own steps, of which `part` is done.

        The optimisation itself would spread that course over the whole film.
        """
        course = coarseness(1.0, self.canvas.step_number, self.canvas.request.steps)
        coarse = coarseness(self._coarse, part, 1) / course if course else 0.0
        self.canvas.request = replace(self.canvas.request, coarse=coarse)

    def _told(self, step: Step) -> Step:
        return replace(step, data={**step.data, "frame": self._number, "frames": self.frames})


def one_canvas(image: VqganClipRequest) -> VqganClipRequest:
    """The same request, if it asks for one canvas. Raises BadRequest otherwise."""
    if image.runs != 1:
        raise BadRequest(f"The number of runs is {image.runs}; a film is painted on one canvas. Set it to 1.")
    return image

"""The film of a picture's making: a run as any other, of which every so many steps one becomes a frame."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipelines import limits
from pipelines.services import Services
from pipelines.steps import Run
from pipelines.vqgan_clip.film import Film, FilmResult, film_recipe, film_table, growing, released
from pipelines.vqgan_clip.outlook import FilmSettings, Outlook, every_nth, outlook
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.run import VqganClipResult
from pipelines.vqgan_clip.run import run as run_picture
from safeguards.admit_video import MAX_SECONDS

if TYPE_CHECKING:
    from torch import Tensor

    from models.catalog import Catalog
    from pipelines.vqgan_clip.optimisation import Moment

MODE = "making_of"


class MakingOf(Film):
    """A film that is shown the canvases of each step: every so many steps one frame, the last one held."""

    def __init__(
        self, settings: FilmSettings, services: Services, every: int = 1, hold: float = 1.0, seed: int | None = None
    ) -> None:
        super().__init__(settings, services, seed)
        self.every, self.hold = every, hold
        self._last: Tensor | None = None
        self._shown = False

    def watch(self, moment: Moment) -> None:
        """Called with what each step saw."""
        self._last, self._shown = moment.pixels, (moment.step - 1) % self.every == 0
        if self._shown:
            self.add(moment.pixels)

    def end(self) -> None:
        """Hold the last canvases for `hold` seconds."""
        if self._last is not None:
            self.add(self._last, max(1, round(self.hold * self.settings.fps)) - self._shown)


@dataclass(frozen=True)
class MakingOfRequest:
    """What is asked for: a picture or several, and a film of at most `length` seconds of their making.

    Several canvases are shown beside and below each other. The last ones are held for `hold` seconds.
    """

    image: VqganClipRequest
    length: float = 10.0
    hold: float = 1.0
    film: FilmSettings = field(default_factory=lambda: FilmSettings(fps=24.0))

    def resolve(self, catalog: Catalog) -> MakingOfRequest:
        """The same request with every default filled in. Raises what `VqganClipRequest.resolve` raises."""
        return replace(
            self,
            image=self.image.resolve(catalog),
            length=limits.number("length of the film", self.length, 0.1, MAX_SECONDS),
            hold=limits.number("hold", self.hold, 0, 60),
            film=self.film.check(),
        )

    @property
    def every(self) -> int:
        """Of how many steps one becomes a frame."""
        return every_nth(self.image.steps, self.film.fps, self.length)

    def outlook(self, seconds_per_step: float | None = None) -> Outlook:
        """What the film of a resolved request will be and take."""
        last_is_shown = (self.image.steps - 1) % self.every == 0  # and held one frame less
        frames = -(-self.image.steps // self.every) + max(1, round(self.hold * self.film.fps)) - last_is_shown
        columns = math.ceil(math.sqrt(self.image.runs))
        size = self.image.width * columns, self.image.height * -(-self.image.runs // columns)
        return outlook(self.film, frames, size, self.image.steps, seconds_per_step)


@dataclass(frozen=True, kw_only=True, eq=False)
class MakingOfResult(FilmResult):
    """The film, and what the run of the pictures gave."""

    made: VqganClipResult


def run(request: MakingOfRequest, services: Services, device: str | None = None) -> Run:
    """Run as `run.run` does, with its steps and commands, and film it; the `MakingOfResult` comes at the end.

    On `Stop` the film ends where the run does. Raises what `run.run` and `release_video` raise; a run that fails
    leaves its film, playable.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    film = MakingOf(request.film, services, request.every, request.hold, request.image.seed)
    with growing(film), closing(run_picture(request.image, services, device, film.watch)) as running:
        said = next(running)
        while not isinstance(said, VqganClipResult):
            said = running.send((yield said))
        film.end()
        image = replace(request.image, log=said.log)
        recipe = film_recipe(MODE, image, film_table(request), services, said.recipe["parents"])
        made = released(film, None, recipe, device)
    made |= {"stopped": said.stopped, "checkpoints": said.checkpoints, "log": said.log, "notes": said.notes}
    made |= {
        "picture": said.pictures[0].path,
        "curves": said.curves,
        "at": said.at,
        "pace": said.pace,
        "footprint": said.footprint,
    }
    yield MakingOfResult(seconds=time.monotonic() - began, made=said, **made)

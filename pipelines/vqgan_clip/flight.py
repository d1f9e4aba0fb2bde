"""A flight: a camera moves over the picture, and the optimisation paints what comes into view."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipelines import limits
from pipelines.services import Services
from pipelines.steps import Run
from pipelines.vqgan_clip import checkpoint
from pipelines.vqgan_clip.camera import CameraPath, parse
from pipelines.vqgan_clip.conduct import Conductor, one_canvas
from pipelines.vqgan_clip.drafts import drafting
from pipelines.vqgan_clip.film import Film, FilmResult, film_table, growing, released
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.outlook import MAX_FRAMES, FilmSettings, Outlook, outlook
from pipelines.vqgan_clip.request import MAX_STEPS, VqganClipRequest
from pipelines.vqgan_clip.view import FILLS, UNMOVED, Matrix, covered, inverse, matrix, times, warp, warp_latent

if TYPE_CHECKING:
    from torch import Tensor

    from models.catalog import Catalog
    from pipelines.vqgan_clip.optimisation import Optimisation

MODE = "flight"
MAX_BETWEEN = 15


@dataclass(frozen=True)
class FlightRequest:
    """What is asked for.

    `image` says what is painted, with which models and how; its `steps` are overridden by those of the flight, so that
    its schedules and story scenes spread over the whole of it. `camera` is a table as `camera.parse` reads it. The
    first frame gets `first_steps`, each later one `steps_per_frame`; `between` frames after each of these are only
    warped from their neighbours and blended. `keep` in [0, 1] is how much of the latent is moved along rather than
    encoded anew from the moved picture. `fill` is what comes into view before it is painted, one of `view.FILLS`.
    """

    image: VqganClipRequest
    camera: str = "0: 1.02"
    frames: int = 48
    first_steps: int = 100
    steps_per_frame: int = 10
    between: int = 0
    keep: float = 0.2
    fill: str = "reflect"
    film: FilmSettings = field(default_factory=FilmSettings)

    def resolve(self, catalog: Catalog) -> FlightRequest:
        """The same request with every default filled in. Raises what `VqganClipRequest.resolve` raises."""
        request = replace(
            self,
            frames=limits.whole("number of frames", self.frames, 2, MAX_FRAMES),
            first_steps=limits.whole("number of first steps", self.first_steps, 0, MAX_STEPS),
            steps_per_frame=limits.whole("number of steps per frame", self.steps_per_frame, 1, 1000),
            between=limits.whole("number of frames between", self.between, 0, MAX_BETWEEN),
            keep=limits.number("keep", self.keep, 0, 1),
            fill=limits.one_of("fill", self.fill, FILLS, FILLS[0]),
            film=self.film.check(),
        )
        request = replace(request, camera=parse(self.camera, request.frames).text())
        limits.whole("number of steps of the whole flight", request.steps, 1, MAX_STEPS)
        steps = request.steps + _steps_behind(one_canvas(self.image))
        return replace(request, image=replace(self.image, steps=steps).resolve(catalog))

    @property
    def painted(self) -> tuple[int, ...]:
        """The frames that are optimised; those between them are warped."""
        last = self.frames - 1
        return (*range(0, last, self.between + 1), last)

    @property
    def steps(self) -> int:
        """Steps of the optimisation over the whole flight."""
        return self.first_steps + (len(self.painted) - 1) * self.steps_per_frame

    def outlook(self, seconds_per_step: float | None = None) -> Outlook:
        """What the film of a resolved request will be and take."""
        size = self.image.width, self.image.height
        return outlook(self.film, self.frames, size, self.steps, seconds_per_step)


def run(request: FlightRequest, services: Services, device: str | None = None) -> Run:
    """Fly; yields a `Step` after each step of the optimisation and a `FilmResult` at the end.

    Takes the commands that a run of one picture takes. On `Stop` the film ends with the frames there are. Raises what
    `resolve`, the safeguards and the pool raise.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    path, film = parse(request.camera, request.frames), Film(request.film, services, request.image.seed)
    drafts = yield from drafting(request.image, services, device)
    with opened(request.image, services, device, drafts) as canvas, growing(film):
        conductor = Conductor(canvas, request.steps, request.frames, services)
        conductor.stopped = drafts.stopped
        picture, before = canvas.picture(), 0
        for frame in request.painted:
            if drafts.stopped:  # the draft is all there is to see
                film.add(picture)
                break
            move(canvas, picture, _way(path, before, frame, canvas.size), request.keep, request.fill)
            steps = request.steps_per_frame if frame else request.first_steps
            whole = yield from conductor.frame(frame + 1, steps)
            if frame and not whole:
                break
            painted = canvas.picture()
            for warped in _between(path, before, frame, picture, painted, request.fill):
                film.add(warped)
            film.add(painted)
            picture, before = painted, frame
            if conductor.stopped:
                break
        made = released(film, picture, conductor.recipe(MODE, film_table(request)), device)
    yield FilmResult(seconds=time.monotonic() - began, **conductor.told(made))


def _steps_behind(image: VqganClipRequest) -> int:
    """How many steps a flight that starts from a checkpoint has behind it: they count for the schedules."""
    begins_there = image.checkpoint and image.start in ("", "checkpoint")
    return checkpoint.load(image.checkpoint).step if begins_there else 0


def move(canvas: Optimisation, picture: Tensor, view: Matrix, keep: float, fill: str) -> None:
    """Show the canvas its `picture` (1, 3, H, W) in another view, and move everything that belongs to its places.

    The latent, its average and the optimiser's moments are warped along; the latent is then mixed with that of the
    warped picture, `keep` being the share of the former. Alone, the one would blur and the other lose what the encoder
    does not see, frame after frame.
    """
    if view == UNMOVED:
        return
    state, shape = canvas.state_dict(), canvas.z.shape
    moved = {name: warp_latent(value, view, fill) if value.shape == shape else value for name, value in state.items()}
    canvas.load_state_dict(moved)
    canvas.show(warp(picture, view, fill), keep)


def _way(path: CameraPath, before: int, frame: int, size: tuple[int, int]) -> Matrix:
    """The view of `frame` as seen from that of the frame `before`, on a canvas of `size` (H, W)."""
    view = UNMOVED
    for each in range(before + 1, frame + 1):
        view = times(view, matrix(path.motion(each), size[1], size[0]))
    return view


def _between(path: CameraPath, before: int, frame: int, first: Tensor, second: Tensor, fill: str) -> Iterator[Tensor]:
    """The frames between two painted ones: as seen from either, the nearer one more, each where it shows something."""
    size = first.shape[-2], first.shape[-1]
    for each in range(before + 1, frame):
        views = _way(path, before, each, size), inverse(_way(path, each, frame, size))
        near = 1 - (each - before) / (frame - before)
        weights = [
            share * (covered(picture, view, fill) + 1e-3)
            for picture, view, share in zip((first, second), views, (near, 1 - near), strict=True)
        ]
        seen = (warp(picture, view, fill) for picture, view in zip((first, second), views, strict=True))
        yield sum(weight * pixels for weight, pixels in zip(weights, seen, strict=True)) / sum(weights)

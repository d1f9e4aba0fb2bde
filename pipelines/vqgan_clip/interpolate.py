"""A film from one finished picture to the next: what lies between their latents, decoded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from common.images import content_hash
from pipelines import limits
from pipelines.services import Services
from pipelines.steps import Run, Step, Stop
from pipelines.vqgan_clip.checkpoint import Saved
from pipelines.vqgan_clip.ends import End, admitted, latent
from pipelines.vqgan_clip.film import TASK, Film, FilmResult, Glances, film_table, growing, released
from pipelines.vqgan_clip.outlook import MAX_FRAMES, FilmSettings, Outlook, outlook
from safeguards.recipe import Recipe

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from models.catalog import Catalog

MODE = "interpolation"
WAYS = ("slerp", "lerp")
MAX_PICTURES = 64


@dataclass(frozen=True)
class InterpolateRequest:
    """What is asked for. `pictures` are files of uploads or results, checkpoints of runs (the first canvas as it was),
    or pictures in memory, in the order of the film.

    `frames` is how many there are from one picture to the next. On the way "lerp" mixes the latents evenly, "slerp"
    turns the vector of each cell from one direction to the other, which keeps contrast. With `quantise` every cell is
    one of the model's codes, so the film changes in small jumps; without, it flows. `smooth` slows down at each
    picture. With `loop` the last picture leads back to the first.
    """

    pictures: tuple[str | Path | Image, ...]
    model: str = ""
    width: int | None = None
    height: int | None = None
    frames: int = 24
    way: str = "slerp"
    quantise: bool = False
    smooth: bool = True
    loop: bool = False
    film: FilmSettings = field(default_factory=FilmSettings)

    def resolve(self, catalog: Catalog) -> InterpolateRequest:
        """The same request with every default filled in. Raises BadRequest and ModelUnavailable as others do."""
        if not 2 <= len(self.pictures) <= MAX_PICTURES:
            count = len(self.pictures)
            raise BadRequest(f"The number of pictures to go between is {count}; allowed are 2 to {MAX_PICTURES}.")
        spec = limits.model(catalog, "vqgan", self.model)
        request = replace(
            self,
            model=spec.name,
            width=limits.control(spec, "width", self.width, True),
            height=limits.control(spec, "height", self.height, True),
            frames=limits.whole("number of frames", self.frames, 1, MAX_FRAMES),
            way=limits.one_of("way", self.way, WAYS, WAYS[0]),
            quantise=limits.flag("quantise", self.quantise),
            smooth=limits.flag("smooth", self.smooth),
            loop=limits.flag("loop", self.loop),
            film=self.film.check(),
        )
        limits.whole("length of the film in frames", request.total, 2, MAX_FRAMES)
        return request

    @property
    def total(self) -> int:
        """Frames of the whole film."""
        ways = len(self.pictures) if self.loop else len(self.pictures) - 1
        return ways * self.frames + (0 if self.loop else 1)

    def outlook(self, seconds_per_step: float | None = None) -> Outlook:
        """What the film of a resolved request will be; a step is one frame."""
        return outlook(self.film, self.total, (self.width, self.height), self.total, seconds_per_step)


def run(request: InterpolateRequest, services: Services, device: str | None = None) -> Run:
    """Decode frame after frame; yields a `Step` after each and a `FilmResult` at the end.

    On `Stop` the film ends with the frames there are. Raises what `resolve`, the safeguards and the pool raise.
    """
    began, stopped = time.monotonic(), False
    request = request.resolve(services.catalog)
    ends, notes = admitted(request.pictures, request.model, (request.width, request.height), services)
    glances = Glances()
    with services.pool.use(request.model, device) as vqgan, growing(Film(request.film, services)) as film:
        latents = [latent(vqgan, end) for end in ends]
        for number, z in enumerate(_between(latents, request), 1):
            pixels = _decoded(vqgan, z, request.quantise)
            film.add(pixels)
            command = yield Step(number, request.total, f"frame {number} of {request.total}", glances.at(pixels))
            if stopped := isinstance(command, Stop) and number < request.total:
                break
        made = released(film, pixels, _recipe(request, ends, services), device)
    made["notes"] = (*notes, *made["notes"])
    pace = (time.monotonic() - began) / number
    yield FilmResult(seconds=time.monotonic() - began, stopped=stopped, pace=pace, **made)


def _decoded(vqgan: Any, z: Tensor, quantise: bool) -> Tensor:
    import torch

    with torch.inference_mode():
        return vqgan.decode(vqgan.quantise(z) if quantise else z).clamp(0, 1)


def _between(latents: list[Tensor], request: InterpolateRequest) -> Iterator[Tensor]:
    """The latents of all frames, each made when it is asked for."""
    ends = [*latents[1:], latents[0]] if request.loop else latents[1:]
    for one, other in zip(latents, ends, strict=False):
        for frame in range(request.frames):
            part = frame / request.frames
            yield mixed(one, other, part * part * (3 - 2 * part) if request.smooth else part, request.way)
    if not request.loop:
        yield latents[-1]


def mixed(one: Tensor, other: Tensor, part: float, way: str = "slerp") -> Tensor:
    """What lies between two latents (B, C, h, w): `one` at part 0, `other` at part 1.

    "slerp" (Shoemake 1985) turns the vector of each cell at an even speed and changes its length evenly; where two
    vectors are parallel or opposite, or one is zero, it is the even mix of "lerp".
    """
    import torch

    even = torch.lerp(one, other, part)
    if way == "lerp" or part in (0, 1):
        return even
    lengths = one.norm(dim=1, keepdim=True), other.norm(dim=1, keepdim=True)
    first, second = (z / length.clamp(min=1e-12) for z, length in zip((one, other), lengths, strict=True))
    angle = (first * second).sum(1, keepdim=True).clamp(-1, 1).acos()
    turned = (((1 - part) * angle).sin() * first + (part * angle).sin() * second) / angle.sin()
    unclear = (angle.sin() < 1e-4) | (lengths[0] < 1e-6) | (lengths[1] < 1e-6)
    return torch.where(unclear, even, turned * torch.lerp(*lengths, part))


def _recipe(request: InterpolateRequest, ends: list[End], services: Services) -> Recipe:
    spec = services.catalog.get(request.model)
    parents = tuple(f"checkpoint {k}" if isinstance(end, Saved) else content_hash(end) for k, end in enumerate(ends, 1))
    settings = {"model": spec.name, "width": request.width, "height": request.height}
    settings["film"] = {"mode": MODE, **film_table(request)}
    return Recipe(TASK, spec.name, spec.revision or "", settings, parents=parents)

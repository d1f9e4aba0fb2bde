"""From what stands in the controls to the request of a picture or a film, resolved and ready to be queued."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines.vqgan_clip import camera, checkpoint, flight, interpolate, making_of, restyle
from pipelines.vqgan_clip import run as picture
from pipelines.vqgan_clip.flight import FlightRequest
from pipelines.vqgan_clip.interpolate import InterpolateRequest
from pipelines.vqgan_clip.making_of import MakingOfRequest
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.request import ImagePrompt, Region, VqganClipRequest
from pipelines.vqgan_clip.restore import FilmRequest
from pipelines.vqgan_clip.restyle_request import RestyleRequest
from tabs import vqgan_clip_painting as painting
from tabs.widgets import typed_number

if TYPE_CHECKING:
    from pipelines.services import Services
    from pipelines.steps import Run

TYPED = {"seed": "seed", "cuts_end": "last number of cut-outs", "cut_size": "cut size"}  # in a box, empty for nothing
AnyRequest = VqganClipRequest | FilmRequest

PLAIN = (  # settings whose control holds the very value of the request
    "model", "judge", "noise_prompts", "start", "draft_model", "start_weight", "start_decay", "width", "height",
    "steps", "runs", "refill", "optimiser", "rate", "coarse", "ema", "tv", "preset", "cuts", "augment", "noise",
    "normalise", "fade",
)  # fmt: skip
RUNS = {
    VqganClipRequest: picture.run,
    MakingOfRequest: making_of.run,
    FlightRequest: flight.run,
    RestyleRequest: restyle.run,
    InterpolateRequest: interpolate.run,
}


def run(request: AnyRequest, services: Services, device: str) -> Run:
    """The run of a picture or a film."""
    return RUNS[type(request)](request, services, device)


def starter(request: AnyRequest, services: Services) -> Any:
    """What a job calls with its device."""
    return functools.partial(run, request, services)


def make(named: Mapping[str, Any], services: Services, drafted: bool = False) -> AnyRequest:
    """The resolved request of these values of the controls. With `drafted` nobody asks for prompts and pictures yet.

    Raises BadRequest for a value that is not allowed, Blocked for a prompt that is not, and ModelUnavailable.
    """
    mode = named["mode"]
    if mode == "between":
        return _between(named).resolve(services.catalog)
    image = _image({**named, "start": "noise"} if mode == "restyle" else named, drafted)
    film = FilmSettings(named["film.fps"], named["film.form"])
    if mode == "flight":
        request: AnyRequest = _flight(named, replace(image, runs=1), film)
    elif mode == "restyle":
        return _restyle(named, replace(image, runs=1), film, services)
    else:
        size = image.resolve(services.catalog)
        image = _painted(image, named, (size.width, size.height), drafted)
        request = MakingOfRequest(image, named["film.length"], film=film) if named["film.making_of"] else image
        return request.resolve(services.catalog)
    size = request.resolve(services.catalog).image
    return replace(request, image=_painted(request.image, named, (size.width, size.height), drafted)).resolve(
        services.catalog
    )


def _image(named: Mapping[str, Any], drafted: bool) -> VqganClipRequest:
    """The request of a picture, without what is painted."""
    start = named["start"]
    words = named["prompts"] or ("draft" if drafted else "")
    held = checkpoint.load(named["checkpoint"]).request if start == "checkpoint" and named["checkpoint"] else None
    return VqganClipRequest(
        **{name: named[name] for name in PLAIN},
        prompts=words,
        clips=tuple(named["clips"] or ()),
        **{name: typed_number(named[name], words, int) for name, words in TYPED.items()},
        image_prompts=_image_prompts(named, held),
        start_image=_start_image(named, held),
        checkpoint=named["checkpoint"] if start == "checkpoint" else None,
        log=_log(named["log"]),
    )


def _start_image(named: Mapping[str, Any], held: VqganClipRequest | None) -> str | None:
    if held is not None:
        return None if held.start_image is None else ""
    return named["start_image"] if named["start"] == "image" else None


def _image_prompts(named: Mapping[str, Any], held: VqganClipRequest | None) -> tuple[ImagePrompt, ...]:
    paths = [item[0] if isinstance(item, tuple | list) else item for item in named["image_prompts"] or ()]
    texts = [text.strip() for text in (named["image_weights"] or "").split(",") if text.strip()]
    weights = [typed_number(text, "weight of a picture", float) for text in texts]
    if not paths and held is not None:
        return held.image_prompts
    if len(weights) > len(paths):
        raise BadRequest(f"There are {len(weights)} weights for {len(paths)} image prompts; give one for each at most.")
    return tuple(ImagePrompt(path, weights[k] if k < len(weights) else 1.0) for k, path in enumerate(paths))


def _painted(
    image: VqganClipRequest, named: Mapping[str, Any], size: tuple[int, int], drafted: bool
) -> VqganClipRequest:
    """The same request with what is painted on a canvas of `size` (width, height)."""
    if drafted:
        return image
    words = {number: named[f"region.{number}"] or "" for number, _ in enumerate(painting.REGIONS, 1)}
    keep, parts = painting.masks(named["painting"], size)
    going_on = image.start == "checkpoint" and image.checkpoint
    regions = painting.regions(words, parts, bool(going_on))
    if keep is None and going_on and checkpoint.load(image.checkpoint).request.freeze is not None:
        keep = ""
    return replace(image, freeze=keep, regions=tuple(Region(*region) for region in regions))


def _flight(named: Mapping[str, Any], image: VqganClipRequest, film: FilmSettings) -> FlightRequest:
    values = of_mode(named, "flight")
    frames = values["frames"]
    rows = values.pop("camera") or []
    path = camera.from_rows(rows, frames).text() if isinstance(frames, int) and frames > 0 else "0: 1"
    return FlightRequest(image, camera=path, film=film, **values)


def _restyle(
    named: Mapping[str, Any], image: VqganClipRequest, film: FilmSettings, services: Services
) -> RestyleRequest:
    values = of_mode(named, "restyle")
    if not values["video"]:
        raise BadRequest("There is no video to restyle. Upload one.")
    values["seconds"] = typed_number(values["seconds"], "seconds", float)
    if values.pop("shape"):
        image = replace(image, width=None, height=None)
    request = RestyleRequest(replace(image, start_image=None, checkpoint=None), film=film, **values)
    size = request.resolve(services.catalog).image
    painted = _painted(request.image, named, (size.width, size.height), False)
    return replace(request, image=painted).resolve(services.catalog)


def _between(named: Mapping[str, Any]) -> InterpolateRequest:
    values = of_mode(named, "between")
    pictures = tuple(values.pop("pictures") or ())
    shape = {name: named[name] for name in ("model", "width", "height")}
    return InterpolateRequest(pictures, **shape, **values, film=FilmSettings(named["film.fps"], named["film.form"]))


def of_mode(named: Mapping[str, Any], mode: str) -> dict[str, Any]:
    """The values of one mode, by the names of its request's fields."""
    return {name.partition(".")[2]: value for name, value in named.items() if name.startswith(f"{mode}.")}


def _log(text: str) -> tuple[dict[str, Any], ...]:
    if not (text or "").strip():
        return ()
    try:
        lines = json.loads(text)
    except (ValueError, RecursionError):
        lines = None
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise BadRequest('The changes on the way cannot be read; write them like [{"step": 40, "rate": 0.2}].')
    return tuple(lines)


def image_of(request: AnyRequest) -> VqganClipRequest | None:
    """What a request says about painting; None for a film between pictures, which paints nothing."""
    return request if isinstance(request, VqganClipRequest) else getattr(request, "image", None)

"""From a picture, a film or a checkpoint of ours back to the controls that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.vqgan_clip import camera, checkpoint
from pipelines.vqgan_clip.flight import FlightRequest
from pipelines.vqgan_clip.interpolate import InterpolateRequest
from pipelines.vqgan_clip.making_of import MakingOfRequest
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.restore import FilmRequest, request_of
from pipelines.vqgan_clip.restyle_request import RestyleRequest
from safeguards.recipe import Recipe, read
from tabs.vqgan_clip_controls import Controls
from tabs.vqgan_clip_painting import REGIONS
from tabs.vqgan_clip_request import PLAIN

TASK = "vqgan_clip"
MISSING = " What it started from (pictures, video, masks) is not part of a recipe: add it again."


def restored(path: str, controls: Controls) -> tuple[str, dict[Any, Any]]:
    """What to say about the file at `path`, and updates of the controls. Raises BadRequest when it is unsound."""
    if Path(path).suffix.lower() == ".safetensors":
        return from_checkpoint(path, controls)
    recipe = read(path)
    if recipe is None:
        return "This file carries no recipe, so there is nothing to restore.", {}
    if not isinstance(recipe, Recipe):
        return "Made by another program: its prompt is restored.", controls.restored({"prompts": recipe.prompt})
    if recipe.task != TASK:
        words = recipe.settings.get("prompt")
        return "This picture comes from another room; its prompt is restored.", controls.restored({"prompts": words})
    request = request_of(recipe)
    updates = controls.restored(settings_of(request))
    if controls.parts["model"] not in updates:
        return f"Restored, but {recipe.model} is not in this app, so your model stays.", updates
    return "All settings are restored." + (MISSING if recipe.parents else ""), updates


def from_checkpoint(path: str, controls: Controls) -> tuple[str, dict[Any, Any]]:
    """Go on from a checkpoint: its settings, and a run that starts from it. Raises BadRequest for none of ours."""
    saved = checkpoint.load(path)
    settings = settings_of(checkpoint.request_of(path))
    more = max(settings["steps"], saved.step + max(1, saved.request.steps // 2))
    settings |= {"start": "checkpoint", "steps": more, "log": "", "film.making_of": True}
    text = f"Goes on from step {saved.step:,}, up to step {more:,}. Change the prompt, and it branches off."
    return text, {**controls.restored(settings), controls.parts["checkpoint"]: path}


def settings_of(request: VqganClipRequest | FilmRequest) -> dict[str, Any]:
    """The values of the controls, by the names of their parts, that ask for this request."""
    if isinstance(request, VqganClipRequest):
        return {"mode": "picture", "film.making_of": False, **_image(request)}
    film = {"film.form": request.film.form, "film.fps": request.film.fps}
    if isinstance(request, InterpolateRequest):
        values = _named("between", request, ("frames", "way", "smooth", "quantise", "loop"))
        shape = {name: getattr(request, name) for name in ("model", "width", "height")}
        return {"mode": "between", **shape, **values, **film}
    image = {**_image(request.image), **film}
    if isinstance(request, MakingOfRequest):
        return {"mode": "picture", **image, "film.making_of": True, "film.length": request.length}
    image.pop("steps")
    if isinstance(request, FlightRequest):
        plain = ("frames", "first_steps", "steps_per_frame", "between", "keep", "fill")
        return {"mode": "flight", **image, **_named("flight", request, plain), "flight.camera": _rows(request)}
    assert isinstance(request, RestyleRequest)
    plain = ("start", "seconds", "first_steps", "steps_per_frame", "pull", "follow", "window", "fall", "cut", "sound")
    for name in ("start", "start_weight", "start_decay"):  # those of the video, not of a picture
        image.pop(name)
    return {"mode": "restyle", **image, **_named("restyle", request, plain), "restyle.shape": False}


def _named(mode: str, request: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {f"{mode}.{name}": getattr(request, name) for name in names}


def _image(request: VqganClipRequest) -> dict[str, Any]:
    values = {name: getattr(request, name) for name in PLAIN}
    values |= {"cuts_end": None if request.cuts_end == request.cuts else request.cuts_end}
    values |= {"cut_size": request.cut_size, "seed": request.seed}
    words = {f"region.{number}": "" for number, _ in enumerate(REGIONS, 1)}
    words |= {f"region.{k}": each.prompts for k, each in enumerate(request.regions[: len(REGIONS)], 1)}
    weights = ", ".join(f"{each.weight:g}" for each in request.image_prompts)
    return {
        **values,
        **words,
        "prompts": request.prompts,
        "clips": list(request.clips),
        "image_weights": weights,
        "log": json.dumps([dict(line) for line in request.log]) if request.log else "",
    }


def _rows(request: FlightRequest) -> list[list[float]]:
    """The camera's table as the page shows it."""
    if not isinstance(request.frames, int) or request.frames < 1:
        return []
    path = camera.parse(request.camera, request.frames)
    return [[frame, move.zoom, move.pan_x, move.pan_y, move.rotate] for frame, move in path.keyframes]


def remembered(settings: Mapping[str, Any], controls: Controls) -> dict[Any, Any]:
    """Updates from what a browser remembers, which may be anything. A run never starts from a file it cannot have."""
    settings = dict(settings)
    if settings.get("start") in ("image", "checkpoint"):
        settings.pop("start")
    return controls.restored(settings)

"""From the recipe inside a picture or a film back to the request that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from common.errors import BadRequest
from pipelines.vqgan_clip import flight, interpolate, making_of, restyle
from pipelines.vqgan_clip.flight import FlightRequest
from pipelines.vqgan_clip.interpolate import InterpolateRequest
from pipelines.vqgan_clip.making_of import MakingOfRequest
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.plain import from_plain
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.restyle_request import RestyleRequest
from safeguards.recipe import Recipe
from safeguards.wording import shown

FilmRequest: TypeAlias = FlightRequest | InterpolateRequest | MakingOfRequest | RestyleRequest
KINDS: dict[str, type] = {
    making_of.MODE: MakingOfRequest,
    flight.MODE: FlightRequest,
    restyle.MODE: RestyleRequest,
    interpolate.MODE: InterpolateRequest,
}


def request_of(recipe: Recipe) -> VqganClipRequest | FilmRequest:
    """The request of a picture or of a film, without the pictures and the video it started from.

    The values are those of the recipe and may be anything that JSON can hold: they are checked when the request is
    resolved. Raises BadRequest for a recipe of another task and for a setting that there is not.
    """
    if recipe.task != "vqgan_clip":
        raise BadRequest(f"This recipe is one of {recipe.task}, not of VQGAN+CLIP.")
    settings = {**recipe.settings, "seed": recipe.seed}
    film = settings.pop("film", None)
    if film is None:
        return from_plain(settings)
    mode = film.get("mode") if isinstance(film, Mapping) else None
    if not isinstance(mode, str) or mode not in KINDS:
        raise BadRequest(f"The film of this recipe is {shown(film)}; it must be one of {', '.join(KINDS)}.")
    kind = KINDS[mode]
    return kind(**_known(film, kind), **_image(kind, settings))


def _known(film: Mapping[str, Any], kind: type) -> dict[str, Any]:
    shape = [each.name for each in fields(FilmSettings)]
    known = {each.name for each in fields(kind)} - {"film", "image", "pictures", "video"}
    if unknown := sorted(set(film) - known - {"mode", *shape}):
        raise BadRequest(
            f"There is no setting {shown(unknown[0])} for such a film; there are {', '.join(sorted(known))}."
        )
    values = {name: film[name] for name in known if name in film}
    return {**values, "film": FilmSettings(**{name: film[name] for name in shape if name in film})}


def _image(kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"pictures": ()} if kind is InterpolateRequest else {"image": from_plain(settings)}

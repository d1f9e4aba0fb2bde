"""From what a page or a program says about captions to the request that a run takes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.families.caption_contract import LIMITS, METHODS, Decoding
from tabs.widgets import typed_number

if TYPE_CHECKING:
    from models.catalog import Catalog
    from pipelines.captioning.request import CaptionRequest

# Fields of `Decoding` by the methods to which they mean something; all others mean something to every method.
ONLY = {
    "beams": ("beam", "diverse"),
    "groups": ("diverse",),
    "diversity": ("diverse",),
    "length_penalty": ("beam", "diverse"),
    "temperature": ("sample",),
    "top_p": ("sample",),
    "top_k": ("sample",),
    "min_p": ("sample",),
    "seed": ("sample",),
    "count": ("beam", "diverse", "sample"),
    "required": ("beam",),
}


def make_request(catalog: Catalog, paths: Sequence[str], named: Mapping[str, Any]) -> CaptionRequest:
    """The checked request for settings by name, with None, "" and what is not there for a default.

    What means nothing to the method stands at its default, for a page keeps it out of sight. Raises BadRequest,
    Blocked and ModelUnavailable as `resolve` does.
    """
    from pipelines.captioning.request import CaptionRequest

    method = named.get("method") or "beam"
    fields = {name: named.get(name) for name in (*LIMITS, "detail", "opening") if means(name, method)}
    fields["required"] = words(named.get("required")) if means("required", method) else ()
    if "seed" in fields:
        seed = typed_number(fields["seed"], "seed", int)
        fields["seed"] = random.SystemRandom().randrange(2**31) if seed is None else seed
    given = {name: _whole(name, value) for name, value in fields.items() if value not in (None, "")}
    blend = named.get("blend")
    return CaptionRequest(
        tuple(paths),
        tuple(named.get("captioners") or ()),
        Decoding(method=method, **given),
        named.get("ranker") or "",
        0.5 if blend is None else blend,
    ).resolve(catalog)


def words(text: str | None) -> tuple[str, ...]:
    """ "red, car" -> ("red", "car")."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def means(name: str, method: str) -> bool:
    """Whether a field of `Decoding` means something to a method."""
    return method in ONLY.get(name, METHODS)


def has_detail(catalog: Catalog, names: Sequence[str]) -> bool:
    """Whether one of these captioners can say more or less about a picture."""
    return any("detail" in spec.controls for spec in catalog.all("captioner") if spec.name in names)


def _whole(name: str, value: Any) -> Any:
    """Browsers send 5.0 where 5 is meant."""
    is_whole = name in LIMITS and LIMITS[name].step == 1 and isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value

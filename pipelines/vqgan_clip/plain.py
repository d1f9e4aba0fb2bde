"""A request as plain JSON data and back: what recipes and checkpoints hold of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from common.errors import BadRequest
from pipelines.vqgan_clip.request import ImagePrompt, Region, VqganClipRequest
from safeguards.wording import shown

PICTURES = ("start_image", "freeze")  # settings that are a picture or None
NAMES = tuple(each.name for each in fields(VqganClipRequest))


def to_plain(request: VqganClipRequest) -> dict[str, Any]:
    """Every setting by its name but the file of a checkpoint. In place of a picture stands "", of no stop None."""
    table = {name: getattr(request, name) for name in NAMES}
    for name in PICTURES:
        table[name] = None if table[name] is None else ""
    table["checkpoint"] = None
    if table["start"] == "checkpoint":
        table["start"] = ""  # where it began is lost in the run before; only its checkpoint leads on
    table["image_prompts"] = [
        {"weight": each.weight, "stop": each.stop if math.isfinite(each.stop) else None}
        for each in request.image_prompts
    ]
    table["regions"] = [{"prompts": each.prompts} for each in request.regions]
    table["clips"] = list(request.clips)
    table["log"] = [dict(line) for line in request.log]
    return table


def from_plain(table: Mapping[str, Any]) -> VqganClipRequest:
    """The request that `to_plain` wrote; its values are checked when it is resolved.

    Raises BadRequest for a setting that there is not, or one of a kind that it never has.
    """
    if unknown := sorted(set(table) - set(NAMES)):
        raise BadRequest(f"There is no setting {shown(unknown[0])} for VQGAN+CLIP; there are {', '.join(NAMES)}.")
    values = {name: value for name, value in table.items() if name != "checkpoint"}
    for name in PICTURES:
        if values.get(name) not in (None, ""):
            raise BadRequest(f"The setting {name} is {shown(values[name])}; a recipe holds no pictures.")
    values["image_prompts"] = tuple(_image_prompt(each) for each in _rows(table, "image_prompts"))
    values["regions"] = tuple(Region(_text(each, "prompts"), "") for each in _rows(table, "regions"))
    values["clips"] = tuple(_list(table, "clips"))
    values["log"] = tuple(_rows(table, "log"))
    for name in ("prompts", "noise_prompts"):
        if not isinstance(values.get(name, ""), str):
            raise BadRequest(f"The setting {name} is {shown(values[name])}; it must be text.")
    return VqganClipRequest(**values)


def _image_prompt(row: Mapping[str, Any]) -> ImagePrompt:
    stop = row.get("stop")
    if stop is not None and (isinstance(stop, bool) or not isinstance(stop, int | float)):
        raise BadRequest(f"The stop of an image prompt is {shown(stop)}; it must be a number or nothing.")
    return ImagePrompt("", row.get("weight", 1.0), -math.inf if stop is None else float(stop))


def _rows(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = _list(table, name)
    if not all(isinstance(row, Mapping) for row in rows):
        raise BadRequest(f"The setting {name} must be a list of tables.")
    return rows


def _list(table: Mapping[str, Any], name: str) -> list[Any]:
    value = table.get(name, ())
    if not isinstance(value, list | tuple):
        raise BadRequest(f"The setting {name} is {shown(value)}; it must be a list.")
    return list(value)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"The {name} of a region is {shown(value)}; it must be text.")
    return value

"""The limits and defaults of what a request sets and steering may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines import limits

if TYPE_CHECKING:
    from models.spec import ModelSpec

MIN_CUTS, MAX_CUTS = 4, 128
RANGES: dict[str, tuple[str, float, float]] = {  # setting: its name for people, least and largest value
    "start_weight": ("start weight", 0, 1000),
    "start_decay": ("decay of the start weight", 0, 1),
    "rate": ("learning rate", 0.0001, 10),
    "ema": ("averaging of z", 0, 0.999),
    "coarse": ("coarse beginning", 0, 8),
    "tv": ("smoothness", 0, 100),
    "augment": ("strength of augmentation", 0, 2),
    "noise": ("noise on the cuts", 0, 0.5),
    "fade": ("cross-fade of scenes", 0, 1),
}

# By pack, "" for all others. The starter pack's suit two cores and small models, the others are those of the field.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "starter": {"cuts": 8, "rate": 0.15, "coarse": 1.0, "start": "draft", "start_weight": 0.2, "preset": "single"},
    "": {"cuts": 32, "rate": 0.1, "coarse": 0.0, "start": "noise", "start_weight": 0.0, "preset": "classic"},
}


def defaults(spec: ModelSpec) -> dict[str, Any]:
    """What "" and None stand for with this VQGAN: `cuts`, `rate`, `coarse`, `start`, `start_weight`,
    `preset`."""
    return dict(_DEFAULTS.get(spec.pack, _DEFAULTS[""]))


def number(setting: str, value: Any) -> float:
    """The value of a setting of RANGES as a float. Raises BadRequest when it is outside."""
    return limits.number(RANGES[setting][0], value, *RANGES[setting][1:])


def cut_count(value: Any, name: str = "number of cut-outs") -> int:
    """A number of cuts. Raises BadRequest when it is outside the limits."""
    return limits.whole(name, value, MIN_CUTS, MAX_CUTS)

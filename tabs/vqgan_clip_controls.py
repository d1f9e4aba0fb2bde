"""All controls of the VQGAN+CLIP room as one table, and how it is filled from a recipe, a memory or a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from models.spec import ModelSpec, Range
from pipelines.vqgan_clip import ranges
from tabs.widgets import choices

if TYPE_CHECKING:
    from pipelines.services import Services

MODES = {
    "picture": "Picture",
    "flight": "Camera flight",
    "restyle": "Restyle a video",
    "between": "Between pictures",
}
FURTHER = ("draft", "image", "checkpoint")  # starts about which there is more to say
SIZES = {"width": "Width, pixels", "height": "Height, pixels"}
NOT_KEPT = frozenset(  # a browser remembers no files, and a drawing is no setting
    {"start_image", "checkpoint", "painting", "image_prompts", "restyle.video", "between.pictures"}
)


class Controls:
    """`parts` maps names to components, in the order in which handlers get their values.

    A name is that of a request's field, with the mode before it where the field is one of a film: "flight.frames".
    `groups` are the columns of one mode or start, by its name.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self.parts: dict[str, Any] = {}
        self.groups: dict[str, Any] = {}

    @property
    def inputs(self) -> list[Any]:
        """The components, in the order of `parts`."""
        return list(self.parts.values())

    @property
    def outputs(self) -> list[Any]:
        """The components that `restored` may change."""
        return [*self.parts.values(), *self.groups.values()]

    @property
    def first(self) -> ModelSpec:
        """The VQGAN that stands chosen when the page opens."""
        return self.services.catalog.default("vqgan")

    def named(self, values: Sequence[Any]) -> dict[str, Any]:
        """Values of `inputs` by name. A box that was never opened on the page sends nothing: it has its first value."""
        pairs = zip(self.parts.items(), values, strict=True)
        return {name: self._first(name, part) if value is None else value for (name, part), value in pairs}

    def kept(self, values: Sequence[Any]) -> dict[str, Any]:
        """What a browser remembers of these values."""
        return {name: value for name, value in self.named(values).items() if name not in NOT_KEPT}

    def for_model(self, name: str, start: str = "") -> dict[Any, Any]:
        """Updates that give every control the limits and defaults of the VQGAN `name`.

        A run that is to `start` from a file goes on to do so.
        """
        spec = self.services.catalog.get(name)
        usual = ranges.defaults(spec)
        usual["start"] = start if start in ("image", "checkpoint") else usual["start"]
        updates = {self.parts[side]: gr.Slider(**size_limits(spec, side)) for side in SIZES}
        updates |= {self.parts[setting]: value for setting, value in usual.items()}
        return {**updates, **self.for_start(usual["start"])}

    def restored(self, settings: Mapping[str, Any]) -> dict[Any, Any]:
        """Updates that set the controls to `settings`, by the names of `parts`.

        A value that does not fit its control (another version, another hand) leaves that control as it is.
        """
        updates: dict[Any, Any] = {}
        models = {spec.name: spec for spec in self.services.catalog.all("vqgan")}
        spec = models.get(settings.get("model")) if isinstance(settings.get("model"), str) else None
        if spec is not None:
            updates = self.for_model(spec.name)
        for name, part in self.parts.items():
            value = settings.get(name)
            if name not in settings or not self._fits(name, part, value, spec):
                continue
            sized = spec is not None and name in SIZES
            updates[part] = (
                gr.Slider(**{**size_limits(spec, name), "value": value}) if sized else _as_value(part, value)
            )
        if settings.get("mode") in MODES:
            updates |= self.for_mode(settings["mode"])
        if isinstance(settings.get("start"), str):
            updates |= self.for_start(settings["start"])
        return updates

    def for_mode(self, mode: str) -> dict[Any, Any]:
        """Show the groups of a mode and hide the others'."""
        shown = {
            "starting": mode in ("picture", "flight"),
            "painting": mode != "between",
            "keeping": mode in ("picture", "flight"),
            "several": mode == "picture",
            "asking": mode != "between",
            "judging": mode != "between",
            "drawers": mode != "between",
            "making_of": mode == "picture",
        }
        shown |= {each: mode == each for each in MODES if each != "picture"}
        titles = {"picture": "Start", "flight": "Camera and start", "restyle": "Video", "between": "Pictures"}
        opened = {self.groups["inputs"]: gr.Accordion(titles[mode], open=True)}
        return opened | {self.groups[name]: gr.Column(visible=is_shown) for name, is_shown in shown.items()}

    @property
    def start_groups(self) -> list[Any]:
        """The groups that `for_start` shows and hides."""
        return [self.groups[f"start {kind}"] for kind in FURTHER]

    def for_start(self, start: str) -> dict[Any, Any]:
        """Show what else is to be said about where a run starts from: the picture, the checkpoint, who drafts."""
        return {self.groups[f"start {kind}"]: gr.Column(visible=start == kind) for kind in FURTHER}

    def _first(self, name: str, part: Any) -> Any:
        if name in NOT_KEPT or callable(part.value):
            return None
        return part.value.get("data") if isinstance(part, gr.Dataframe) and isinstance(part.value, dict) else part.value

    def _fits(self, name: str, part: Any, value: Any, spec: ModelSpec | None) -> bool:
        if name in NOT_KEPT:
            return False
        if name in SIZES and spec is not None:
            limits = spec.controls.get(name)
            return isinstance(limits, Range) and _is_number(value) and limits.minimum <= value <= limits.maximum
        return _fits(part, value)


def _fits(part: Any, value: Any) -> bool:
    """Whether a component can show a value."""
    if isinstance(part, gr.Slider):
        return _is_number(value) and part.minimum <= value <= part.maximum
    if isinstance(part, gr.Number):
        return _is_number(value) and math.isfinite(value)
    if isinstance(part, gr.Checkbox):
        return isinstance(value, bool)
    if isinstance(part, gr.Dropdown | gr.Radio):
        allowed = {name for _, name in part.choices}
        chosen = value if isinstance(value, list) else [value]
        is_many = bool(getattr(part, "multiselect", False))
        return isinstance(value, list) == is_many and all(isinstance(one, str) and one in allowed for one in chosen)
    if isinstance(part, gr.Dataframe):
        rows = isinstance(value, list) and all(isinstance(row, list) and len(row) <= 5 for row in value)
        return rows and all(isinstance(cell, str | int | float) for row in value for cell in row)
    return isinstance(part, gr.Textbox) and (value is None or isinstance(value, str) or _is_number(value))


def _as_value(part: Any, value: Any) -> Any:
    if isinstance(part, gr.Textbox):
        return "" if value is None else str(value)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def size_limits(spec: ModelSpec, side: str) -> dict[str, Any]:
    """Slider settings of a VQGAN's width or height."""
    limits = spec.controls[side]
    assert isinstance(limits, Range)
    return {"minimum": limits.minimum, "maximum": limits.maximum, "step": limits.step, "value": limits.default}


def rankers(services: Services) -> tuple[list[tuple[str, str]], str]:
    """The CLIPs to choose from, and the one that stands chosen."""
    return choices(services.catalog, "ranker"), services.catalog.default("ranker").name

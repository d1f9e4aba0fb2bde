"""The controls of the text → image room. Their limits come from the chosen model's `ModelSpec` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from models.spec import ModelSpec, Range
from tabs.widgets import choices, typed_number

if TYPE_CHECKING:
    from pipelines.services import Services
    from pipelines.text_to_image import TextToImageRequest

# In the order of the request's fields; the handlers get their values in this order.
FIELDS = (
    "prompt", "negative", "model", "candidates", "width", "height", "steps", "guidance", "scheduler", "seed",
    "ranker", "fast_ranking", "threshold",
)  # fmt: skip
RANGES = ("width", "height", "steps", "guidance")
LABELS = {"width": "Width, pixels", "height": "Height, pixels", "steps": "Steps", "guidance": "Guidance"}
THRESHOLD_INFO = "Marks pictures that score below it"
INFOS = {"guidance": "How closely to follow the prompt"}


class Controls:
    """All controls of one room; `parts` maps the name of a request's field to its component."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.parts: dict[str, Any] = {}

    @property
    def inputs(self) -> list[Any]:
        """The components in the order of FIELDS."""
        return [self.parts[name] for name in FIELDS]

    @property
    def first(self) -> ModelSpec:
        """The model that stands chosen when the page opens."""
        return self._services.catalog.default("text_to_image")

    def request(self, values: Sequence[Any]) -> TextToImageRequest:
        """The request that these values of `inputs` ask for. Raises BadRequest when one is not allowed."""
        from pipelines.text_to_image import TextToImageRequest

        named = dict(zip(FIELDS, values, strict=True))
        catalog = self._services.catalog
        # A control that this model does not have stands invisible on the page with a value that means nothing.
        unused = {name: None for name in RANGES if name not in catalog.get(named["model"]).controls}
        whole = {name: int(named[name]) for name in ("width", "height", "steps") if _is_whole(named[name])}
        # A text box that was never opened on the page sends nothing at all.
        words = {name: named[name] or "" for name in ("prompt", "negative")}
        if "guidance" not in catalog.get(named["model"]).controls:
            words["negative"] = ""
        typed = {
            "seed": typed_number(named["seed"], "seed", int),
            "threshold": typed_number(named["threshold"], "threshold", float),
        }
        return TextToImageRequest(**{**named, **words, **whole, **unused, **typed}).resolve(catalog)

    def build_prompt(self) -> None:
        """The prompt box."""
        self.parts["prompt"] = gr.Textbox(
            label="Prompt",
            placeholder="a smiling cat in 3D style",
            lines=2,
            max_lines=5,
            autofocus=True,
            elem_classes="atelier-prompt",
        )

    def build_model(self) -> None:
        """The model."""
        spec = self.first
        self.parts["model"] = gr.Dropdown(
            choices(self._services.catalog, "text_to_image"), value=spec.name, label="Model", filterable=False
        )

    def build_seed(self) -> tuple[gr.Button, gr.Button]:
        """Number of candidates, and seed with its dice and its recycle button, which are returned."""
        self.parts["candidates"] = gr.Slider(1, 16, value=8, step=1, label="Candidates")
        with gr.Row(elem_classes="atelier-seed"):
            # Words and not a number box: browsers would round seeds above 2**53.
            self.parts["seed"] = gr.Textbox(label="Seed", placeholder="random", max_lines=1, min_width=120)
            dice = gr.Button("🎲", size="sm", min_width=44, elem_classes=["atelier-icon", "atelier-dice"])
            again = gr.Button("♻", size="sm", min_width=44, elem_classes=["atelier-icon", "atelier-again"])
        return dice, again

    def build_more(self) -> None:
        """Everything else, inside an accordion."""
        spec = self.first
        self.parts["negative"] = gr.Textbox(
            label="Negative prompt", info="What should not be there", lines=1, visible="guidance" in spec.controls
        )
        for name in RANGES:
            self.parts[name] = gr.Slider(label=LABELS[name], info=INFOS.get(name), **_range(spec, name))
        self.parts["scheduler"] = gr.Dropdown(label="Scheduler", filterable=False, **_schedulers(spec))
        ranker = self._services.catalog.default("ranker")
        self.parts["ranker"] = gr.Dropdown(
            choices(self._services.catalog, "ranker"), value=ranker.name, label="Ranked by", filterable=False
        )
        self.parts["fast_ranking"] = gr.Checkbox(
            True,
            label="Fast ranking",
            info="From 4 candidates on, finishes only the most promising ones",
            visible=_has_steps(spec),
        )
        self.parts["threshold"] = gr.Textbox(
            label="Threshold, cosine", placeholder="none", max_lines=1, info=THRESHOLD_INFO
        )

    def for_model(self, name: str) -> dict[Any, Any]:
        """Updates that give every control the limits and defaults of model `name`."""
        spec = self._services.catalog.get(name)
        updates = {self.parts[control]: gr.Slider(**_range(spec, control)) for control in RANGES}
        updates[self.parts["scheduler"]] = gr.Dropdown(**_schedulers(spec))
        updates[self.parts["negative"]] = gr.Textbox(visible="guidance" in spec.controls)
        updates[self.parts["fast_ranking"]] = gr.Checkbox(visible=_has_steps(spec))
        return updates

    def restored(self, settings: Mapping[str, Any]) -> dict[Any, Any]:
        """Updates that set the controls to `settings` of a recipe, after which the model's limits still hold.

        A value that no longer fits its control (another version, another hand) leaves that control at its default.
        """
        updates: dict[Any, Any] = {}
        catalog = self._services.catalog
        spec = next((spec for spec in catalog.all("text_to_image") if spec.name == settings.get("model")), None)
        if spec is not None:
            updates = {**self.for_model(spec.name), self.parts["model"]: spec.name}
            for name in RANGES:
                limits = spec.controls.get(name)
                if isinstance(limits, Range) and _inside(settings.get(name), limits):
                    updates[self.parts[name]] = gr.Slider(**{**_range(spec, name), "value": settings[name]})
            if settings.get("scheduler") in spec.controls.get("schedulers", ()):
                updates[self.parts["scheduler"]] = gr.Dropdown(**{**_schedulers(spec), "value": settings["scheduler"]})
        if settings.get("ranker") in {spec.name for spec in catalog.all("ranker")}:
            updates[self.parts["ranker"]] = settings["ranker"]
        for name, allowed in _PLAIN.items():
            if name in settings and allowed(settings[name]):
                updates[self.parts[name]] = (
                    _as_typed(settings[name]) if name in ("seed", "threshold") else settings[name]
                )
        if spec is not None and isinstance(settings.get("negative"), str):
            updates[self.parts["negative"]] = gr.Textbox(settings["negative"], visible="guidance" in spec.controls)
        if spec is not None and isinstance(settings.get("fast_ranking"), bool):
            updates[self.parts["fast_ranking"]] = gr.Checkbox(settings["fast_ranking"], visible=_has_steps(spec))
        return updates


def _as_typed(value: float | None) -> str:
    return "" if value is None else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _inside(value: Any, limits: Range) -> bool:
    return _is_number(value) and limits.minimum <= value <= limits.maximum


_PLAIN = {
    "prompt": lambda value: isinstance(value, str),
    "negative": lambda value: isinstance(value, str),
    "candidates": lambda value: type(value) is int and 1 <= value <= 16,
    "seed": lambda value: value in (None, "") or (type(value) is int and value >= 0),
    "fast_ranking": lambda value: isinstance(value, bool),
    "threshold": lambda value: value is None or _is_number(value),
}


def _range(spec: ModelSpec, name: str) -> dict[str, Any]:
    """Slider settings for a control of `spec`; a control that leaves no choice, or is not there, is not shown."""
    limits = spec.controls.get(name)
    if not isinstance(limits, Range):
        return {"minimum": 0, "maximum": 1, "step": 1, "value": 0, "visible": False}
    has_choice = limits.minimum < limits.maximum
    return {
        "minimum": limits.minimum,
        "maximum": limits.maximum if has_choice else limits.minimum + limits.step,
        "step": limits.step,
        "value": limits.default,
        "visible": has_choice,
    }


def _has_steps(spec: ModelSpec) -> bool:
    """Whether there can be more than one step, so that candidates can be given up between two."""
    steps = spec.controls.get("steps")
    return isinstance(steps, Range) and steps.maximum > 1


def _schedulers(spec: ModelSpec) -> dict[str, Any]:
    names = list(spec.controls.get("schedulers", ()))
    return {"choices": names, "value": spec.default_scheduler or None, "visible": len(names) > 1}

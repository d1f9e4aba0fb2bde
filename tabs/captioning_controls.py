"""The controls of the captioning room: who captions, and how words are chosen. Limits come from `LIMITS` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from models.families.caption_contract import DETAILS, LIMITS, METHODS, TOKENS
from pipelines.captioning.request import MAX_CAPTIONERS
from tabs.captioning_request import has_detail, make_request, means
from tabs.widgets import choices

if TYPE_CHECKING:
    from models.catalog import Catalog
    from pipelines.captioning.request import CaptionRequest
    from pipelines.services import Services

SLIDERS = {
    "beams": ("Beams", "Captions followed at the same time"),
    "groups": ("Groups of beams", "Of equal size; each looks for something else"),
    "diversity": ("Diversity", "What a word costs that another group chose"),
    "length_penalty": ("Length penalty", "Above 1 favours long captions, below 1 short ones"),
    "temperature": ("Temperature", "Above 1 is bolder, below 1 safer"),
    "top_p": ("Top-p", "Only the likeliest words of this share in all; 1 is off"),
    "top_k": ("Top-k", "Only so many of the likeliest words; 0 is off"),
    "min_p": ("Min-p", "Least probability, as a share of the likeliest word's; 0 is off"),
    "max_tokens": ("Most tokens", "Pieces of words in a caption"),
    "repetition_penalty": ("Repetition penalty", "Above 1 makes words rarer that were used already"),
    "no_repeat": ("No repeated runs of", "Tokens in a row that never come twice; 0 is off"),
}
METHOD_TITLES = {"beam": "Beam search", "diverse": "Diverse beams", "sample": "Sampling", "greedy": "Likeliest word"}
DETAIL_TITLES = {"caption": "A sentence", "detailed": "In detail", "more": "A paragraph"}
FIELDS = (
    "captioners", "method", "count", "detail", *SLIDERS, "seed", "required", "opening", "ranker", "blend",
)  # fmt: skip
ROOM_COUNT = 3  # captions of a picture unless told otherwise: with one alone nothing is there to agree with


class Controls:
    """All controls of the room; `parts` maps the name of a setting to its component."""

    def __init__(self, services: Services) -> None:
        self._catalog: Catalog = services.catalog
        self.parts: dict[str, Any] = {}

    @property
    def inputs(self) -> list[Any]:
        """The components in the order of FIELDS."""
        return [self.parts[name] for name in FIELDS]

    @property
    def first(self) -> list[str]:
        """The captioners that stand chosen when the page opens: none where the catalog has none."""
        try:
            return [self._catalog.default("captioner").name]
        except BadRequest:
            return []

    def build_who(self) -> None:
        """Captioners."""
        self.parts["captioners"] = gr.Dropdown(
            choices(self._catalog, "captioner"),
            value=self.first,
            multiselect=True,
            max_choices=MAX_CAPTIONERS,
            label="Captioners",
            info=f"Up to {MAX_CAPTIONERS}, side by side",
        )

    def build_how(self) -> tuple[gr.Button, gr.Button]:
        """Method, count and seed; returns the seed's dice and its recycle button."""
        parts = self.parts
        titles = [(METHOD_TITLES[name], name) for name in METHODS]
        parts["method"] = gr.Dropdown(titles, value="beam", label="How words are chosen", filterable=False)
        parts["count"] = gr.Slider(label="Captions of each picture", **{**_limits("count"), "value": ROOM_COUNT})
        with gr.Row(elem_classes="atelier-seed", visible=False) as self.seed_row:
            # Words and not a number box: empty means another one each time.
            parts["seed"] = gr.Textbox(label="Seed", placeholder="random", max_lines=1, min_width=120)
            dice = gr.Button("🎲", size="sm", min_width=44, elem_classes=["atelier-icon", "atelier-dice"])
            again = gr.Button("♻", size="sm", min_width=44, elem_classes=["atelier-icon", "atelier-again"])
        parts["detail"] = gr.Radio(
            [(DETAIL_TITLES[name], name) for name in DETAILS],
            value="caption",
            label="How much to say",
            visible=has_detail(self._catalog, self.first),
        )
        return dice, again

    def build_words(self) -> None:
        """Words that captions are to have."""
        self.parts["opening"] = gr.Textbox(label="Opening words", placeholder="a photo of", max_lines=1)
        self.parts["required"] = gr.Textbox(
            label="Words that must occur", info="Separated by commas", placeholder="red, car", max_lines=1
        )

    def build_more(self) -> None:
        """Everything else."""
        parts = self.parts
        for name, (label, info) in SLIDERS.items():
            parts[name] = gr.Slider(label=label, info=info, visible=means(name, "beam"), **_limits(name))
        rankers = choices(self._catalog, "ranker")
        ranker = self._catalog.default("ranker").name if rankers else None
        parts["ranker"] = gr.Dropdown(rankers, value=ranker, label="CLIPScore by", filterable=False)
        parts["blend"] = gr.Slider(
            0, 1, value=0.5, step=0.05, label="CLIPScore in the consensus",
            info="0 picks what most captions say, 1 what looks most like the picture",
        )  # fmt: skip

    def for_method(self, method: str, beams: float, groups: float) -> dict[Any, Any]:
        """Updates that show what means something to `method`; beams and groups that do not fit it get some that do."""
        updates = {self.parts[name]: gr.Slider(visible=means(name, method)) for name in (*SLIDERS, "count")}
        updates[self.parts["required"]] = gr.Textbox(visible=means("required", method))
        updates[self.seed_row] = gr.Row(visible=means("seed", method))
        if method == "diverse" and (groups < 2 or beams % groups):
            updates[self.parts["beams"]] = gr.Slider(value=6, visible=True)
            updates[self.parts["groups"]] = gr.Slider(value=3, visible=True)
        return updates

    def for_captioners(self, names: Sequence[str], detail: str, tokens: float) -> dict[Any, Any]:
        """Updates that show how much to say where one of them can say more or less, and else set it back, with the
        length that belongs to it."""
        if has_detail(self._catalog, names):
            return {self.parts["detail"]: gr.Radio(visible=True)}
        updates = {self.parts["detail"]: gr.Radio(value="caption", visible=False)}
        return {**updates, **self.for_detail("caption")} if tokens == TOKENS.get(detail) else updates

    def for_detail(self, detail: str) -> dict[Any, Any]:
        """The update that makes captions as long as what is to be said needs."""
        return {self.parts["max_tokens"]: gr.Slider(value=TOKENS[detail])}

    def request(self, paths: Sequence[str], values: Sequence[Any]) -> CaptionRequest:
        """What these values of `inputs` ask for. Raises BadRequest for a value that is not allowed."""
        return make_request(self._catalog, paths, dict(zip(FIELDS, values, strict=True)))

    def restored(self, settings: Mapping[str, Any]) -> dict[Any, Any]:
        """Updates that set the controls as a browser left them; a value that no longer fits is passed over."""
        known = {spec.name for spec in self._catalog.all("captioner")}
        kept = {name: settings[name] for name in FIELDS if name in settings and _fits(name, settings[name])}
        names = [name for name in kept.pop("captioners", ()) if name in known][:MAX_CAPTIONERS]
        if kept.get("ranker") not in {spec.name for spec in self._catalog.all("ranker")}:
            kept.pop("ranker", None)
        method = kept.get("method", "beam")
        shown = self.for_method(method, kept.get("beams", 5), kept.get("groups", 1)) if kept else {}
        updates = {**shown, **{self.parts[name]: value for name, value in kept.items()}}
        for name in (*SLIDERS, "count", "required"):  # a plain value would take the visibility away again
            if name in kept:
                kind = gr.Textbox if name == "required" else gr.Slider
                updates[self.parts[name]] = kind(value=kept[name], visible=means(name, method))
        if names:
            updates[self.parts["captioners"]] = names
            updates[self.parts["detail"]] = gr.Radio(
                value=kept.get("detail", "caption"), visible=has_detail(self._catalog, names)
            )
        return updates


def _limits(name: str) -> dict[str, float]:
    limits = LIMITS[name]
    return {"minimum": limits.minimum, "maximum": limits.maximum, "step": limits.step, "value": limits.default}


def _fits(name: str, value: Any) -> bool:
    if name == "captioners":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name in ("method", "detail"):
        return value in (METHODS if name == "method" else DETAILS)
    if name == "blend" or (name in LIMITS and name != "seed"):
        low, high = (0, 1) if name == "blend" else (LIMITS[name].minimum, LIMITS[name].maximum)
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    return isinstance(value, str)

"""The controls of the view "Picture(s)": by which methods prompts are found, and from which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.image_to_prompt.interrogator import MODES
from pipelines.image_to_prompt.lists import BUILT_IN, built_in
from pipelines.image_to_prompt.request import MAX_CAPTIONERS, METHODS
from tabs.image_to_prompt_owned import check_owned
from tabs.image_to_prompt_request import FIELDS, make_request
from tabs.widgets import choices

if TYPE_CHECKING:
    from models.catalog import Catalog
    from pipelines.image_to_prompt.request import ImageToPromptRequest
    from pipelines.services import Services

METHOD_TITLES = {
    "metadata": "Exact prompt",
    "interrogator": "Interrogator",
    "caption": "Captioners",
    "nearest": "Nearest prompts",
    "zero_image": "Zero-image head",
    "regression": "Regression head",
    "ensemble": "Ensemble",
}
MODE_TITLES = {
    "best": ("Best", "Grows phrase by phrase while each brings it nearer"),
    "fast": ("Fast", "A beginning and the phrases nearest to the picture"),
    "classic": ("Classic", "A beginning and the best of each list"),
    "negative": ("Negative", "What fits the picture least, as a negative prompt"),
    "analyse": ("Analyse", "The five best phrases of each list"),
}
NUMBER_BOXES = {
    "budget": ("Token budget", "At most so many tokens; empty for all that the ranker reads"),
    "most": ("Phrases at most", "1 to 64; empty for what suits the ranker"),
    "least": ("Phrases at least", "0 to 64; the best prompt on the way is kept"),
    "pool": ("Candidates", "Phrases compared at each step; empty for what suits the ranker"),
}


class Controls:
    """All controls of the view; `parts` maps the name of a setting to its component, `groups` are shown with a method.

    `files` and `prompts` are the uploads: lists of phrases, and prompts for “nearest”.
    """

    def __init__(self, services: Services) -> None:
        self._catalog: Catalog = services.catalog
        self.parts: dict[str, Any] = {}
        self.groups: dict[str, Any] = {}
        self.files: gr.File
        self.prompts: gr.File

    @property
    def inputs(self) -> list[Any]:
        """The components in the order of FIELDS."""
        return [self.parts[name] for name in FIELDS]

    @property
    def shown(self) -> list[Any]:
        """What `for_methods` shows and hides."""
        return [*self.groups.values(), self.parts["mode"]]

    def build_methods(self) -> None:
        """Which methods, and the interrogator's mode."""
        self.parts["methods"] = gr.CheckboxGroup(
            [(METHOD_TITLES[name], name) for name in METHODS],
            value=["interrogator"],
            label="Methods",
            elem_classes="atelier-prompt-methods",
        )
        self.parts["mode"] = gr.Dropdown(
            [(MODE_TITLES[name][0], name) for name in MODES],
            value="best",
            label="Mode of the interrogator",
            info=MODE_TITLES["best"][1],
            filterable=False,
        )

    def build_captioners(self) -> None:
        """Who writes beginnings and captions."""
        self.parts["captioners"] = gr.Dropdown(
            choices(self._catalog, "captioner"),
            value=[],
            multiselect=True,
            max_choices=MAX_CAPTIONERS,
            label="Captioners",
            info=f"Up to {MAX_CAPTIONERS}; the first begins the interrogator's prompt if no phrase is nearer",
        )

    def build_phrases(self) -> None:
        """From which words."""
        self.parts["start"] = gr.Textbox(label="Begin with", placeholder="a portrait of a fox", max_lines=2)
        lists = [built_in(name) for name in BUILT_IN]
        self.parts["lists"] = gr.CheckboxGroup(
            [(f"{each.name} ({len(each)})", each.name) for each in lists],
            value=list(BUILT_IN),
            label="Lists that come with the app",
            elem_classes="atelier-prompt-lists",
        )
        self.files = gr.File(
            label="Lists of your own",
            show_label=False,
            file_count="multiple",
            type="filepath",
            height=84,
            elem_classes="atelier-uploads atelier-prompt-files",
        )
        self.parts["list_paths"] = gr.Textbox(
            label="Lists on this machine",
            info="Paths of files or folders, one a line, such as the data folder of clip-interrogator",
            placeholder="/home/me/clip_interrogator/data",
            max_lines=4,
            visible=not self._catalog.settings.public,
        )
        self.parts["artists"] = gr.Checkbox(False, label="Allow phrases that name artists")

    def build_more(self) -> None:
        """Everything else."""
        parts = self.parts
        rankers = choices(self._catalog, "ranker")
        first = self._catalog.default("ranker").name if rankers else None
        parts["ranker"] = gr.Dropdown(rankers, value=first, label="CLIP", filterable=False)
        for name, (label, info) in NUMBER_BOXES.items():
            parts[name] = gr.Textbox(label=label, info=info, placeholder="as it suits", max_lines=1)
        parts["attribute"] = gr.Checkbox(True, label="Leave each phrase out once, to see what it is worth")
        parts["count"] = gr.Slider(1, 10, value=1, step=1, label="Captions of each captioner", info="Best first")

    def for_methods(self, methods: Sequence[str]) -> dict[Any, Any]:
        """Updates that show what means something to these methods."""
        updates = {group: gr.Column(visible=name in methods) for name, group in self.groups.items()}
        return {**updates, self.parts["mode"]: gr.Dropdown(visible="interrogator" in methods)}

    def request(
        self, paths: Sequence[str], files: Sequence[str] | None, prompts: str | None, values: Sequence[Any], owner: str
    ) -> ImageToPromptRequest:
        """What these values of `inputs` ask for. Raises BadRequest for a value that is not allowed."""
        named = dict(zip(FIELDS, values, strict=True))
        check_owned(self._catalog.settings, owner, named.get("index"), named.get("head"))
        return make_request(self._catalog, paths, named, files, prompts)

    def restored(self, settings: Mapping[str, Any]) -> dict[Any, Any]:
        """Updates that set the controls as a browser left them; a value that no longer fits is passed over."""
        allowed = {
            "methods": METHODS,
            "mode": MODES,
            "lists": BUILT_IN,
            "captioners": [spec.name for spec in self._catalog.all("captioner")],
            "ranker": [spec.name for spec in self._catalog.all("ranker")],
        }
        kept: dict[str, Any] = {}
        for name in FIELDS:
            value = settings.get(name)
            if name in allowed:
                several = isinstance(value, list)
                fits = bool(value) and all(each in allowed[name] for each in (value if several else [value]))
            elif name in ("artists", "attribute"):
                fits = isinstance(value, bool)
            elif name in ("count", "neighbours"):
                fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= 1
            else:
                fits = isinstance(value, str) and name not in ("index", "column", "head")  # may be gone
            if fits:
                kept[name] = value
        updates = {self.parts[name]: value for name, value in kept.items() if name != "mode"}
        if "methods" in kept:
            updates |= self.for_methods(kept["methods"])
        if "mode" in kept:
            is_there = "interrogator" in kept.get("methods", ["interrogator"])
            info = MODE_TITLES[kept["mode"]][1]
            updates[self.parts["mode"]] = gr.Dropdown(value=kept["mode"], info=info, visible=is_there)
        return updates

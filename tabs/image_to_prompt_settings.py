"""The settings beside the wall: what belongs to a method stands in a group that is shown with it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.image_index.card import index_names
from pipelines.image_to_prompt.ensemble import PRESETS
from pipelines.image_to_prompt.fit import ZERO_IMAGE
from pipelines.image_to_prompt.heads import FOLDER, names
from pipelines.image_to_prompt.lists import BUILT_IN, built_in, read_list
from safeguards.wording import file_name
from tabs import captioning_notes
from tabs.captioning_pictures import QUIET
from tabs.image_to_prompt_controls import MODE_TITLES, Controls
from tabs.image_to_prompt_owned import mine, shown_name
from tabs.image_to_prompt_request import lists_at, preset
from tabs.prompt_data_columns import column_box, uploaded_columns
from tabs.stage import notice
from tabs.widgets import guarded, known_browser, sentence

if TYPE_CHECKING:
    from tabs.rooms import App

NO_INDEX = "No index yet: build one under “Image index”, or drop a file of prompts here."


def build_settings(app: App, controls: Controls) -> None:
    """Lay out all settings and connect those that depend on each other."""
    controls.build_methods()
    with gr.Column(elem_classes="atelier-plain", visible=False) as controls.groups["nearest"]:
        _build_nearest(controls)
    with gr.Column(elem_classes="atelier-plain", visible=False) as controls.groups["regression"]:
        controls.parts["head"] = gr.Dropdown([], value=None, label="Head", info="Train one under “Train a head”")
    with gr.Column(elem_classes="atelier-plain", visible=False) as controls.groups["ensemble"]:
        controls.parts["weights"] = gr.Textbox(
            label="Weights of the ensemble",
            info="method = number, with commas between; empty weighs all evenly. “Compare” can fit them",
            placeholder="interrogator = 0.6, nearest = 0.4",
            max_lines=3,
        )
    controls.build_captioners()
    captioning_notes.build_notes(app, controls.parts["captioners"])
    presets = {name: gr.Button(f"Preset: {name}", size="sm", elem_classes="atelier-small-button") for name in PRESETS}
    with gr.Accordion("Words", open=False):
        controls.build_phrases()
        told = gr.HTML(visible=False)
        with gr.Accordion("Where the lists come from", open=False):
            gr.HTML(sources())
    with gr.Accordion("More settings", open=False):
        controls.build_more()
    _connect(app, controls, told, presets)


def _build_nearest(controls: Controls) -> None:
    controls.parts["index"] = gr.Dropdown([], value=None, label="Index to look in", info=NO_INDEX)
    controls.prompts = gr.File(
        label="File of prompts",
        show_label=False,
        file_types=[".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"],
        type="filepath",
        height=84,
        elem_classes="atelier-uploads atelier-prompt-prompts",
    )
    controls.parts["column"] = column_box("Column of prompts", "Of that file, where it is not found by its name", ())
    uploaded_columns(controls.parts["column"], controls.prompts)
    controls.parts["neighbours"] = gr.Slider(1, 100, value=20, step=1, label="Neighbours that count")


def sources() -> str:
    """The built-in lists with their sources and licences, as HTML."""
    lists = [built_in(name) for name in BUILT_IN]
    rows = "".join(
        f"<li><b>{escape(each.title)}</b> {escape(each.source)}. {escape(each.licence)}."
        f"{' ' + escape(each.note) if each.note else ''}</li>"
        for each in lists
    )
    return f'<ul class="prompt-sources">{rows}</ul>'


def read_files(files: list[str] | None, artists: bool) -> str:
    """What became of lists of one's own, as HTML; "" when there are none."""
    lines = []
    for path in files or ():
        try:
            each = read_list(path, artists)
        except Exception as error:
            lines.append(notice(sentence(error)))
            continue
        lines.append(notice(f"{file_name(path)}: {len(each):,} phrases.", "plain", each.sentence()))
    return "".join(lines)


def index_choices(app: App, owner: str) -> list[tuple[str, str]]:
    """The indexes that this visitor may look in, as (name shown, name)."""
    settings = app.services.settings
    return [(shown_name(settings, name), name) for name in index_names(settings) if mine(settings, owner, name)]


def head_choices(app: App, owner: str, ranker: str) -> list[tuple[str, str]]:
    """The regression heads for a ranker that this visitor may use, as (name shown, name)."""
    settings = app.services.settings
    found = names(settings.output / FOLDER / ranker) if ranker else ()
    return [(shown_name(settings, name), name) for name in found if name != ZERO_IMAGE and mine(settings, owner, name)]


def _connect(app: App, controls: Controls, told: gr.HTML, presets: dict[str, gr.Button]) -> None:
    parts = controls.parts

    def offered(memory: Any, ranker: str, index: str | None, head: str | None) -> dict[Any, Any]:
        """The indexes and heads there are by now."""
        owner = known_browser(memory)["owner"]
        indexes, heads = index_choices(app, owner), head_choices(app, owner, ranker)
        return {
            parts["index"]: _dropdown(indexes, index, f"{len(indexes)} to choose from" if indexes else NO_INDEX),
            parts["head"]: _dropdown(
                heads, head, "Trained under “Train a head”" if heads else "Train one first, below"
            ),
        }

    @guarded
    def on_files(files: list[str] | None, paths: str, artists: bool) -> dict[Any, Any]:
        try:
            more, said = lists_at(app.services.settings, paths, artists), ""
        except BadRequest as error:
            more, said = [], notice(sentence(error))
        said = read_files([*(files or ()), *more], artists) + said
        return {told: gr.HTML(said, visible=bool(said))}

    asked = [app.browser, parts["ranker"], parts["index"], parts["head"]]
    gr.on(
        [app.tab.select, app.views.select, parts["methods"].input, parts["ranker"].input],
        guarded(offered),
        asked,
        [parts["index"], parts["head"]],
        **QUIET,
    )
    parts["methods"].change(guarded(controls.for_methods), parts["methods"], controls.shown, **QUIET)
    parts["mode"].input(
        lambda mode: gr.Dropdown(info=MODE_TITLES.get(mode, ("", ""))[1]), parts["mode"], parts["mode"], **QUIET
    )
    paths = parts["list_paths"]
    looked = [controls.files.change, paths.submit, paths.blur, parts["artists"].input]
    gr.on(looked, on_files, [controls.files, paths, parts["artists"]], told, **QUIET)
    for name, button in presets.items():
        wanted = preset(name)
        button.click(_setter(wanted), None, [parts[each] for each in wanted], **QUIET)


def _setter(wanted: dict[str, Any]) -> Any:
    return lambda: list(wanted.values())


def _dropdown(found: list[tuple[str, str]], value: str | None, info: str) -> gr.Dropdown:
    kept = value if value in {name for _, name in found} else None
    return gr.Dropdown(found, value=kept or (found[0][1] if len(found) == 1 else None), info=info)

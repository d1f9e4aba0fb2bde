"""The room VQGAN+CLIP: optimise a picture towards words, watch it happen, steer it, and keep its film."""

from __future__ import annotations

import gradio as gr

from tabs import fetching, vqgan_clip_inputs, vqgan_clip_settings
from tabs.restore import build_restore
from tabs.rooms import App
from tabs.running import Runner
from tabs.vqgan_clip_api import build_api
from tabs.vqgan_clip_controls import MODES, Controls
from tabs.vqgan_clip_restore import restored
from tabs.vqgan_clip_results import Outcome
from tabs.vqgan_clip_stage import draw
from tabs.vqgan_clip_steering import Steering
from tabs.vqgan_clip_wiring import connect, submit

ROOM = "vqgan_clip"
TITLE = "VQGAN+CLIP"
HINT = (
    "Several wishes with weights: <code>a red heart:2 | oil painting | text:-0.5</code>, below 0 to avoid. "
    "A story: <code>a seed ^ a tree ^ a forest</code>."
)


def build(app: App) -> None:
    """Lay out the room and connect its controls."""
    controls = Controls(app.services)
    steering = Steering(controls)
    with gr.Column(elem_classes="atelier-room"):
        with gr.Row(elem_classes="atelier-desk"):
            with gr.Column(scale=5, min_width=240):
                build_desk(controls)
            with gr.Column(scale=1, min_width=150, elem_classes="atelier-go atelier-go-several"):
                run = gr.Button("Paint", variant="primary", size="lg", elem_classes="atelier-run")
                stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_classes="atelier-stop")
                steering.build_buttons()
        line = gr.HTML(elem_classes="atelier-forecast")
        with gr.Row(elem_classes="atelier-floor"):
            with gr.Column(scale=3, min_width=320):
                with gr.Accordion("Start", open=True, elem_classes="atelier-inputs") as controls.groups["inputs"]:
                    looking = build_inputs(controls)
                stage = gr.HTML(visible=False)
                steering.build_panel()
                outcome = Outcome(app, ROOM)
            with gr.Column(scale=1, min_width=280, elem_classes="atelier-settings"):
                dice, again = build_settings(app, controls)
                build_restore(lambda path: restored(path, controls), controls.outputs, "atelier-drop atelier-drop-any")
    runner = Runner(app, ROOM, run, stop, stage, outcome, draw, steering)
    steering.connect(runner)
    connect(app, controls, runner, outcome, line, (dice, again, *looking))
    build_api(app, controls, submit)


def build_desk(controls: Controls) -> None:
    """What to make, and the prompts."""
    controls.parts["mode"] = gr.Radio(
        [(title, name) for name, title in MODES.items()],
        value="picture",
        label="What to make",
        show_label=False,
        container=False,
        elem_classes="atelier-modes",
    )
    with gr.Column(elem_classes="atelier-plain") as controls.groups["asking"]:
        controls.parts["prompts"] = gr.Textbox(
            label="Prompts", placeholder="a red heart", lines=2, max_lines=6, elem_classes="atelier-prompt"
        )
        gr.HTML(f'<p class="model-note">{HINT}</p>')


def build_inputs(controls: Controls) -> tuple[gr.Button, gr.Button, gr.Video]:
    """What a run starts from, for every mode; returns what `build_camera` does."""
    looking = vqgan_clip_inputs.build_camera(controls)
    vqgan_clip_inputs.build_restyle(controls)
    vqgan_clip_inputs.build_between(controls)
    vqgan_clip_inputs.build_start(controls)
    return looking


def build_settings(app: App, controls: Controls) -> tuple[gr.Button, gr.Button]:
    """The settings beside the wall; returns dice and recycle."""
    vqgan_clip_settings.build_model(controls)
    fetching.build_note(app, controls.parts["model"])
    with gr.Column(elem_classes="atelier-plain") as controls.groups["judging"]:
        vqgan_clip_settings.build_clips(controls)
    buttons = vqgan_clip_settings.build_size(controls)
    with gr.Accordion("Film", open=False):
        vqgan_clip_settings.build_film(controls)
    drawers = {
        "Cut-outs": vqgan_clip_settings.build_cuts,
        "Optimiser": vqgan_clip_settings.build_optimiser,
        "Pictures and noise as prompts": vqgan_clip_settings.build_more_prompts,
    }
    with gr.Column(elem_classes="atelier-plain") as controls.groups["drawers"]:
        for title, build_drawer in drawers.items():
            with gr.Accordion(title, open=False):
                build_drawer(controls)
    return buttons

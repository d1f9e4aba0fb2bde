"""What a run starts from and how a film goes: start, painting, camera table, video, pictures to go between."""

from __future__ import annotations

import gradio as gr

from pipelines.vqgan_clip import interpolate, ranges
from pipelines.vqgan_clip.flight import MAX_BETWEEN, FlightRequest
from pipelines.vqgan_clip.restyle_request import RestyleRequest
from pipelines.vqgan_clip.view import FILLS
from tabs import vqgan_clip_painting as painting
from tabs.vqgan_clip_controls import Controls
from tabs.widgets import choices

STARTS = [
    ("Draft by text → image", "draft"),
    ("Spot of colour", "spot"),
    ("Random codes", "noise"),
    ("Perlin clouds", "perlin"),
    ("Gradient", "gradient"),
    ("One colour", "flat"),
    ("A picture", "image"),
    ("A checkpoint", "checkpoint"),
]
CAMERA = ["frame", "zoom", "pan x, %", "pan y, %", "rotate, °"]
PATH = [[0, 1.02, 0, 0, 0]]


def build_start(controls: Controls) -> None:
    """Where the canvas begins, and what is painted on it."""
    parts, groups, usual = controls.parts, controls.groups, ranges.defaults(controls.first)
    with gr.Column(elem_classes="atelier-plain") as groups["starting"]:
        with gr.Row(elem_classes="atelier-fields"):
            parts["start"] = gr.Dropdown(STARTS, value=usual["start"], label="Start", filterable=False, min_width=200)
            weight = usual["start_weight"]
            parts["start_weight"] = gr.Number(weight, label="Pull back to the start, 0 to 1000", min_width=150)
            parts["start_decay"] = _slider(0, 1, 0.05, 0, "Share of the pull lost by the end")
        with gr.Column(visible=usual["start"] == "draft", elem_classes="atelier-plain") as groups["start draft"]:
            models = [("The usual one", ""), *choices(controls.services.catalog, "text_to_image")]
            parts["draft_model"] = gr.Dropdown(models, value="", label="Drafts by", filterable=False)
        with gr.Column(visible=False, elem_classes="atelier-plain") as groups["start image"]:
            parts["start_image"] = gr.Image(
                label="Start picture",
                type="filepath",
                format="png",
                sources=["upload", "clipboard"],
                image_mode=None,
                height=220,
                buttons=[],
                elem_classes="atelier-start",
            )
        with gr.Column(visible=False, elem_classes="atelier-plain") as groups["start checkpoint"]:
            parts["checkpoint"] = gr.File(
                label="Checkpoint of a run (.safetensors)", file_types=[".safetensors"], type="filepath", height=110
            )
    with gr.Column(elem_classes="atelier-plain") as groups["painting"]:
        painting.build(controls)


def build_camera(controls: Controls) -> tuple[gr.Button, gr.Button, gr.Video]:
    """The camera's table and how its frames are painted.

    Returns the buttons for one more row and for showing the way at once, and where that is shown.
    """
    parts = controls.parts
    with gr.Column(visible=False, elem_classes="atelier-plain") as controls.groups["flight"]:
        parts["flight.camera"] = gr.Dataframe(
            PATH,
            headers=CAMERA,
            datatype="number",
            type="array",
            column_count=5,
            interactive=True,
            label="Camera: how it moves from each frame to the next, changing evenly between the rows",
            buttons=[],
            elem_classes="atelier-camera",
        )
        with gr.Row(elem_classes="atelier-actions"):
            row = gr.Button("One more row", size="sm")
            look = gr.Button("Show the camera's way", size="sm")
        way = gr.Video(
            visible=False, interactive=False, autoplay=True, loop=True, show_label=False, buttons=[], height=220
        )
        with gr.Row(elem_classes="atelier-fields"):
            parts["flight.frames"] = _number(FlightRequest.frames, "Frames")
            parts["flight.first_steps"] = _number(FlightRequest.first_steps, "First steps")
            parts["flight.steps_per_frame"] = _number(FlightRequest.steps_per_frame, "Steps per frame")
            parts["flight.between"] = _slider(0, MAX_BETWEEN, 1, 0, "Warped frames between")
            parts["flight.keep"] = _slider(0, 1, 0.05, FlightRequest.keep, "Latent kept, not encoded anew")
            parts["flight.fill"] = gr.Dropdown(
                list(FILLS), value=FILLS[0], label="What comes into view", filterable=False, min_width=150
            )
    return row, look, way


def build_restyle(controls: Controls) -> None:
    """The video and how closely it is followed."""
    parts, usual = controls.parts, RestyleRequest
    with gr.Column(visible=False, elem_classes="atelier-plain") as controls.groups["restyle"]:
        parts["restyle.video"] = gr.Video(label="Video", sources=["upload"], include_audio=True, height=240, buttons=[])
        with gr.Row(elem_classes="atelier-fields"):
            parts["restyle.start"] = gr.Number(0, label="From second", min_width=150)
            parts["restyle.seconds"] = gr.Textbox("", label="Seconds", placeholder="all", max_lines=1, min_width=150)
            parts["restyle.first_steps"] = _number(usual.first_steps, "Steps at each scene")
            parts["restyle.steps_per_frame"] = _number(usual.steps_per_frame, "Steps per frame")
            parts["restyle.pull"] = gr.Number(usual.pull, label="Pull to the video, 0 to 100", min_width=150)
            parts["restyle.follow"] = _slider(0, 1, 0.05, usual.follow, "Share taken from each frame")
            parts["restyle.window"] = _slider(1, 15, 2, usual.window, "Smoothed frames, 1: none")
            parts["restyle.fall"] = _slider(0, 1, 0.05, usual.fall, "Fall of neighbours' weights")
            parts["restyle.cut"] = _slider(0, 1, 0.01, usual.cut, "Change of a scene cut, 0: none")
        parts["restyle.sound"] = gr.Checkbox(True, label="Keep the sound")
        parts["restyle.shape"] = gr.Checkbox(True, label="In the shape of the video, instead of width and height")


def build_between(controls: Controls) -> None:
    """The pictures to go between."""
    parts, usual = controls.parts, interpolate.InterpolateRequest
    with gr.Column(visible=False, elem_classes="atelier-plain") as controls.groups["between"]:
        parts["between.pictures"] = gr.File(
            label="Two or more pictures or checkpoints, in their order (drag to change it)",
            file_count="multiple",
            file_types=["image", ".safetensors"],
            type="filepath",
            allow_reordering=True,
            height=180,
        )
        with gr.Row(elem_classes="atelier-fields"):
            parts["between.frames"] = _number(usual.frames, "Frames from one to the next")
            parts["between.way"] = gr.Dropdown(
                [("Turn (slerp)", "slerp"), ("Mix (lerp)", "lerp")], value=usual.way, label="Way", min_width=150
            )
        parts["between.smooth"] = gr.Checkbox(usual.smooth, label="Slow down at each picture")
        parts["between.quantise"] = gr.Checkbox(usual.quantise, label="Only codes of the model: small jumps, no flow")
        parts["between.loop"] = gr.Checkbox(usual.loop, label="Back to the first picture at the end")


def _slider(least: float, most: float, step: float, value: float, label: str) -> gr.Slider:
    return gr.Slider(least, most, value=value, step=step, label=label, min_width=150, buttons=[])


def _number(value: float, label: str) -> gr.Number:
    return gr.Number(value, label=label, precision=0, min_width=150)

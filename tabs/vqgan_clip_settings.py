"""The settings beside the wall: models, size, seed, and in drawers how cuts are taken and how is optimised."""

from __future__ import annotations

import gradio as gr

from pipelines.vqgan_clip import ranges
from pipelines.vqgan_clip.optimisers import OPTIMISERS
from pipelines.vqgan_clip.presets import PRESETS
from pipelines.vqgan_clip.request import MAX_CLIPS, MAX_RUNS, NO_JUDGE, VqganClipRequest
from tabs.vqgan_clip_controls import SIZES, Controls, rankers, size_limits
from tabs.widgets import choices


def build_model(controls: Controls) -> None:
    """The VQGAN."""
    offered = choices(controls.services.catalog, "vqgan")
    controls.parts["model"] = gr.Dropdown(offered, value=controls.first.name, label="VQGAN", filterable=False)


def build_clips(controls: Controls) -> None:
    """CLIPs and judge."""
    parts = controls.parts
    offered, first = rankers(controls.services)
    parts["clips"] = gr.Dropdown(
        offered,
        value=[first],
        multiselect=True,
        max_choices=MAX_CLIPS,
        label="CLIPs to please",
        info="Several at once give sturdier pictures and take longer",
    )
    judges = [("The first that is not optimised", ""), *offered, ("Nobody", NO_JUDGE)]
    parts["judge"] = gr.Dropdown(judges, value="", label="Judge", info="Scores the result without having made it")


def build_size(controls: Controls) -> tuple[gr.Button, gr.Button]:
    """Size, steps, canvases, and the seed with its dice and its recycle button, which are returned."""
    parts, spec = controls.parts, controls.first
    for side, label in SIZES.items():
        parts[side] = gr.Slider(**size_limits(spec, side), label=label)
    with gr.Column(elem_classes="atelier-plain") as controls.groups["several"]:
        parts["steps"] = gr.Slider(1, 2000, value=VqganClipRequest.steps, step=1, label="Steps")
        parts["runs"] = gr.Slider(
            1, MAX_RUNS, value=1, step=1, label="Canvases", info="Painted at once, judged at the end"
        )
        parts["refill"] = gr.Checkbox(True, label="Weak canvases make room for branches of strong ones, from 3 on")
    with gr.Row(elem_classes="atelier-seed"):
        parts["seed"] = gr.Textbox(label="Seed", placeholder="random", max_lines=1, min_width=120)
        dice = gr.Button("🎲", elem_classes="atelier-icon atelier-dice", size="sm")
        again = gr.Button("♻️", elem_classes="atelier-icon atelier-again", size="sm")
    return dice, again


def build_cuts(controls: Controls) -> None:
    """How CLIP looks at the canvas."""
    parts, usual = controls.parts, ranges.defaults(controls.first)
    parts["preset"] = gr.Dropdown(
        [(preset.title, name) for name, preset in PRESETS.items()],
        value=usual["preset"],
        label="Kind",
        filterable=False,
    )
    limits = {"minimum": ranges.MIN_CUTS, "maximum": ranges.MAX_CUTS, "step": 1}
    parts["cuts"] = gr.Slider(**limits, value=usual["cuts"], label="Cut-outs per step")
    parts["cuts_end"] = gr.Textbox("", label="Cut-outs at the end", placeholder="as many", max_lines=1)
    parts["cut_size"] = gr.Textbox("", label="Their size, pixels", placeholder="as the CLIP was made for", max_lines=1)
    parts["augment"] = _slider("augment", "Augmentation", 0.05)
    parts["noise"] = _slider("noise", "Noise on the cut-outs", 0.01)
    parts["normalise"] = gr.Checkbox(True, label="Normalise colours as the CLIP was trained")


def build_optimiser(controls: Controls) -> None:
    """How the latent moves."""
    parts, usual = controls.parts, ranges.defaults(controls.first)
    parts["optimiser"] = gr.Dropdown(list(OPTIMISERS), value=OPTIMISERS[0], label="Optimiser", filterable=False)
    parts["rate"] = gr.Number(usual["rate"], label="Learning rate", info="In units of the codebook, 0.0001 to 10")
    parts["coarse"] = _slider("coarse", "Coarse beginning, cells", 0.1, usual["coarse"], "Large shapes before detail")
    parts["ema"] = _slider("ema", "Averaging of the latent", 0.001, info="0 shows every step as it is")
    parts["tv"] = gr.Number(VqganClipRequest.tv, label="Smoothness", info="Weight of total variation, 0 to 100")
    parts["log"] = gr.Textbox(
        "", label="Changes on the way", placeholder="none", lines=1, max_lines=6,
        info='Made again at their steps: [{"step": 40, "rate": 0.2}]',
    )  # fmt: skip


def build_more_prompts(controls: Controls) -> None:
    """Prompts that are no words."""
    parts = controls.parts
    parts["image_prompts"] = gr.Gallery(
        label="Image prompts",
        show_label=False,
        type="filepath",
        file_types=["image"],
        format="png",
        columns=3,
        height="auto",
        object_fit="contain",
        allow_preview=False,
        interactive=True,
        buttons=[],
        elem_classes="atelier-uploads atelier-small",
    )
    parts["image_weights"] = gr.Textbox(
        "",
        label="Weights of the pictures",
        placeholder="1, 0.5, -0.3",
        info="One each; below 0 pushes away",
        max_lines=1,
    )
    parts["noise_prompts"] = gr.Textbox("", label="Noise prompts", placeholder="7:0.5 | 12:0.3", info="seed:weight")
    parts["fade"] = _slider(
        "fade", "Cross-fade of scenes (^)", 0.05, info="Share of a scene in which the next one comes"
    )


def build_film(controls: Controls) -> None:
    """Form of the films, and whether a picture's making is filmed."""
    parts = controls.parts
    with gr.Column(elem_classes="atelier-plain") as controls.groups["making_of"]:
        parts["film.making_of"] = gr.Checkbox(True, label="Film the making of a picture")
        parts["film.length"] = gr.Number(10, label="Its length, at most, seconds")
    parts["film.form"] = gr.Radio([("MP4", "mp4"), ("GIF", "gif"), ("WebP", "webp")], value="mp4", label="Film format")
    parts["film.fps"] = gr.Slider(1, 60, value=12, step=1, label="Frames a second")


def _slider(setting: str, label: str, step: float, value: float | None = None, info: str | None = None) -> gr.Slider:
    _, least, most = ranges.RANGES[setting]
    value = getattr(VqganClipRequest, setting) if value is None else value
    return gr.Slider(least, most, value=value, step=step, label=label, info=info)

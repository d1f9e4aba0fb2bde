"""Painting on the canvas: one colour for what shall stay, four for parts with words of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from safeguards.admit import admit

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from common.settings import Settings
    from tabs.vqgan_clip_controls import Controls

KEEP = ("violet", "#8e4ec6")
REGIONS = (("red", "#e5484d"), ("blue", "#0090ff"), ("green", "#30a46c"), ("yellow", "#ffc53d"))
STAYS = "What is painted violet stays as it is at the start."
OPAQUE = 64  # alpha of 255 from which on a pixel counts as painted; soft edges of a brush do not
SIDE = 256  # pixels of the editor's longer side; more makes browsers without a graphics card slow
MAX_PIXELS = 40_000_000


def build(controls: Controls) -> None:
    """Lay out the editor and the words of its colours."""
    parts = controls.parts
    with gr.Accordion("Paint what stays, or give parts their own words", open=False, elem_classes="atelier-drawer"):
        with gr.Row(elem_classes="atelier-fields"):
            for number, (name, _) in enumerate(REGIONS, 1):
                parts[f"region.{number}"] = gr.Textbox(
                    "",
                    label=f"What is painted {name}",
                    placeholder="nothing",
                    max_lines=2,
                    min_width=150,
                    elem_classes=f"atelier-colour colour-{name}",
                )
        with gr.Column(elem_classes="atelier-plain") as controls.groups["keeping"]:
            gr.HTML(f'<p class="model-note"><i class="dot" style="background:{KEEP[1]}"></i>{STAYS}</p>')
        parts["painting"] = gr.ImageEditor(
            label="Canvas",
            show_label=False,
            type="pil",
            image_mode="RGBA",
            format="png",
            sources=(),
            transforms=(),
            layers=False,
            brush=gr.Brush(
                default_size=28,
                colors=[(colour, 0.75) for _, colour in (KEEP, *REGIONS)],
                default_color=(REGIONS[0][1], 0.75),
                color_mode="fixed",
            ),
            eraser=gr.Eraser(default_size=28),
            canvas_size=(SIDE, SIDE),
            height=330,
            width=360,
            buttons=[],
            elem_classes="atelier-paint",
        )


def ground(settings: Settings, path: str | None, width: float, height: float) -> gr.ImageEditor:
    """The editor in the shape of the canvas: empty, or with what the canvas will show of the start picture at `path`.

    What was painted is gone. Raises BadRequest for a file that is no picture.
    """
    from PIL import Image, ImageOps

    scale = SIDE / max(width, height)
    size = (round(width * scale), round(height * scale))
    if path is None:
        return gr.ImageEditor(None, canvas_size=size)
    fitted = ImageOps.fit(admit(path, settings).image, size, Image.Resampling.LANCZOS)
    return gr.ImageEditor({"background": fitted, "layers": [], "composite": None}, canvas_size=size)


def masks(painted: Mapping[str, Any] | None, size: tuple[int, int]) -> tuple[Image | None, dict[int, Image]]:
    """What was painted, as masks of `size` (width, height) that are white inside: what stays, and parts by number.

    Raises BadRequest for a drawing too large.
    """
    import numpy as np
    from PIL import Image, ImageOps

    found: dict[int, Any] = {}
    for layer in (painted or {}).get("layers") or ():
        if layer.width * layer.height > MAX_PIXELS:
            raise BadRequest(f"The painted canvas has {layer.width:,} × {layer.height:,} pixels, which is too many.")
        for number, inside in _by_colour(np.asarray(layer.convert("RGBA"))).items():
            found[number] = found[number] | inside if number in found else inside
    fitted = {
        number: ImageOps.fit(Image.fromarray(inside.astype(np.uint8) * 255), size, Image.Resampling.BILINEAR)
        for number, inside in found.items()
    }
    seen = {number: mask for number, mask in fitted.items() if mask.getextrema()[1] >= 128}
    return seen.pop(0, None), seen


def _by_colour(pixels: np.ndarray) -> dict[int, np.ndarray]:
    """(H, W, 4) uint8 -> where each colour is the nearest one, (H, W) bool: 0 is what stays, then the regions."""
    import numpy as np

    painted = pixels[..., 3] >= OPAQUE
    if not painted.any():
        return {}
    palette = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for _, colour in (KEEP, *REGIONS)])
    apart = ((pixels[..., None, :3].astype(np.int32) - palette) ** 2).sum(-1)
    nearest = apart.argmin(-1)
    return {k: inside for k in range(len(palette)) if (inside := painted & (nearest == k)).any()}


def regions(words: Mapping[int, str], painted: Mapping[int, Image], held: bool) -> list[tuple[str, Image | str]]:
    """Words with their masks, in order of number; "" for a mask that a checkpoint holds, when `held`.

    Raises BadRequest for words without paint and paint without words.
    """
    made: list[tuple[str, Image | str]] = []
    for number, (name, _) in enumerate(REGIONS, 1):
        text, mask = words.get(number, "").strip(), painted.get(number)
        if text and mask is None and not held:
            raise BadRequest(f"There are words for what is painted {name}, but nothing is painted {name}.")
        if mask is not None and not text:
            raise BadRequest(f"Something is painted {name}, but there are no words for it. Write some, or erase it.")
        if text:
            made.append((text, "" if mask is None else mask))
    return made

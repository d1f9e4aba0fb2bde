"""Backgrounds of one colour: pictograms are painted on white, and the colour that a prompt names is put behind them.

A network of a few million parameters paints a background over the thing as soon as over the paper. The training
pictures were composed, too (``training/compose.py``), and with the same colours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

RGB = tuple[int, int, int]
GROUNDS: dict[str, RGB] = {  # sRGB, 0..255
    "white": (255, 255, 255),
    "black": (18, 18, 20),
    "gray": (150, 150, 152),
    "red": (214, 48, 49),
    "orange": (243, 146, 55),
    "yellow": (250, 214, 65),
    "green": (72, 168, 84),
    "teal": (64, 188, 184),
    "blue": (58, 110, 218),
    "light blue": (166, 208, 245),
    "purple": (134, 78, 190),
    "pink": (246, 160, 196),
    "brown": (128, 84, 52),
    "beige": (238, 224, 196),
}
_SHADES = {"dark": 0.55, "light": 0.5}  # what is left of the colour, and of its distance from white
_GROUND = re.compile(
    r"(,| on| against| with)? ?(an? |the )?\b(plain |solid )?((?P<shade>dark|light|bright) )?"
    rf"(?P<colour>{'|'.join(name for name in GROUNDS if ' ' not in name)}|grey) background\b",
    re.IGNORECASE,
)
PAPER = 0.97  # what is darker in a channel is no paper; at 0.95 white flowers dissolve, at 0.98 paper is left over
STAINED = 0.88  # the same where paper is certain: in the margin of a picture, and beside other paper
MARGIN = 4  # pixels at each side
EDGE = 2  # pixels beside the paper in which paper and thing mix


def ground_of(prompt: str) -> tuple[str, RGB | None]:
    """A prompt without its background, and that one's colour; the prompt as it is and None where it names no such.

    "a cat on a blue background" -> ("a cat", (58, 110, 218)).
    """
    found = _GROUND.search(prompt)
    bare = _GROUND.sub("", prompt).strip(" ,") if found else prompt
    if found is None or not bare:
        return prompt, None
    colour, shade = found["colour"].lower().replace("grey", "gray"), (found["shade"] or "").lower()
    if f"{shade} {colour}" in GROUNDS:
        return bare, GROUNDS[f"{shade} {colour}"]
    red, green, blue = (_shaded(value, shade) for value in GROUNDS[colour])
    return bare, (red, green, blue)


def _shaded(value: int, shade: str) -> int:
    if shade == "dark":
        return round(value * _SHADES["dark"])
    return round(255 - (255 - value) * _SHADES["light"]) if shade == "light" else value


def balanced(pictures: Tensor) -> Tensor:
    """Pictures (n, 3, H, W) on paper that is almost white, with white paper, as photographers balance by a sheet; those
    whose margin is mostly no paper stay as they are."""
    import torch

    inside = torch.zeros(pictures.shape[2:], dtype=torch.bool, device=pictures.device)
    inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    paper = pictures[:, :, ~inside].median(2).values.clamp(max=1)[:, :, None, None]
    return torch.where(paper.amin(1, keepdim=True) > STAINED, pictures / paper, pictures)


def on_ground(pictures: Tensor, colour: RGB) -> Tensor:
    """Pictures (n, 3, H, W) in [0, 1], painted on white, with another paper; white inside of a thing stays white."""
    import torch
    import torch.nn.functional as F

    behind = torch.tensor(colour, dtype=pictures.dtype, device=pictures.device)[:, None, None] / 255
    paper = _paper(pictures)
    near = F.max_pool2d(paper[:, None].to(pictures.dtype), 2 * EDGE + 1, 1, EDGE)
    # In the paper itself whatever is not quite white is error; beside it, it is the thing's edge or shadow.
    tinted = torch.where(paper[:, None], behind, pictures.clamp(0, 1) * behind)
    return torch.where(near > 0, tinted, pictures)


def _paper(pictures: Tensor) -> Tensor:
    """Where a picture shows paper: white that is joined to its border; (n, H, W) bool."""
    import numpy as np
    import torch
    from scipy.ndimage import binary_dilation, binary_propagation

    margin = np.ones(pictures.shape[2:], bool)
    margin[MARGIN:-MARGIN, MARGIN:-MARGIN] = False
    found = []
    for light in pictures.amin(1).cpu().numpy():
        stained = light > STAINED
        white = (light > PAPER) | (margin & stained)
        paper = binary_propagation(white & margin, mask=white)
        found.append(binary_dilation(paper, iterations=EDGE, mask=stained))
    return torch.from_numpy(np.stack(found)).to(pictures.device)

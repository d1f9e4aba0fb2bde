"""Captioned training pictures made on the fly: recoloured, on coloured backgrounds, mirrored, two to a canvas.

A few thousand pictograms become millions of different captioned pictures this way, and the captions stay true
because every change to the picture is named in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.captions import background_choices, can_recolour, caption, compose_caption, noun_phrase, recolour
from training.data.colours import COLOURS
from training.data.counting import NUMBERS, count_caption, countable
from training.pictures import Pictograms, on_background

RELATIONS = {  # the words, and where the first of the two stands: (down, right) from the middle, in canvas sizes
    "next to": (0.0, -0.25),
    "to the left of": (0.0, -0.25),
    "to the right of": (0.0, 0.25),
    "above": (-0.25, 0.0),
    "below": (0.25, 0.0),
}


@dataclass(frozen=True)
class Sample:
    """One captioned picture: ``rgba`` uint8 (128, 128, 4), its background (3,) in [0, 1], which rows it shows."""

    caption: str
    rgba: np.ndarray
    background: np.ndarray
    rows: tuple[int, ...]
    relation: str = ""
    count: int = 0
    colours: tuple[str | None, ...] = ()  # the words that the things were tinted to
    ground: str | None = None  # the word for a painted background


def tint(record: dict, rgba: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str | None]:
    """Now and then another colour for a picture that is mostly one colour; the picture and the colour's word."""
    if not can_recolour(record) or rng.random() > 0.3:
        return rgba, None
    colour = str(rng.choice(list(COLOURS)))
    return recolour(rgba, colour), colour


def single(data: Pictograms, row: int, rng: np.random.Generator) -> Sample:
    """One pictogram with a true caption, sometimes recoloured, sometimes on a coloured background."""
    record = data.records[row]
    rgba, colour = tint(record, np.asarray(data.rgba[row]), rng)
    background, rgb = None, (255, 255, 255)
    if rng.random() < 0.3:
        choices = background_choices(record, colour)
        background, rgb = choices[rng.integers(len(choices))]
    text = caption(record, rng, color=colour, background=background)
    return Sample(text, rgba, _unit(rgb), (row,), colours=(colour,), ground=background)


def recaption(data: Pictograms, sample: Sample, rng: np.random.Generator) -> str:
    """Another true caption of the same picture."""
    if sample.relation:
        phrases = [
            noun_phrase(data.records[row], colour) for row, colour in zip(sample.rows, sample.colours, strict=True)
        ]
        return compose_caption(*phrases, sample.relation, sample.ground)
    record, colour = data.records[sample.rows[0]], sample.colours[0]
    if sample.count:
        return count_caption(record, sample.count, rng, colour, sample.ground)
    return caption(record, rng, color=colour, background=sample.ground)


def _unit(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.asarray(rgb, dtype=np.float32) / 255


def pair(data: Pictograms, first: int, second: int, rng: np.random.Generator) -> Sample:
    """Two pictograms on one canvas, side by side or one above the other, said in the caption."""
    records = [data.records[row] for row in (first, second)]
    tinted = [tint(data.records[row], np.asarray(data.rgba[row]), rng) for row in (first, second)]
    relation = str(rng.choice(list(RELATIONS)))
    background, rgb = None, (255, 255, 255)
    if rng.random() < 0.5:
        sets = [background_choices(record, colour) for record, (_, colour) in zip(records, tinted, strict=True)]
        both = [choice for choice in sets[0] if choice in sets[1]]
        if both:
            background, rgb = both[rng.integers(len(both))]
    phrases = [noun_phrase(record, colour) for record, (_, colour) in zip(records, tinted, strict=True)]
    canvas = place_pair(tinted[0][0], tinted[1][0], relation)
    text = compose_caption(*phrases, relation, background)
    colours = tuple(colour for _, colour in tinted)
    return Sample(text, canvas, _unit(rgb), (first, second), relation, colours=colours, ground=background)


def group(data: Pictograms, row: int, rng: np.random.Generator) -> Sample:
    """Two to six copies of one pictogram, counted in the caption; a single one where the thing cannot be counted."""
    record = data.records[row]
    if not countable(record):
        return single(data, row, rng)
    rgba, colour = tint(record, np.asarray(data.rgba[row]), rng)
    number = int(rng.choice(list(NUMBERS)))
    background, rgb = None, (255, 255, 255)
    if rng.random() < 0.3:
        choices = background_choices(record, colour)
        background, rgb = choices[rng.integers(len(choices))]
    text = count_caption(record, number, rng, colour, background)
    canvas = place_group(rgba, number, rng)
    return Sample(text, canvas, _unit(rgb), (row,), count=number, colours=(colour,), ground=background)


def place_group(rgba: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """``number`` copies in cells drawn at random: of 2 x 2 up to four, of 3 x 3 above."""
    cells = 2 if number <= 4 else 3
    side = rgba.shape[0] // cells
    copy = shrink(rgba, side)
    canvas = np.zeros_like(rgba)
    for cell in rng.choice(cells * cells, number, replace=False):
        y, x = divmod(int(cell), cells)
        canvas[y * side : (y + 1) * side, x * side : (x + 1) * side] = copy
    return canvas


def place_pair(first: np.ndarray, second: np.ndarray, relation: str) -> np.ndarray:
    """Two RGBA pictures at half size on one canvas; ``relation`` says where the first stands."""
    size = first.shape[0]
    half, (down, right) = size // 2, RELATIONS[relation]
    canvas = np.zeros_like(first)
    shrunk = [shrink(picture, half) for picture in (first, second)]
    top, left = (size - half) // 2, (size - half) // 2
    for picture, sign in zip(shrunk, (1, -1), strict=True):
        y, x = top + int(sign * down * size), left + int(sign * right * size)
        canvas[y : y + half, x : x + half] = picture
    return canvas


def shrink(rgba: np.ndarray, side: int) -> np.ndarray:
    """``side`` pixels a side, averaging with premultiplied alpha so that transparent pixels add no colour."""
    pixels = torch.from_numpy(rgba.astype(np.float32)).permute(2, 0, 1)[None] / 255
    alpha = pixels[:, 3:]
    small, small_alpha = (F.interpolate(part, (side, side), mode="area") for part in (pixels[:, :3] * alpha, alpha))
    result = torch.cat([small / small_alpha.clamp(min=1e-4), small_alpha], 1)
    return (result[0].permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()


def render(samples: list[Sample]) -> Tensor:
    """Pictures (N, 3, 128, 128) float32 [0, 1]."""
    rgba = torch.from_numpy(np.stack([sample.rgba for sample in samples]))
    return on_background(rgba, torch.from_numpy(np.stack([sample.background for sample in samples])))

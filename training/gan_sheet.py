"""Sheets of what a GAN paints for the fixed prompts, to be looked at while it trains."""

from __future__ import annotations

from PIL.Image import Image

from common.images import contact_sheet, to_pil
from models.families.pictograms_gan import PictogramGan
from models.families.pictograms_painter import SIZE
from training.samples import PROMPTS, labelled


def draw_sheet(model: PictogramGan, each: int = 1, seed: int = 0) -> Image:
    """``each`` pictures of every prompt, side by side, the same seeds on every sheet."""
    cards = []
    for prompt in PROMPTS:
        run = model.start(prompt, "", list(range(seed, seed + each)), SIZE, SIZE, 1, 1.0, "")
        run.step()
        cards.append(labelled(contact_sheet(to_pil(run.predicted()), each), prompt))
    return contact_sheet(cards, 8)

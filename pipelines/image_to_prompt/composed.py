"""Prompts composed at random of the built-in lists: something to fit on where nobody has brought any prompts."""

from __future__ import annotations

import random

from pipelines.image_to_prompt.lists import built_in

_SUBJECTS = ("subjects", "things")
_DETAILS = ("styles", "movements", "lighting", "composition", "palettes", "flavours")
MEDIUM, DETAIL = 0.6, 0.4  # how often a prompt names its medium, and each kind of detail


def composed(count: int, seed: int) -> list[str]:
    """Prompts such as people write; the same for the same seed."""
    phrases = {name: built_in(name).phrases for name in ("media", *_SUBJECTS, *_DETAILS)}
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        subject = draw.choice(phrases[draw.choice(_SUBJECTS)])
        head = f"{draw.choice(phrases['media'])} of {subject}" if draw.random() < MEDIUM else subject
        made.append(", ".join([head, *(draw.choice(phrases[name]) for name in _DETAILS if draw.random() < DETAIL)]))
    return made

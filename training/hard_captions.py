"""Captions that are almost true: one word wrong, which pictures and sentences as bags of words would not notice."""

from __future__ import annotations

import re

import numpy as np

from training.compose import Sample
from training.data.colours import COLOURS
from training.data.counting import NUMBERS

KINDS = ("side", "order", "binding", "count", "colour")
_OPPOSITE = {"to the left of": "to the right of", "to the right of": "to the left of", "above": "below",
             "below": "above"}  # fmt: skip
_COUNTS = tuple(NUMBERS.values())


def hard_caption(sample: Sample, kind: str, rng: np.random.Generator) -> str:
    """The caption made untrue in one way; "" where that way does not apply.

    "side": left for right, above for below. "order": the two things change places around such a word. "binding": the
    two things swap their colours. "count": another number. "colour": a colour that the caption does not name.
    """
    return _MAKERS[kind](sample, rng)


def wrong_caption(sample: Sample, rng: np.random.Generator) -> str:
    """The caption made untrue in one way that applies, drawn at random; "" where none does."""
    made = [text for kind in KINDS if (text := hard_caption(sample, kind, rng))]
    return str(rng.choice(made)) if made else ""


def _side(sample: Sample, rng: np.random.Generator) -> str:
    if sample.relation not in _OPPOSITE:
        return ""
    return sample.caption.replace(sample.relation, _OPPOSITE[sample.relation], 1)


def _order(sample: Sample, rng: np.random.Generator) -> str:
    if sample.relation not in _OPPOSITE:
        return ""
    first, _, rest = sample.caption.partition(f" {sample.relation} ")
    second, ground, colour = _cut_background(rest)
    return "" if first == second else f"{second} {sample.relation} {first}{ground}{colour}"


def _binding(sample: Sample, rng: np.random.Generator) -> str:
    if not sample.relation:
        return ""
    first, _, rest = sample.caption.partition(f" {sample.relation} ")
    second, ground, colour = _cut_background(rest)
    named = [[word for word in part.split() if word in COLOURS] for part in (first, second)]
    if [len(words) for words in named] != [1, 1] or named[0] == named[1]:
        return ""
    one, two = named[0][0], named[1][0]
    swapped = [re.sub(rf"\b{old}\b", new, part) for part, old, new in ((first, one, two), (second, two, one))]
    return f"{_article(swapped[0])} {sample.relation} {_article(swapped[1])}{ground}{colour}"


def _count(sample: Sample, rng: np.random.Generator) -> str:
    words = sample.caption.split()
    places = [k for k, word in enumerate(words) if word in _COUNTS]
    if not sample.count or not places:
        return ""
    words[places[0]] = str(rng.choice([word for word in _COUNTS if word != words[places[0]]]))
    return " ".join(words)


def _colour(sample: Sample, rng: np.random.Generator) -> str:
    words = sample.caption.split()
    places = [k for k, word in enumerate(words) if word in COLOURS]
    if not places:
        return ""
    place = int(rng.choice(places))
    words[place] = str(rng.choice([colour for colour in COLOURS if colour not in words]))
    return " ".join(words)


def _cut_background(text: str) -> tuple[str, str, str]:
    """ "a blue cup on a red background" -> "a blue cup", " on ", "a red background"."""
    thing, ground, colour = text.rpartition(" on ")
    return (thing, ground, colour) if colour.endswith("background") else (text, "", "")


def _article(phrase: str) -> str:
    """ "a orange cup" -> "an orange cup"."""
    return re.sub(r"^an? (?=([a-z]))", lambda match: "an " if match[1] in "aeiou" else "a ", phrase)


_MAKERS = {"side": _side, "order": _order, "binding": _binding, "count": _count, "colour": _colour}

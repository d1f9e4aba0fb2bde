"""Captions for training pictures, as people would type them: pure functions of record and rng.

A caption never says more than the picture shows: a colour is named when the picture was tinted to
it or when it truly dominates, a background only when the caller paints one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from training.data.colours import (
    BACKGROUNDS,
    COLOURS,
    WORDS,
    can_recolour,
    colour_indices,
    recolour,
)
from training.data.grammar import with_article

__all__ = [
    "BACKGROUNDS", "COLOURS", "RELATIONS", "background_choices", "can_recolour", "caption",
    "compose_caption", "noun_phrase", "object_phrase", "own_colour", "recolour", "spoken_caption", "strip_colours",
    "with_article",
]  # fmt: skip

# Style word -> templates. {n} is the bare name, {a} the name with its article.
_STYLED: dict[str, tuple[str, ...]] = {
    "3D": (
        "a 3D {n}", "{a} in 3D style", "{n}, 3D render", "a 3D icon of {a}", "a 3D render of {a}",
        "3D {n}",
    ),
    "flat": (
        "a flat icon of {a}", "{n}, flat icon", "{a} in flat style", "flat {n}", "a flat {n} icon",
    ),
    "high contrast": (
        "a high contrast icon of {a}", "{n}, high contrast", "{a} in high contrast style",
        "a black and white icon of {a}", "a simple black icon of {a}",
    ),
    "cartoon": (
        "a cartoon of {a}", "a cartoon {n}", "{a} in cartoon style", "{n}, cartoon", "cartoon {n}",
    ),
    "clip art": ("clip art of {a}", "{n} clip art", "{n}, clip art", "a clip art drawing of {a}"),
}  # fmt: skip
_PLAIN = ("{a}", "{n}", "{a}", "a picture of {a}")
_PICTOGRAM = (*_PLAIN, "an icon of {a}", "an emoji of {a}")  # for all styles but clip art
_BACKGROUND = (" on {b} background", " on {b} background", ", {bare} background", " against {b}")
# Key -> words between two objects.
RELATIONS: dict[str, str] = {
    "next": "next to",
    "beside": "beside",
    "and": "and",
    "left": "to the left of",
    "right": "to the right of",
    "above": "above",
    "below": "below",
}
_T = TypeVar("_T")


class Rng(Protocol):
    """What captions need of a generator: random.Random and numpy's Generator both fit."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


def _pick(options: Sequence[_T], rng: Rng) -> _T:
    return options[int(rng.random() * len(options))]


def strip_colours(name: str) -> str:
    """Drop leading colour words: a tinted "red apple" must not stay red in the caption."""
    pattern = rf"(?:(?:dark|light|black and white|{'|'.join(WORDS)}|grey|golden|gold|silver) )+"
    rest = re.sub(rf"^{pattern}", "", name)
    return rest or name


def names_colour(name: str) -> bool:
    """True when the name already says a colour."""
    return any(word in WORDS or word in ("grey", "golden", "silver") for word in name.split())


def object_phrase(record: Mapping[str, Any], colour: str | None = None) -> str:
    """The bare object, with the colour it was tinted to in front: "blue car"."""
    name = record["name"]
    if colour is None:
        return name
    rest = strip_colours(name)
    return f"{colour} {rest}"


def noun_phrase(record: Mapping[str, Any], colour: str | None = None) -> str:
    """The object with its article, for `compose_caption`: "a blue car", "scissors"."""
    return with_article(object_phrase(record, colour))


def own_colour(record: Mapping[str, Any]) -> str | None:
    """The picture's own colour, where it dominates and people would mention it."""
    colours = record.get("colors") or []
    face = record.get("group") in ("smileys-emotion", "people-body", "flags")
    if not colours or face or record["style"] == "high contrast" or names_colour(record["name"]):
        return None
    return colours[0] if record.get("dominant", 0.0) >= 0.6 else None


def _extra(record: Mapping[str, Any], rng: Rng) -> str:
    """One or two keywords to trail the caption, seldom: people do type ", cheese, food"."""
    name = set(record["name"].split())
    words = [
        k
        for k in record.get("keywords") or []
        if re.fullmatch(r"[a-z]{3,12}(?: [a-z]{3,12})?", k) and not name & set(k.split())
    ]
    if not words or rng.random() >= 0.12:
        return ""
    first, second = _pick(words, rng), _pick(words, rng)
    return f", {first}" if first == second else f", {first}, {second}"


def caption(
    record: Mapping[str, Any],
    rng: Rng,
    color: str | None = None,
    background: str | None = None,
) -> str:
    """One caption of a record.

    `color` is the word the picture was tinted to and `background` the word of the colour painted
    behind it; both are always mentioned when given. The style is mentioned about half the time.
    """
    own = None if color else own_colour(record)
    bare = object_phrase(record, color or (own if own and rng.random() < 0.25 else None))
    plain = _PLAIN if record["style"] == "clip art" else _PICTOGRAM
    templates = _STYLED.get(record["style"], plain) if rng.random() < 0.5 else plain
    if color or background not in (None, "white"):
        templates = tuple(t for t in templates if "black" not in t)
    text = _pick(templates, rng).format(n=bare, a=with_article(bare))
    # "a 3D scissors" reads wrong: a plural takes no article through the style word either.
    if with_article(bare) == bare and text.endswith((f" 3D {bare}", f" cartoon {bare}")):
        text = text.removeprefix("a ")
    text += _extra(record, rng)
    if background is not None:
        scene = _pick(_BACKGROUND, rng)
        if "," in text and scene.startswith(" "):
            scene = _BACKGROUND[2]  # ", food on a red background" would put the food there
        text += scene.format(b=with_article(background), bare=background)
        text = re.sub(r" against an? ([a-z ]+)$", r" against \1", text)
    return text


_SPOKEN = {
    "3D": "a 3D render of {a}", "flat": "a flat icon of {a}", "high contrast": "a black and white icon of {a}",
    "cartoon": "a cartoon of {a}", "clip art": "clip art of {a}",
}  # fmt: skip


def spoken_caption(record: Mapping[str, Any], colour: str | None = None, background: str | None = None) -> str:
    """The one full sentence about a record that a captioner should say: style, colour, name and background.

    The colour is that of the tint, else the one that dominates the picture where people would mention it.
    """
    text = _SPOKEN.get(record["style"], "a picture of {a}")
    if record["style"] == "high contrast" and (colour or background):
        text = "a simple icon of {a}"
    text = text.format(a=with_article(object_phrase(record, colour or own_colour(record))))
    return text if background is None else f"{text} on {with_article(background)} background"


def compose_caption(left: str, right: str, relation: str, background: str | None = None) -> str:
    """Caption of two objects: "a red apple next to a blue cup on a yellow background".

    `left` and `right` are names or noun phrases, `relation` a key of RELATIONS or its wording.
    """
    words = RELATIONS.get(relation, relation)
    text = f"{with_article(left)} {words} {with_article(right)}"
    return text if background is None else f"{text} on {with_article(background)} background"


def background_choices(record: Mapping[str, Any], colour: str | None = None) -> list[tuple[str, tuple[int, int, int]]]:
    """The BACKGROUNDS on which this picture stands out: none of its own two colours."""
    taken = {colour} if colour else set(record.get("colors") or [])
    if record["style"] == "high contrast":
        taken |= {"black", "brown"}
    names = [WORDS[i] for i in colour_indices(np.array([rgb for _, rgb in BACKGROUNDS]))]
    free = [b for b, n in zip(BACKGROUNDS, names, strict=True) if n not in taken]
    return [b for b in free if b[0] not in taken] or BACKGROUNDS[:1]

"""Captions that count: "three red apples in 3D style"."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import inflect

from training.data.captions import Rng, object_phrase
from training.data.grammar import with_article

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
_STYLED = ("{n} in {s} style", "{n}, {s}")
_PLAIN = ("{n}", "{n}", "a picture of {n}")


@functools.cache
def _engine() -> inflect.engine:
    return inflect.engine()


def countable(record: Mapping[str, Any]) -> bool:
    """True for things of which there can be three: "apple", but neither "scissors" nor "rice" nor a flag's name."""
    name = record["name"]
    acts = record.get("group") == "people-body" and "ing " in name  # "man playing handball"
    singular = with_article(name) != name and record.get("group") != "flags" and not acts
    return singular and not any(mark in name for mark in (":", ",", "&", "(")) and len(name.split()) <= 4


def count_phrase(record: Mapping[str, Any], number: int, colour: str | None = None) -> str:
    """The objects with their number: "two slices of pizza"."""
    return f"{NUMBERS[number]} {_engine().plural(object_phrase(record, colour))}"


def count_caption(
    record: Mapping[str, Any], number: int, rng: Rng, colour: str | None = None, background: str | None = None
) -> str:
    """One caption of `number` copies of a record on one canvas; style, colour and background as in `caption`."""
    phrase = count_phrase(record, number, colour)
    templates = _STYLED if rng.random() < 0.4 else _PLAIN
    text = templates[int(rng.random() * len(templates))].format(n=phrase, s=record["style"])
    if background is None:
        return text
    return f"{text}, {background} background" if "," in text else f"{text} on {with_article(background)} background"

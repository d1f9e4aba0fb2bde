"""Almost true captions: untrue in one way each, and only where that way applies."""

from __future__ import annotations

import numpy as np
import pytest

from training.compose import Sample
from training.hard_captions import KINDS, hard_caption, wrong_caption

LEFT = ("a red cat to the left of a blue dog on a white background", "to the left of", 0)
NEXT = ("an orange cup next to a red hat", "next to", 0)
COUNT = ("three green apples in 3D style", "", 3)
PLAIN = ("two-hump camel", "", 0)


def made(of: tuple[str, str, int], kind: str, seed: int = 0) -> str:
    caption, relation, count = of
    sample = Sample(caption, np.zeros((1, 1, 4)), np.zeros(3), (0,), relation, count)
    rng = np.random.default_rng(seed)
    return wrong_caption(sample, rng) if kind == "any" else hard_caption(sample, kind, rng)


@pytest.mark.parametrize(
    ("of", "kind", "right"),
    [
        (LEFT, "side", "a red cat to the right of a blue dog on a white background"),
        (LEFT, "order", "a blue dog to the left of a red cat on a white background"),
        (LEFT, "binding", "a blue cat to the left of a red dog on a white background"),
        (NEXT, "binding", "a red cup next to an orange hat"),
        (NEXT, "side", ""),
        (NEXT, "order", ""),  # the cup is next to the hat either way
        (PLAIN, "any", ""),
        (("a red cup above a red hat", "above", 0), "binding", ""),
        (("a cup above a cup", "above", 0), "order", ""),
    ],
)
def test_one_thing_is_untrue(of, kind, right):
    assert made(of, kind) == right


def test_another_number():
    wrong = {made(COUNT, "count", seed) for seed in range(30)}
    assert len(wrong) == 4 and COUNT[0] not in wrong
    assert all(text.endswith(" green apples in 3D style") for text in wrong)
    assert made(("five", "", 0), "count") == ""


def test_another_colour_is_one_that_the_caption_does_not_name():
    of = ("a red cup on a blue background", "", 0)
    wrong = {made(of, "colour", seed) for seed in range(20)}
    assert of[0] not in wrong and len(wrong) > 4
    assert all(("red" in text) != ("blue" in text) for text in wrong)


def test_every_kind_that_applies_comes_up():
    wrong = {made(LEFT, "any", seed) for seed in range(60)}
    assert {made(LEFT, kind) for kind in ("side", "order", "binding")} <= wrong
    assert KINDS == ("side", "order", "binding", "count", "colour")

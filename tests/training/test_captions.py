"""The words of the pictogram data set: captions, articles, colours."""

from __future__ import annotations

import random

import numpy as np
import pytest

from training.data import captions, colours
from training.data.items import slug


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((220, 40, 40), "red"), ((248, 49, 90), "red"), ((244, 144, 12), "orange"), ((255, 204, 77), "yellow"),
        ((60, 160, 70), "green"), ((40, 180, 180), "teal"), ((50, 100, 220), "blue"), ((140, 80, 200), "purple"),
        ((250, 150, 200), "pink"), ((110, 70, 40), "brown"), ((193, 105, 79), "brown"), ((10, 10, 12), "black"),
        ((250, 250, 250), "white"), ((153, 170, 181), "gray"), ((128, 128, 128), "gray"),
    ],
)  # fmt: skip
def test_colour_words(rgb: tuple[int, int, int], word: str) -> None:
    assert colours.WORDS[colours.colour_indices(np.array([rgb]))[0]] == word


def test_hsv_round_trip() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (500, 3))
    assert np.abs(colours.hsv_to_rgb(colours.rgb_to_hsv(rgb)) - rgb).max() < 0.01


@pytest.mark.parametrize("colour", list(colours.COLOURS))
def test_recolour(colour: str) -> None:
    picture = np.zeros((16, 16, 4), np.uint8)
    picture[2:14, 2:14] = (200, 40, 40, 255)
    picture[2:5, 2:5] = (255, 255, 255, 128)
    picture[10:12, 10:12] = (20, 20, 20, 255)
    tinted = colours.recolour(picture, colour)
    assert tinted.dtype == np.uint8 and tinted is not picture
    assert np.array_equal(tinted[..., 3], picture[..., 3])
    assert colours.dominant_colours(tinted)[0][0] == colour
    assert np.array_equal(tinted[2:5, 2:5], picture[2:5, 2:5])  # white stays white
    assert np.array_equal(tinted[10:12, 10:12], picture[10:12, 10:12])


def test_articles() -> None:
    cases = {
        "apple": "an apple", "unicorn": "a unicorn", "umbrella": "an umbrella", "hourglass": "an hourglass",
        "scissors": "scissors", "glass of milk": "a glass of milk", "flag of japan": "a flag of japan",
        "8 ball": "an 8 ball", "bus": "a bus", "bread": "bread", "x-ray": "an x-ray", "blue car": "a blue car",
        "one-piece swimsuit": "a one-piece swimsuit", "people hugging": "people hugging",
    }  # fmt: skip
    assert {name: captions.with_article(name) for name in cases} == cases
    assert captions.with_article("a cup") == "a cup"


RECORD = {
    "name": "red apple", "style": "3D", "keywords": ["fruit", "food"], "group": "food-drink", "colors": ["red"],
    "dominant": 0.8,
}  # fmt: skip


@pytest.mark.parametrize("rng", [random.Random(3), np.random.default_rng(3)])
@pytest.mark.parametrize("style", ["3D", "flat", "high contrast", "cartoon", "clip art"])
def test_captions(rng: captions.Rng, style: str) -> None:
    record = RECORD | {"style": style}
    plain = [captions.caption(record, rng) for _ in range(300)]
    assert len(set(plain)) > 8 and all("apple" in text and " background" not in text for text in plain)
    assert any(style in text or "contrast" in text for text in plain)
    both = [captions.caption(record, rng, color="blue", background="yellow") for _ in range(300)]
    assert all("blue apple" in text and "yellow" in text and "red" not in text for text in both)
    for text in plain + both:
        assert "{" not in text and "  " not in text and " a apple" not in f" {text}" and " a orange" not in text
        assert text.replace("3D", "") == text.replace("3D", "").lower()


def test_compose_caption() -> None:
    compose = captions.compose_caption
    assert (
        compose("red apple", "a blue cup", "next", "yellow") == "a red apple next to a blue cup on a yellow background"
    )
    assert compose("apple", "scissors", "to the left of", None) == "an apple to the left of scissors"
    assert compose("orange fish", "cat", "above", "orange") == "an orange fish above a cat on an orange background"


def test_backgrounds_leave_the_picture_visible() -> None:
    words = [word for word, _ in captions.background_choices(RECORD)]
    assert "red" not in words and "blue" in words
    black = [word for word, _ in captions.background_choices(RECORD | {"style": "high contrast", "colors": ["black"]})]
    assert "black" not in black and len(black) > 5


def test_slug() -> None:
    assert slug("Men’s room & Bar") == "mens-room-and-bar"

"""Counting captions say the number and a plural, and leave alone what cannot be counted."""

from __future__ import annotations

import random

import pytest

from training.data.counting import count_caption, count_phrase, countable


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("apple", "three apples"),
        ("slice of pizza", "three slices of pizza"),
        ("knife", "three knives"),
        ("bus", "three buses"),
        ("person with a hat", "three people with hats"),
    ],
)
def test_plurals(name, plural):
    record = {"name": name, "style": "flat"}
    assert countable(record) and count_phrase(record, 3) == plural


def test_a_new_colour_takes_the_place_of_the_old():
    assert count_phrase({"name": "red apple"}, 2, "blue") == "two blue apples"


@pytest.mark.parametrize("name", ["scissors", "rice", "flag: France", "men holding hands", "trade mark, registered"])
def test_what_cannot_be_counted(name):
    assert not countable({"name": name})


def test_captions_name_what_is_given():
    texts = {
        count_caption({"name": "cat", "style": "3D"}, 4, random.Random(seed), "green", "yellow") for seed in range(20)
    }
    assert texts == {
        "four green cats on a yellow background",
        "a picture of four green cats on a yellow background",
        "four green cats in 3D style on a yellow background",
        "four green cats, 3D, yellow background",
    }

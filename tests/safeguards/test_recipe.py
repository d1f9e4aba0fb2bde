from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, asdict, replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from safeguards import recipe as recipes
from safeguards.recipe import Recipe


def forged(recipe: Recipe, **changes: object) -> str:
    return json.dumps({**asdict(recipe), **changes})


def test_json_round_trip_is_exact(recipe):
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_json(recipe.to_json()).to_json() == recipe.to_json()


def test_json_is_ascii_and_keeps_every_script(recipe):
    wild = replace(recipe, settings={"prompt": 'naïve "猫" \U0001f408\nNegative prompt: <script>alert(1)</script>\t\\'})
    assert wild.to_json().isascii()
    assert Recipe.from_json(wild.to_json()).settings == wild.settings


def test_defaults_say_format_and_moment():
    made = Recipe(task="rank_images", model="pictograms-clip")
    assert made.version == recipes.FORMAT
    assert datetime.now(timezone.utc) - datetime.fromisoformat(made.created) < timedelta(minutes=1)
    assert (made.seed, made.settings, made.scores, made.parents) == (None, {}, {}, ())


def test_is_frozen_and_lists_for_tuples(recipe):
    with pytest.raises(FrozenInstanceError):
        recipe.seed = 1
    made = replace(recipe, settings={"sizes": (1, 2)}, parents=["a"])
    assert made.settings == {"sizes": [1, 2]}
    assert made.parents == ("a",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "mine_bitcoin"}, 'task is "mine_bitcoin", known tasks are text_to_image'),
        ({"task": ["text_to_image"]}, "task is a list of 1 values"),
        ({"version": "2"}, 'format is version "2", this program reads version 1'),
        ({"version": 1}, "format is version 1, this program"),
        ({"model": None}, "model is None, it must be text"),
        ({"model": "x" * 201}, "model has 201 characters, at most 200"),
        ({"revision": 5}, "revision is 5, it must be text"),
        ({"seed": "1"}, 'seed is "1", it must be a whole number from 0'),
        ({"seed": True}, "seed is True"),
        ({"seed": 1.0}, "seed is 1.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"seed": 10**4000}, "seed is a number of more than 60 digits"),
        ({"settings": [1]}, "settings is a list of 1 values, it must be a table"),
        ({"settings": "prompt"}, 'settings is "prompt"'),
        ({"settings": {"steps": math.nan}}, "NaN"),
        ({"settings": {"steps": math.inf}}, "Infinity"),
        ({"scores": {"cosine": [[-math.inf]]}}, "Infinity"),
        ({"settings": {"a": 2**70}}, "settings.a is"),
        ({"settings": {"prompt": "x" * 20_001}}, "settings.prompt has 20,001 characters"),
        ({"settings": {"prompt": "a\0b"}}, "settings.prompt contains characters that are not text"),
        ({"settings": {"prompt": "\ud800"}}, "settings.prompt contains characters that are not text"),
        ({"settings": {"\0": 1}}, "a name in settings contains characters"),
        ({"settings": {str(i): 0 for i in range(257)}}, "settings has 257 values, at most 256"),
        ({"settings": {"a": [[[[[[[1]]]]]]]}}, "nested more than 6 deep"),
        ({"created": "yesterday"}, 'created is "yesterday", it must be a moment like'),
        ({"created": 20260131}, "created is 20260131, it must be text"),
        ({"parents": "ab"}, 'parents is "ab", it must be a list'),
        ({"parents": ["a"] * 65}, "parents is a list of 65 values"),
        ({"parents": [1]}, "a name in parents is 1"),
        ({"extra": 1}, 'it has an unknown entry "extra"'),
    ],
)
def test_forged_json_is_refused_in_one_sentence(recipe, changes, words):
    with pytest.raises(BadRequest) as caught:
        Recipe.from_json(forged(recipe, **changes))
    message = str(caught.value)
    assert message.startswith("This recipe cannot be used: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not a table"),
        ("null", "not a table"),
        ('{"task": "text_to_image", "task": "caption"}', "names a value twice"),
        ("[" * 60_000, "nested too deeply"),
        ('{"seed": ' + "9" * 6_000 + "}", "it "),
        ('{"a": 1e999}', "unknown entry"),
        (" " * 70_000, "at most 65,536 bytes"),
        ("{}", 'lacks the entry "created"'),
    ],
)
def test_texts_that_are_no_recipe(text, words):
    with pytest.raises(BadRequest, match=words):
        Recipe.from_json(text)


def test_overflow_to_infinity_is_refused(recipe):
    with pytest.raises(BadRequest, match=r"settings\.guidance is inf, it must be a finite number"):
        Recipe.from_json(recipe.to_json().replace("4.5", "1e999"))


def test_missing_entry_is_named(recipe):
    table = asdict(recipe)
    del table["seed"]
    with pytest.raises(BadRequest, match='lacks the entry "seed"'):
        Recipe.from_json(json.dumps(table))


def test_values_that_are_not_plain_data_are_refused_when_made(recipe):
    with pytest.raises(BadRequest, match=r"settings\.picture is a Image, which is not plain data"):
        replace(recipe, settings={"picture": Image.new("L", (1, 1))})
    with pytest.raises(BadRequest, match=r"scores\.cosine is a float32"):
        replace(recipe, scores={"cosine": np.float32(1)})
    with pytest.raises(BadRequest, match="a name in settings is 1, it must be text"):
        replace(recipe, settings={1: "a"})


def test_too_large_to_be_saved(recipe):
    big = replace(recipe, settings={str(i): "x" * 1000 for i in range(70)})
    with pytest.raises(BadRequest, match="at most 65,536 are allowed"):
        big.to_json()

"""Recipes in films that were forged, damaged, or written by other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.errors import BadRequest
from common.video import finish
from safeguards import mp4_boxes
from safeguards.foreign import ForeignRecipe
from safeguards.recipe import Recipe, read
from safeguards.stamp_video import stamp_video


def commented(film: Path, comment: str, name: str = "forged.mp4") -> Path:
    finish(film, film.with_name(name), texts={"comment": comment})
    return film.with_name(name)


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("clip-atelier:not json", "carries a recipe that cannot be used: it is not JSON"),
        ("clip-atelier:", "it is not JSON"),
        ('clip-atelier:{"version": "7"}', 'its format is version "7"'),
        ("clip-atelier:" + "x" * 70_000, "it is not a text of at most 65,536 bytes"),
        ("clip-atelier:" + "[" * 60_000, "nested too deeply"),
        ("x" * 1_100_000, "carries a comment of 1,100,000 bytes; at most 1,048,576 are read"),
    ],
)
def test_forged_films_are_refused_by_their_own_name(film, comment, words):
    path = commented(film, comment)
    with pytest.raises(BadRequest) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith("forged.mp4 carries a")
    assert words in message
    assert str(path.parent) not in message
    assert len(message) < 300


def test_two_recipes_are_one_too_many(film, film_recipe, tmp_path):
    path = stamp_video(film, film_recipe, tmp_path / "done.mp4")
    data = path.read_bytes()
    start = data.index(b"\xa9cmt") - 4
    comment = data[start : start + int.from_bytes(data[start : start + 4], "big")]
    data = data[:start] + comment + data[start:]
    for kind in (b"ilst", b"meta", b"udta", b"moov"):
        place = data.index(kind) - 4
        data = (
            data[:place]
            + (int.from_bytes(data[place : place + 4], "big") + len(comment)).to_bytes(4, "big")
            + data[place + 4 :]
        )
    path.write_bytes(data)
    with pytest.raises(BadRequest, match="there are two of them"):
        read(path)


def test_films_of_others(film, tmp_path):
    assert read(film) is None
    assert read(commented(film, "Filmed by my cat")) is None
    assert read(commented(film, '{"a": 1}')) is None
    found = read(
        commented(film, "a red fox\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 7, Size: 64x64")
    )
    assert isinstance(found, ForeignRecipe)
    assert (found.prompt, found.negative, found.seed) == ("a red fox", "blurry", 7)
    sampler = '{"inputs": {"seed": 5, "steps": 9, "positive": ["2", 0], "negative": ["3", 0]}}'
    words = '{"inputs": {"text": "a %s"}}'
    graph = f'{{"1": {sampler}, "2": {words % "hill"}, "3": {words % "blur"}}}'
    found = read(commented(film, f'{{"prompt": {graph}, "workflow": {{}}}}'))
    assert (found.source, found.prompt, found.negative, found.seed) == ("ComfyUI", "a hill", "a blur", 5)


def test_a_growing_film_has_none_yet(film, film_recipe):
    data = film.read_bytes()
    film.write_bytes(data[:-200])
    assert read(film) is None


@pytest.mark.parametrize("form", ["mp4", "gif", "webp"])
def test_a_spoilt_byte_anywhere_never_surprises(film, film_recipe, tmp_path, form):
    path = stamp_video(film, film_recipe, tmp_path / f"done.{form}")
    sound = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(sound)
        for position in random.integers(0, len(data), size=random.integers(1, 5)):
            data[position] = random.integers(0, 256)
        path.write_bytes(bytes(data[: random.integers(1, len(data))] if random.random() < 0.2 else data))
        try:
            found = read(path)
            assert found is None or isinstance(found, (Recipe, ForeignRecipe))
        except BadRequest as error:
            assert str(error).startswith(f"done.{form} ")


@pytest.mark.parametrize("size", [0, 1, 7])
def test_boxes_of_no_size_and_of_64_bits(tmp_path, size):
    path = tmp_path / "box.mp4"
    path.write_bytes(b"\0\0\0\x08ftyp" + size.to_bytes(4, "big") + b"moov" + (24).to_bytes(8, "big") + b"\0" * 8)
    with open(path, "rb") as file:
        if size == 7:
            with pytest.raises(mp4_boxes.DamagedMp4Error):
                list(mp4_boxes.walk(file, 0, 32))
        else:
            kinds = [(box.kind, box.start, box.end) for box in mp4_boxes.walk(file, 0, 32)]
            assert kinds == [(b"ftyp", 8, 8), (b"moov", 24 if size else 16, 32)]

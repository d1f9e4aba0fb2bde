from __future__ import annotations

import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest

from common.errors import BadRequest
from safeguards.foreign import ForeignRecipe
from safeguards.recipe import read, stamp_png


def test_script_stays_text(text_png, recipe):
    evil = "<script>alert('x')</script><img src=x onerror=alert(1)>"
    found = read(text_png({"clip-atelier": replace(recipe, settings={"prompt": evil}).to_json()}))
    assert found.settings["prompt"] == evil


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"clip-atelier": "not json"}, "it is not JSON"),
        ({"clip-atelier": '{"version": "7"}'}, 'its format is version "7"'),
        ({"clip-atelier": "x" * 10_000_000}, 'a text "clip-atelier" of 10,000,017 bytes; at most 65,536 are read'),
        ({"parameters": "x" * 10_000_000}, "at most 1,048,576 are read"),
    ],
)
def test_forged_pictures_are_refused_by_their_own_name(text_png, texts, words):
    path = text_png(texts)
    with pytest.raises(BadRequest) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith("picture.png carries a")
    assert words in message
    assert str(path.parent) not in message


@pytest.mark.parametrize("keyword", [b"clip-atelier", b"parameters"])
def test_bomb_in_a_packed_text_is_not_unpacked(png_with, chunk, keyword):
    bomb = zlib.compress(b"a" * 50_000_000, 9)
    assert len(bomb) < 64 * 1024
    for path in (
        png_with(chunk(b"zTXt", keyword + b"\0\0" + bomb)),
        png_with(chunk(b"iTXt", keyword + b"\0\1\0\0\0" + bomb)),
    ):
        tracemalloc.start()
        with pytest.raises(BadRequest, match="unpacks to more than"):
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8_000_000


def test_honest_packed_texts_are_read(png_with, chunk, recipe):
    packed = zlib.compress(recipe.to_json().encode())
    assert read(png_with(chunk(b"zTXt", b"clip-atelier\0\0" + packed))) == recipe
    assert read(png_with(chunk(b"iTXt", b"clip-atelier\0\1\0en\0Rezept\0" + packed))) == recipe


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data[:-4], "is cut off"),
        (lambda data: data[:60], "is cut off"),
        (lambda data: data.replace(b"smiling", b"smoking"), "the checksum of its text"),
    ],
)
def test_damaged_png(recipe, photo, tmp_path, spoil, words):
    path = stamp_png(photo, recipe, tmp_path / "cat.png")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadRequest, match=words):
        read(path)


def test_damaged_packing(png_with, chunk, recipe):
    packed = zlib.compress(recipe.to_json().encode())
    with pytest.raises(BadRequest, match="is cut off, so no recipe"):
        read(png_with(chunk(b"zTXt", b"clip-atelier\0\0" + packed[:-10])))
    with pytest.raises(BadRequest, match="cannot be unpacked"):
        read(png_with(chunk(b"zTXt", b"clip-atelier\0\0" + b"junk" + packed)))


def test_two_recipes_are_one_too_many(png_with, chunk, recipe):
    one = chunk(b"tEXt", b"clip-atelier\0" + recipe.to_json().encode())
    with pytest.raises(BadRequest, match="there are two of them"):
        read(png_with(one, one))


def test_no_recipe(tmp_path, photo):
    photo.save(tmp_path / "plain.png")
    photo.save(tmp_path / "plain.jpg")
    photo.save(tmp_path / "plain.webp")
    photo.save(tmp_path / "plain.gif")
    (tmp_path / "words.txt").write_text("clip-atelier")
    (tmp_path / "empty.png").write_bytes(b"")
    assert [read(path) for path in sorted(tmp_path.iterdir())] == [None] * 6


def test_missing_files_and_folders_are_named_without_their_place(tmp_path):
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(BadRequest) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path.name} cannot be read")
        assert str(tmp_path.parent) not in str(caught.value)


def test_a_spoilt_byte_anywhere_never_surprises(recipe, photo, tmp_path):
    path = stamp_png(photo, recipe, tmp_path / "cat.png")
    sound = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(sound)
        for position in random.integers(8, len(data), size=random.integers(1, 4)):
            data[position] = random.integers(0, 256)
        path.write_bytes(bytes(data))
        try:
            assert read(path) in (recipe, None) or isinstance(read(path), ForeignRecipe)
        except BadRequest as error:
            assert str(error).startswith("cat.png ")

from __future__ import annotations

import os
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from common import ffmpeg
from common.ffmpeg import VideoError
from common.video import Sound, VideoWriter
from common.video_source import frames, probe
from safeguards import mp4_boxes
from safeguards.recipe import Recipe, read
from safeguards.stamp_video import stamp_video
from tests.common.video_files import make_video


@pytest.mark.parametrize("form", ["mp4", "gif", "webp"])
def test_a_film_gives_its_recipe_and_its_frames_back(film, film_recipe, tmp_path, form):
    path = stamp_video(film, film_recipe, tmp_path / f"done.{form}")
    assert read(path) == film_recipe
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, "film.mp4"])
    if form == "mp4":
        levels = [frame.mean() for frame in frames(probe(path, "mov"))]
    else:
        with Image.open(path) as opened:
            levels = [np.asarray(_frame(opened, index)).mean() for index in range(opened.n_frames)]
    assert np.allclose(levels, [0, 40, 80, 120, 160, 200], atol=4)


def _frame(opened: Image.Image, index: int) -> Image.Image:
    opened.seek(index)
    return opened.convert("RGB")


@pytest.mark.parametrize("form", ["mp4", "gif", "webp"])
def test_a_film_in_which_nothing_moves(film_recipe, tmp_path, form):
    with VideoWriter(tmp_path / "film.mp4", fps=10) as writer:
        for _ in range(3):
            writer.add(np.full((32, 48, 3), 100, np.uint8))
    path = stamp_video(writer.path, film_recipe, tmp_path / f"done.{form}")
    assert read(path) == film_recipe
    if form != "mp4":
        with Image.open(path) as opened:
            assert opened.size == (48, 32)
            assert abs(np.asarray(opened.convert("RGB")).mean() - 100) < 3


@pytest.mark.parametrize("form", ["mp4", "gif", "webp"])
def test_stamping_twice_gives_the_same_bytes(film, film_recipe, tmp_path, form):
    one, two = (stamp_video(film, film_recipe, tmp_path / f"{name}.{form}").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_film_may_be_stamped_where_it_lies(film, film_recipe):
    assert stamp_video(film, film_recipe, film) == film
    assert read(film) == film_recipe
    again = replace(film_recipe, seed=1)
    stamp_video(film, again, film)
    assert read(film) == again
    assert probe(film, "mov").frames == 6


def test_large_recipes_fit(film, film_recipe, tmp_path):
    big = replace(film_recipe, settings={"prompt": "x" * 20_000, "regions": ["y" * 20_000] * 2})
    for form in ("mp4", "gif", "webp"):
        assert read(stamp_video(film, big, tmp_path / f"big.{form}")) == big


def test_the_recipe_survives_being_put_into_another_film(film, film_recipe, tmp_path):
    path = stamp_video(film, film_recipe, tmp_path / "done.mp4")
    for name, options in {"copied.mp4": ("-c", "copy"), "smaller.mp4": ("-vf", "scale=16:16"), "new.mov": ()}.items():
        ffmpeg.check(["-v", "error", "-i", f"file:{path}", *options, f"file:{tmp_path / name}"], 30)
        assert isinstance(read(tmp_path / name), Recipe) or name.endswith(".mov")
    assert read(tmp_path / "copied.mp4") == film_recipe
    assert read(tmp_path / "smaller.mp4") == film_recipe


def test_says_that_a_machine_made_it(film, film_recipe, tmp_path):
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    path = stamp_video(film, film_recipe, tmp_path / "done.mp4")
    with open(path, "rb") as file:
        *_, last = mp4_boxes.walk(file, 0, path.stat().st_size)
        file.seek(last.start)
        assert (last.kind, file.read(16)) == (b"uuid", mp4_boxes.XMP.bytes)
        packet = file.read(last.end - last.start - 16).decode()
    root = ElementTree.fromstring(packet)
    assert root.find(".//{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType").text == kind
    with Image.open(stamp_video(film, film_recipe, tmp_path / "done.webp")) as opened:
        assert kind.encode() in opened.info["xmp"]
    assert b"c2pa.created" in stamp_video(film, film_recipe, tmp_path / "done.gif").read_bytes()


def test_texts_for_other_programs(film, film_recipe, tmp_path):
    said = ffmpeg.run(["-i", f"file:{stamp_video(film, film_recipe, tmp_path / 'done.mp4')}"], 30).said
    assert re.search(r"description +: a smiling cat, 3D style", said)
    assert re.search(r"encoder +: CLIP Atelier", said)


def test_sound_goes_in(film, film_recipe, tmp_path):
    talk = make_video(tmp_path / "talk.mp4", sound=True, coded=("-c:v", "libx264", "-c:a", "aac"))
    path = stamp_video(film, film_recipe, tmp_path / "done.mp4", Sound(probe(talk, "mov"), 0.6))
    assert probe(path, "mov").audio == "aac"
    assert read(path) == film_recipe


@pytest.mark.parametrize("form", ["mp4", "gif", "webp"])
def test_a_failed_stamp_leaves_nothing_and_keeps_the_film(film, film_recipe, tmp_path, monkeypatch, form):
    before = film.read_bytes()

    def killed(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        stamp_video(film, film_recipe, tmp_path / f"done.{form}")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert film.read_bytes() == before


def test_a_film_that_is_none(film_recipe, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"junk")
    with pytest.raises(VideoError):
        stamp_video(tmp_path / "film.mp4", film_recipe, tmp_path / "done.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]

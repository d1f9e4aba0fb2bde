from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.errors import AtelierError, Blocked
from common.ffmpeg import VideoError
from common.video import Sound, VideoWriter
from common.video_source import probe
from models.catalog import Catalog
from models.pool import ModelPool
from models.spec import ModelSpec
from safeguards import quota
from safeguards import release as releasing
from safeguards.recipe import read
from safeguards.release import release_video
from tests.common.video_files import make_video


class RedObjector:
    """A safety model that objects to red pictures and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[int] = []

    def unsafe(self, images: list[Image.Image]) -> list[bool]:
        self.shown.append(len(images))
        return [np.asarray(image)[..., 0].mean() > 200 for image in images]


@pytest.fixture
def objector() -> RedObjector:
    return RedObjector()


@pytest.fixture
def pool(settings, objector) -> ModelPool:
    facts = {"source": "pip:numpy", "revision": None, "licence": "MIT", "download_mb": 1, "memory_mb": 1}
    specs = [
        ModelSpec("small", "Small", "vqgan", "starter", load=lambda context: None, **facts),
        ModelSpec("large", "Large", "vqgan", "hub", load=lambda context: None, **facts),
        ModelSpec("objector", "Objector", "safety", "hub", load=lambda context: objector, **facts),
    ]
    return ModelPool(Catalog(specs, settings), replace(settings, precision="fp32"))


@pytest.fixture
def grow(settings):
    """`grow(red_from=None)`: a film of 24 frames in the output folder, black and from some frame on red."""

    def make(red_from: int = 99, lossless: bool = False) -> Path:
        folder = settings.output / "vqgan_clip"
        folder.mkdir(parents=True, exist_ok=True)
        with VideoWriter(quota.output_path(folder, ".mp4", 7), fps=12, lossless=lossless) as writer:
            for index in range(24):
                frame = np.zeros((32, 32, 3), np.uint8)
                frame[..., 0] = 255 * (index >= red_from)
                writer.add(frame)
        return writer.path

    return make


@pytest.mark.parametrize("form", ["mp4", "gif", "webp"])
def test_a_film_is_released_with_its_recipe_under_its_own_name(grow, recipe, settings, form):
    film = grow(lossless=form != "mp4")
    path, note = release_video(film, recipe, form, settings)
    assert (path, note) == (film.with_suffix(f".{form}"), "")
    assert read(path) == recipe
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert re.fullmatch(rf"clip-atelier-\d{{8}}-\d{{6}}-7-[0-9a-f]{{8}}\.{form}", path.name)


def test_a_hub_model_s_film_is_shown_to_the_safety_model(grow, recipe, settings, pool, objector):
    release_video(grow(), replace(recipe, model="small"), "mp4", settings, pool)
    assert objector.shown == []
    release_video(grow(), replace(recipe, model="large"), "mp4", settings, pool)
    assert objector.shown == [8]


def test_a_film_with_an_unsafe_end_is_not_shown_and_not_kept(grow, recipe, settings, pool):
    film = grow(red_from=20)
    with pytest.raises(Blocked, match="objected to this film"):
        release_video(film, replace(recipe, model="large"), "mp4", settings, pool)
    assert list(film.parent.iterdir()) == []


def test_sound_that_cannot_be_copied_is_said_and_the_film_kept(grow, recipe, settings, tmp_path):
    talk = probe(make_video(tmp_path / "talk.avi", sound=True, coded=("-c:v", "mjpeg", "-c:a", "pcm_s16le")), "avi")
    (tmp_path / "talk.avi").write_bytes(b"gone")
    path, note = release_video(grow(), recipe, "mp4", settings, sound=Sound(talk, 2.0))
    assert note == "The sound of the video could not be copied, so this film is silent."
    assert probe(path, "mov").frames == 24


def test_films_count_in_the_quota(grow, recipe, settings):
    old = grow()
    path, _ = release_video(grow(), recipe, "mp4", replace(settings, output_quota_gb=1e-6))
    assert path.is_file()
    assert not old.exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (VideoError("av_interleaved_write_frame(): No space left on device"), "the disk is full"),
        (OSError(13, "Permission denied"), "the output folder cannot be written to"),
    ],
)
def test_a_film_that_cannot_be_saved_is_not_lost(grow, recipe, settings, monkeypatch, error, words):
    def fail(*args: object) -> None:
        raise error

    film = grow()
    monkeypatch.setattr(releasing, "stamp_video", fail)
    with pytest.raises(AtelierError, match=words):
        release_video(film, recipe, "gif", settings)
    assert probe(film, "mov").frames == 24

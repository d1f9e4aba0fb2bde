from __future__ import annotations

import re
import time

import numpy as np
import pytest
import torch

from common.errors import AtelierError, BadRequest
from common.ffmpeg import VideoError
from common.video_source import frames, probe
from pipelines.vqgan_clip.film import Film, Glances, growing, released, tiled
from pipelines.vqgan_clip.outlook import MAX_FRAMES, FilmSettings, every_nth, outlook
from safeguards.recipe import Recipe, read
from tests.pipelines.vqgan_clip.film_services import film_services


@pytest.fixture
def services(tmp_path):
    return film_services(tmp_path)


@pytest.fixture
def recipe() -> Recipe:
    return Recipe("vqgan_clip", "colours", settings={"mode": "film"}, seed=5)


def flat(level: float, count: int = 1) -> torch.Tensor:
    return torch.full((count, 3, 16, 24), level)


def test_a_film_grows_and_is_released(services, recipe):
    film = Film(FilmSettings(10, "mp4"), services, seed=5)
    for index in range(5):
        film.add(flat(index / 5))
    made = released(film, flat(0.8), recipe)
    assert (made["frames"], made["fps"], made["model"], made["notes"]) == (5, 10, "Colours", ())
    assert read(made["path"]) == read(made["picture"]) == recipe
    assert re.search(r"clip-atelier-[\d-]+-5-[0-9a-f]{8}\.mp4$", made["path"].name)
    levels = [frame.mean() / 255 for frame in frames(probe(made["path"], "mov"))]
    assert np.allclose(levels, [0, 0.2, 0.4, 0.6, 0.8], atol=0.02)


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_other_forms_leave_no_second_file(services, recipe, form):
    film = Film(FilmSettings(10, form), services)
    film.add(flat(0.2))
    film.add(flat(0.9))
    made = released(film, None, recipe)
    assert read(made["path"]) == recipe
    assert [path.name for path in made["path"].parent.iterdir()] == [made["path"].name]
    assert made["picture"] is None


def test_several_canvases_lie_beside_and_below_each_other(services, recipe):
    three = torch.stack([torch.full((3, 4, 6), level) for level in (0.25, 0.5, 0.75)])
    sheet = tiled(three)
    assert sheet.shape == (3, 8, 12)
    assert [sheet[0, 1, 1], sheet[0, 1, 7], sheet[0, 5, 1], sheet[0, 5, 7]] == [0.25, 0.5, 0.75, 0]
    assert torch.equal(tiled(three[:1]), three[0])
    assert tiled(torch.rand(16, 3, 4, 6)).shape == (3, 16, 24)


def test_a_film_without_frames_is_none(services, recipe):
    made = released(Film(FilmSettings(), services), None, recipe)
    assert (made["path"], made["frames"]) == (None, 0)
    assert list((services.settings.output / "vqgan_clip").iterdir()) == []


def test_a_run_that_fails_leaves_its_film_playable(services):
    film = Film(FilmSettings(), services)
    with pytest.raises(MemoryError), growing(film):
        film.add(flat(0.5))
        film.add(flat(0.6))
        raise MemoryError
    assert probe(film.writer.path, "mov").frames == 2


@pytest.mark.parametrize("frames", [0, 2])
def test_a_run_whose_owner_is_gone_leaves_its_film_playable_if_it_has_frames(services, frames):
    film = Film(FilmSettings(), services)

    def run():
        with growing(film):
            film.add(flat(0.5), frames)
            yield

    going = run()
    next(going)
    going.close()
    left = list((services.settings.output / "vqgan_clip").iterdir())
    assert [probe(path, "mov").frames for path in left] == ([2] if frames else [])


def test_a_disk_that_takes_no_more_is_said(services, monkeypatch):
    def full(self: object, frame: object) -> None:
        raise VideoError("av_interleaved_write_frame(): No space left on device")

    film = Film(FilmSettings(), services)
    monkeypatch.setattr("common.video.VideoWriter.add", full)
    with pytest.raises(AtelierError, match="The film was made but could not be saved: the disk is full"):
        film.add(flat(0.5))


def test_an_output_folder_that_is_a_file_is_said(services):
    services.settings.output.write_text("not a folder")
    with pytest.raises(AtelierError, match="the output folder cannot be written to"):
        Film(FilmSettings(), services)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (FilmSettings(0, "mp4"), "The frame rate of MP4 is 0; allowed is a number from 1 to 120."),
        (FilmSettings(float("nan"), "mp4"), "The frame rate of MP4 is nan"),
        (FilmSettings(60, "gif"), "The frame rate of GIF is 60; allowed is a number from 1 to 50."),
        (FilmSettings("12", "mp4"), 'The frame rate of MP4 is "12"'),
        (FilmSettings(12, "avi"), 'The film format is "avi"; allowed are mp4, gif, webp.'),
    ],
)
def test_film_settings_that_are_not_allowed(settings, words):
    with pytest.raises(BadRequest, match=re.escape(words)):
        settings.check()


def test_film_settings_that_are():
    assert FilmSettings(24, "").check() == FilmSettings(24.0, "mp4")
    assert FilmSettings(50, "gif").check().fps == 50


def test_the_outlook_says_what_will_be():
    view = outlook(FilmSettings(12, "mp4"), 48, (128, 96), 500, seconds_per_step=0.3)
    assert (view.length, view.steps, view.seconds) == (4, 500, 150)
    assert 10_000 < view.bytes < 200_000
    assert view.sentence().startswith("48 frames of 128 × 96 pixels at 12 a second: 4 seconds of film, about 0.1 MB;")
    assert view.sentence().endswith("500 steps, about 2.5 minutes.")
    unknown = outlook(FilmSettings(12, "gif"), 48, (128, 96), 500)
    assert unknown.seconds is None
    assert unknown.sentence().endswith("; 500 steps.")
    assert unknown.bytes > view.bytes


@pytest.mark.parametrize(("steps", "fps", "length", "every"), [(500, 24, 10, 3), (100, 24, 10, 1), (481, 24, 10, 3)])
def test_steps_are_left_out_so_that_the_film_is_not_too_long(steps, fps, length, every):
    assert every_nth(steps, fps, length) == every
    assert -(-steps // every) <= fps * length
    with pytest.raises(BadRequest, match="length of the film"):
        every_nth(steps, fps, 0)


def test_glances_are_not_more_than_four_a_second(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    glances = Glances()
    seen = 0
    for _ in range(100):
        seen += bool(glances.at(flat(0.5)))
        now[0] += 0.1
    assert 30 <= seen <= 40  # in ten seconds
    assert [picture.size for picture in Glances().at(flat(0.5, 2))] == [(24, 16), (24, 16)]


def test_no_film_is_longer_than_ten_minutes():
    assert MAX_FRAMES / 30 == 600

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from common import ffmpeg
from common.errors import AtelierError, BadRequest
from common.video_source import frames, probe
from pipelines.steps import Stop
from pipelines.vqgan_clip.optimisation import Optimisation
from pipelines.vqgan_clip.optimisers import memory
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.restore import request_of
from pipelines.vqgan_clip.restyle import run
from pipelines.vqgan_clip.restyle_request import RestyleRequest
from pipelines.vqgan_clip.steering import Steer
from safeguards.recipe import read
from tests.common.video_files import make_video, shots
from tests.pipelines.vqgan_clip.film_services import film_services

IMAGE = VqganClipRequest("green", seed=1, cuts=4, rate=0.05, ema=0.5, noise=0.0, width=32, height=32)
REQUEST = RestyleRequest(IMAGE, first_steps=3, steps_per_frame=2, film=FilmSettings(10))


@pytest.fixture
def services(tmp_path):
    return film_services(tmp_path)


@pytest.fixture
def clip(tmp_path):
    """Five red frames, then five blue ones, with a tone."""
    silent = shots(tmp_path / "silent.mp4", ["red", "blue"])
    tone = ["-f", "lavfi", "-i", "sine=d=1", "-c:v", "copy", "-c:a", "aac", f"file:{tmp_path / 'clip.mp4'}"]
    ffmpeg.check(["-v", "error", "-i", f"file:{silent}", *tone], 30)
    return tmp_path / "clip.mp4"


def colours(path) -> np.ndarray:
    """The mean colour of each frame of a film, (frames, 3) in [0, 1]."""
    return np.stack([frame.mean((0, 1)) / 255 for frame in frames(probe(path, "mov"))])


def test_every_frame_follows_its_source(services, clip):
    *steps, result = run(replace(REQUEST, video=clip), services)
    assert [step.data["frame"] for step in steps] == [1] * 3 + [2, 2, 3, 3, 4, 4, 5, 5] + [6] * 3 + [
        7,
        7,
        8,
        8,
        9,
        9,
        10,
        10,
    ]
    assert [step.number for step in steps] == list(range(1, 23))
    assert steps[-1].total == 22  # the cut brought a step more
    assert (result.frames, result.fps, result.stopped) == (10, 10, False)
    film = colours(result.path)
    assert (film[:5].argmax(1) == 0).all()
    assert (film[5:].argmax(1) == 2).all()
    assert result.measures["scenes"] == 2
    assert result.measures["source_change"] == pytest.approx(0, abs=0.01)
    assert 0 < result.measures["change"] < 0.1
    assert np.abs(np.asarray(Image.open(result.picture)).mean((0, 1)) / 255 - film[-1]).max() < 0.03


def test_words_pull_and_so_does_the_source(services, clip):
    free = replace(IMAGE, rate=0.5)
    loose, tight = (
        colours([*run(replace(REQUEST, video=clip, image=free, pull=pull, follow=0.0), services)][-1].path)
        for pull in (0.0, 100.0)
    )
    assert loose[4, 1] > tight[4, 1] + 0.1  # towards green
    assert tight[4, 0] > loose[4, 0] + 0.1  # towards red


def test_the_sound_is_kept_and_ends_with_the_film(services, clip):
    *_, result = run(replace(REQUEST, video=clip, start=0.2, seconds=0.5), services)
    assert result.frames == 5
    done = probe(result.path, "mov")
    assert (done.audio, done.frames) == ("aac", 5)
    heard = ffmpeg.check(["-i", f"file:{result.path}", "-map", "0:a", "-f", "null", "-"], 30).said
    assert re.search(r"time=00:00:00\.[45]", heard)
    *_, silent = run(replace(REQUEST, video=clip, sound=False, seconds=0.2), services)
    assert probe(silent.path, "mov").audio == ""


def test_a_gif_says_that_it_has_no_sound(services, clip):
    *_, result = run(replace(REQUEST, video=clip, seconds=0.3, film=FilmSettings(10, "gif")), services)
    assert result.notes == ("A GIF has no sound; choose mp4 to keep that of the video.",)
    with Image.open(result.path) as opened:
        assert opened.n_frames == 3


@pytest.mark.parametrize("window", [1, 3, 5])
def test_nothing_is_smoothed_across_a_cut(services, clip, window):
    still = replace(IMAGE, rate=0.0001)
    request = replace(REQUEST, video=clip, image=still, window=window, first_steps=1, steps_per_frame=1)
    *_, result = run(request, services)
    film = colours(result.path)
    assert len(film) == 10
    assert film[:5, 2].max() < 0.05
    assert film[5:, 0].max() < 0.05


def test_a_new_scene_begins_without_the_momentum_of_the_last(services, clip, monkeypatch):
    seen = []
    step = Optimisation.step

    def watched(self: Optimisation) -> object:
        seen.append(int(memory(self.optimiser).get("step", 0)))
        return step(self)

    monkeypatch.setattr(Optimisation, "step", watched)
    list(run(replace(REQUEST, video=clip), services))
    assert seen.count(0) == 2 and seen[1] == 1


def test_without_cuts_the_smoothed_frames_lie_between(services, clip):
    still = replace(IMAGE, rate=0.0001, ema=0.0)
    request = replace(REQUEST, video=clip, image=still, cut=0.0, follow=1.0, first_steps=1, steps_per_frame=1, fall=0.0)
    sharp, smooth = (colours([*run(replace(request, window=window), services)][-1].path)[:, 2] for window in (1, 3))
    assert sharp[4] < 0.05
    assert 0.2 < smooth[4] < 0.5
    assert 0.5 < smooth[5] < 0.95
    assert sharp[5] > 0.95


def test_time_runs_as_in_the_source_whatever_the_frame_rate(services, clip):
    *_, result = run(replace(REQUEST, video=clip, film=FilmSettings(4)), services)
    film = colours(result.path)
    assert len(film) == 4
    assert film.argmax(1).tolist() == [0, 0, 2, 2]
    assert result.length == 1


def test_the_canvas_has_the_shape_of_the_video(services, tmp_path):
    wide = make_video(tmp_path / "wide.mp4", "128x64")
    open_ = replace(IMAGE, width=None, height=None)

    def shape(**sizes: int) -> tuple[int, int]:
        image = replace(REQUEST, video=wide, image=replace(open_, **sizes)).resolve(services.catalog).image
        return image.width, image.height

    assert shape() == (44, 24)  # of the area of 32 x 32
    assert shape(width=64) == (64, 32)
    assert shape(height=64) == (128, 64)
    assert shape(height=128) == (128, 128)  # no canvas is wider
    assert shape(width=32, height=32) == (32, 32)


def test_the_film_can_be_made_again_from_its_recipe(services, clip):
    *_, result = run(replace(REQUEST, video=clip), services)
    recipe = read(result.path)
    assert recipe.settings["film"]["mode"] == "restyle"
    assert clip.name not in recipe.to_json()
    assert len(recipe.parents) == 1
    again = replace(request_of(recipe), video=clip)
    assert again.resolve(services.catalog) == replace(REQUEST, video=clip).resolve(services.catalog)
    *_, twice = run(again, services)
    assert _undated(twice.path) == _undated(result.path)


def _undated(path) -> bytes:
    return re.sub(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", b"", path.read_bytes())


def test_stopped_in_the_middle_the_film_goes_so_far_and_so_does_the_sound(services, clip):
    going = run(replace(REQUEST, video=clip), services)
    for _ in range(9):  # into the fourth frame
        next(going)
    result = going.send(Stop())
    assert (result.stopped, result.frames) == (True, 4)
    assert probe(result.path, "mov").audio == "aac"


def test_the_pull_is_steered_from_the_next_frame_on(services, clip, monkeypatch):
    weights = []
    pull = Optimisation.pull
    monkeypatch.setattr(
        Optimisation, "pull", lambda self, pixels, weight: weights.append(weight) or pull(self, pixels, weight)
    )
    going = run(replace(REQUEST, video=clip, pull=3.0), services)
    for _ in range(4):  # into the second frame
        next(going)
    going.send(Steer(start_weight=7.0))
    list(going)
    assert weights == [3, 3] + [7] * 8


def test_when_its_owner_is_gone_the_film_is_left_and_no_reader_goes_on(services, clip, monkeypatch):
    begun = []
    begin = ffmpeg.start
    monkeypatch.setattr(ffmpeg, "start", lambda *args, **more: begun.append(begin(*args, **more)) or begun[-1])
    going = run(replace(REQUEST, video=clip), services)
    for _ in range(9):
        next(going)
    going.close()
    (film,) = (services.settings.output / "vqgan_clip").glob("*.mp4")
    assert probe(film, "mov").frames >= 1
    assert all(process.poll() is not None for process in begun)


def test_a_video_that_vanishes_is_said_and_the_film_is_kept(services, clip, monkeypatch):
    going = run(replace(REQUEST, video=clip), services)
    monkeypatch.setattr("common.video_source._read", lambda process, size: b"")
    with pytest.raises(BadRequest, match=r"clip\.mp4 can no longer be read"):
        list(going)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"video": ""}, "is missing or not a file. Choose a video."),
        ({"video": "gone.mp4"}, "gone.mp4 is missing or not a file"),
        ({"start": 1.5}, "clip.mp4 lasts 1.0 seconds; the start is 1.5, after its end."),
        ({"start": -1}, "The start is -1"),
        ({"seconds": 0}, "The seconds is 0"),
        ({"seconds": float("nan")}, "The seconds is nan"),
        ({"first_steps": 0}, "The number of first steps is 0"),
        ({"steps_per_frame": 2.5}, "The number of steps per frame is 2.5"),
        ({"pull": float("inf")}, "The pull is inf; allowed is a number from 0 to 100."),
        ({"follow": -0.1}, "The follow is -0.1"),
        ({"window": 2}, "The smoothing window is 2; allowed is a number from 1 to 15 in steps of 2."),
        ({"fall": 2}, "The fall is 2"),
        ({"cut": "often"}, 'The cut is "often"'),
        ({"sound": "yes"}, 'The sound is "yes"; allowed are true and false.'),
        ({"film": FilmSettings(12, "avi")}, 'The film format is "avi"'),
        ({"image": replace(IMAGE, runs=2)}, "The number of runs is 2; a film is painted on one canvas."),
        ({"image": replace(IMAGE, freeze=Image.new("L", (32, 32), 255))}, "A freeze mask cannot be used here"),
        ({"image": replace(IMAGE, prompts="x:inf")}, "inf"),
    ],
)
def test_what_cannot_be_restyled_is_refused(services, clip, changes, words):
    with pytest.raises(AtelierError, match=re.escape(words)):
        next(run(replace(REQUEST, **{"video": clip, **changes}), services))
    assert not services.settings.output.exists()


def test_a_broken_video_is_refused_before_anything_is_done(services, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")
    with pytest.raises(BadRequest, match=r"^broken\.mp4 has no pictures in it"):
        next(run(replace(REQUEST, video=tmp_path / "broken.mp4"), services))
    assert not services.settings.output.exists()


def test_the_outlook_before_the_start(services, clip):
    request = replace(REQUEST, video=clip).resolve(services.catalog)
    assert request.resolve(services.catalog) == request
    view = request.outlook(0.5)
    assert (view.frames, view.steps, view.length, view.seconds) == (10, 21, 1, 10.5)

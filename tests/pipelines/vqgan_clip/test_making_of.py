from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from common.video_source import frames, probe
from pipelines.steps import Stop
from pipelines.vqgan_clip.making_of import MakingOfRequest, run
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.restore import request_of
from pipelines.vqgan_clip.steering import Steer
from safeguards.recipe import read
from tests.pipelines.vqgan_clip.film_services import film_services

IMAGE = VqganClipRequest("red", seed=1, steps=8, cuts=4, rate=0.2, ema=0.0, noise=0.0, coarse=0.0)
REQUEST = MakingOfRequest(IMAGE, hold=0.5, film=FilmSettings(8))


@pytest.fixture
def services(tmp_path):
    return film_services(tmp_path)


def redness(path) -> list[float]:
    return [float(f[..., 0].mean() - f[..., 1:].mean()) / 255 for f in frames(probe(path, "mov"))]


def test_every_step_is_a_frame_and_the_last_is_held(services):
    *steps, result = run(REQUEST, services)
    assert [step.number for step in steps] == list(range(1, 9))
    assert (result.frames, result.length) == (8 + 3, 11 / 8)
    assert REQUEST.resolve(services.catalog).outlook().frames == 11
    film = redness(result.path)
    assert film[7] > film[0] + 0.05
    assert film[7:] == pytest.approx([film[7]] * 4, abs=0.01)
    assert result.made.steps == 8
    assert result.picture == result.made.pictures[0].path
    assert read(result.picture).settings.get("film") is None  # the picture is one of a run like any other
    assert result.checkpoints == result.made.checkpoints != {}


def test_steps_are_left_out_so_that_the_film_is_as_long_as_wanted(services):
    request = replace(REQUEST, length=0.5).resolve(services.catalog)
    assert (request.every, request.outlook().frames) == (2, 4 + 4)
    *_, result = run(request, services)
    assert result.frames == 4 + 4


def test_several_canvases_side_by_side(services):
    request = replace(REQUEST, image=replace(IMAGE, runs=3, refill=False)).resolve(services.catalog)
    *_, result = run(request, services)
    info = probe(result.path, "mov")
    view = request.outlook()
    assert (info.width, info.height) == (view.width, view.height) == (64, 64)
    last = [*frames(info)][-1]
    assert last[40:, 40:].max() < 30  # there is no fourth


def test_the_film_can_be_made_again_from_its_recipe(services):
    going = run(REQUEST, services)
    next(going)
    going.send(Steer(rate=0.5))
    *_, result = going
    recipe = read(result.path)
    assert recipe.settings["film"]["mode"] == "making_of"
    assert recipe.settings["log"] == [{"step": 1, "rate": 0.5}]
    *_, twice = run(request_of(recipe), services)
    assert _undated(twice.path) == _undated(result.path)


def _undated(path) -> bytes:
    return re.sub(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", b"", path.read_bytes())


def test_stopped_there_are_film_and_picture(services):
    going = run(REQUEST, services)
    for _ in range(3):
        next(going)
    result = going.send(Stop())
    assert (result.stopped, result.frames) == (True, 3 + 3)
    assert probe(result.path, "mov").frames == 6
    assert Image.open(result.picture).size == (32, 32)


def test_when_its_owner_is_gone_film_and_checkpoint_are_left(services):
    going = run(REQUEST, services)
    next(going)
    going.close()
    (film,) = (services.settings.output / "vqgan_clip").glob("*.mp4")
    assert probe(film, "mov").frames == 1
    assert list((services.settings.output / "vqgan_clip").glob("*.safetensors"))
    assert [status.users for status in services.pool.status()] == [0] * len(services.pool.status())


def test_a_failure_leaves_the_film_so_far(services, monkeypatch):
    going = run(REQUEST, services)
    for _ in range(3):
        next(going)

    def fail(self: object) -> None:
        raise MemoryError

    monkeypatch.setattr("pipelines.vqgan_clip.optimisation.Optimisation.step", fail)
    with pytest.raises(MemoryError):
        list(going)
    (film,) = (services.settings.output / "vqgan_clip").glob("*.mp4")
    assert probe(film, "mov").frames == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"length": 0}, "The length of the film is 0; allowed is a number from 0.1 to 600."),
        ({"hold": -1}, "The hold is -1"),
        ({"film": FilmSettings(-1)}, "The frame rate of MP4 is -1"),
        ({"image": replace(IMAGE, steps=0)}, "The number of steps is 0"),
    ],
)
def test_what_is_not_allowed(services, changes, words):
    with pytest.raises(BadRequest, match=re.escape(words)):
        next(run(replace(REQUEST, **changes), services))
    assert not services.settings.output.exists()


def test_frames_are_those_that_the_steps_saw(services):
    *steps, result = run(REQUEST, services)
    first = next(frames(probe(result.path, "mov")))
    assert np.abs(first.astype(float) - np.asarray(steps[0].previews[0])).mean() < 4

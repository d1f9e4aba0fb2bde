"""What may be said to a film while it is painted, shown by a flight."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from common.video_source import probe
from pipelines.steps import Stop
from pipelines.vqgan_clip import checkpoint
from pipelines.vqgan_clip.conduct import Conductor
from pipelines.vqgan_clip.flight import FlightRequest, run
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.restore import request_of
from pipelines.vqgan_clip.steering import Pause, Resume, Steer
from safeguards.recipe import read
from tests.pipelines.vqgan_clip.film_services import film_services

RED = VqganClipRequest("red", seed=1, cuts=4, rate=0.2, ema=0.5, noise=0.0)
REQUEST = FlightRequest(RED, "0: 1, 6.25", frames=4, first_steps=3, steps_per_frame=2)


@pytest.fixture
def services(tmp_path):
    return film_services(tmp_path)


def _undated(path) -> bytes:
    return re.sub(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", b"", path.read_bytes())


def test_stopped_in_the_middle_of_a_frame(services):
    going = run(REQUEST, services)
    for _ in range(6):  # one step into the third frame
        next(going)
    result = going.send(Stop())
    assert (result.stopped, result.frames) == (True, 2)
    assert probe(result.path, "mov").frames == 2
    assert 6 in result.checkpoints


def test_stopped_at_the_end_of_a_frame_it_counts(services):
    going = run(REQUEST, services)
    for _ in range(7):
        next(going)
    result = going.send(Stop())
    assert (result.stopped, result.frames) == (True, 3)


def test_stopped_in_the_first_frame_there_is_a_picture(services):
    going = run(REQUEST, services)
    next(going)
    result = going.send(Stop())
    assert (result.stopped, result.frames) == (True, 1)
    assert result.picture.is_file()


def test_when_its_owner_is_gone_film_and_checkpoint_are_left(services):
    going = run(REQUEST, services)
    for _ in range(6):
        next(going)
    going.close()
    (film,) = (services.settings.output / "vqgan_clip").glob("*.mp4")
    assert probe(film, "mov").frames == 2
    saved = (checkpoint.load(path) for path in (services.settings.output / "vqgan_clip").glob("*.safetensors"))
    assert max(each.step for each in saved) == 6


def test_a_failure_leaves_the_frames_there_are(services, monkeypatch):
    going = run(REQUEST, services)
    for _ in range(6):
        next(going)

    def fail(self: object) -> None:
        raise MemoryError

    monkeypatch.setattr("pipelines.vqgan_clip.optimisation.Optimisation.step", fail)
    with pytest.raises(MemoryError):
        list(going)
    (film,) = (services.settings.output / "vqgan_clip").glob("*.mp4")
    assert probe(film, "mov").frames == 2


def test_it_can_be_paused_and_steered_and_says_so(services, monkeypatch):
    monkeypatch.setattr("pipelines.vqgan_clip.listening.NAP", 0)
    going = run(REQUEST, services)
    first = next(going)
    assert [going.send(Pause()).data.get("paused"), next(going).data.get("paused")] == [True, True]
    assert going.send(Steer(rate=0.5)).data["paused"]
    assert next(going).number == first.number
    assert going.send(Resume()).number == 2
    assert "prompt 5" in going.send(Steer(weight=(5, 1.0))).note  # refused, and the run goes on
    *_, result = going
    assert [line["step"] for line in result.log] == [1]
    assert result.log[0]["rate"] == 0.5
    recipe = read(result.path)
    assert recipe.settings["log"] == [dict(result.log[0])]
    *_, again = run(request_of(recipe), services)
    assert _undated(again.path) == _undated(result.path)
    assert _undated(again.path) != _undated([*run(REQUEST, services)][-1].path)


def test_only_the_first_frame_begins_coarsely(services, monkeypatch):
    seen = []
    smoothed = Conductor._refine

    def spy(self, part):
        smoothed(self, part)
        seen.append((self.canvas.step_number, self.canvas.request.coarse))

    monkeypatch.setattr(Conductor, "_refine", spy)
    list(run(replace(REQUEST, image=replace(RED, coarse=2.0), first_steps=10), services))
    coarse = [value for _, value in seen]
    assert coarse[0] == pytest.approx(2)
    assert coarse[1] > coarse[4] > 0
    assert coarse[7:] == [0] * (len(coarse) - 7)

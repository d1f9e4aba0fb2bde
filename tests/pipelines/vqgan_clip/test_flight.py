from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from common.errors import AtelierError, BadRequest
from common.video_source import frames, probe
from pipelines.vqgan_clip.flight import FlightRequest, move, run
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.restore import request_of
from pipelines.vqgan_clip.view import UNMOVED, Motion, matrix
from safeguards.recipe import read
from tests.pipelines.vqgan_clip.film_services import film_services

RED = VqganClipRequest("red", seed=1, cuts=4, rate=0.2, ema=0.5, noise=0.0)
REQUEST = FlightRequest(RED, "0: 1, 6.25", frames=4, first_steps=3, steps_per_frame=2)


@pytest.fixture
def services(tmp_path):
    return film_services(tmp_path)


def halves() -> Image.Image:
    """Left black, right white."""
    picture = Image.new("RGB", (32, 32))
    picture.paste("white", (16, 0, 32, 32))
    return picture


def levels(path) -> list[np.ndarray]:
    return [frame / 255 for frame in frames(probe(path, "mov"))]


def test_a_flight_paints_frame_after_frame(services):
    *steps, result = run(REQUEST, services)
    assert [step.number for step in steps] == list(range(1, 10))
    assert {step.total for step in steps} == {9}
    assert [step.data["frame"] for step in steps] == [1, 1, 1, 2, 2, 3, 3, 4, 4]
    assert steps[0].previews[0].size == (32, 32)
    assert steps[-1].data["left"] == 0
    assert (result.frames, result.fps, result.stopped, result.model) == (4, 12, False, "Colours")
    pictures = levels(result.path)
    assert len(pictures) == 4
    redness = [picture[..., 0].mean() - picture[..., 1:].mean() for picture in pictures]
    assert redness[-1] > redness[0] + 0.02  # it goes on being painted
    assert np.abs(np.asarray(Image.open(result.picture)) / 255 - pictures[-1]).mean() < 0.03
    assert result.checkpoints
    assert all(path.is_file() for path in result.checkpoints.values())


def test_the_camera_moves(services):
    image = replace(RED, start_image=halves(), rate=0.0001, ema=0)
    for keep in (0.0, 0.5, 1.0):
        request = replace(
            REQUEST, image=image, first_steps=0, steps_per_frame=1, frames=5, camera="0: 1, 12.5", keep=keep
        )
        *_, result = run(request, services)
        shares = [float(picture[:, :].mean()) for picture in levels(result.path)]
        # Four pixels a frame to the right, where what comes into view mirrors the white half.
        assert shares == pytest.approx([0.5, 0.625, 0.75, 0.875, 1.0], abs=0.03)


def test_real_networks_too(services):
    *_, result = run(
        replace(REQUEST, image=replace(RED, model="random", width=48), frames=3, camera="0: 1.05"), services
    )
    info = probe(result.path, "mov")
    assert (info.frames, info.width, info.height) == (3, 48, 32)


def test_a_camera_that_stays_encodes_nothing(services, monkeypatch):
    shown = []
    monkeypatch.setattr("pipelines.vqgan_clip.optimisation.Optimisation.show", lambda *args: shown.append(args))
    *_, result = run(replace(REQUEST, camera="0: 1"), services)
    assert (shown, result.frames) == ([], 4)


def test_the_latent_and_the_moments_move_along(services):
    image = replace(RED, start="noise", optimiser="Adam").resolve(services.catalog)
    with opened(image, services) as canvas:
        canvas.step()
        before, z = canvas.state_dict(), canvas.z.detach().clone()
        move(canvas, canvas.picture(), UNMOVED, 1.0, "wrap")
        assert torch.equal(canvas.z, z)
        move(canvas, canvas.picture(), matrix(Motion(pan_x=25), 32, 32), 1.0, "wrap")
        after = canvas.state_dict()
    for name in ("z", "goal", "optimiser.exp_avg", "optimiser.exp_avg_sq"):
        assert torch.allclose(after[name], before[name].roll(-2, -1), atol=1e-5), name
    for name in ("step", "random.cuts", "seeds"):
        assert torch.equal(after[name], before[name])


def test_frames_between_are_warped_and_blended(services):
    image = replace(RED, start_image=halves(), rate=0.0001, ema=0)
    request = replace(
        REQUEST, image=image, first_steps=0, steps_per_frame=1, frames=6, between=1, camera="0: 1, 12.5", keep=1.0
    )
    assert request.painted == (0, 2, 4, 5)
    *steps, result = run(request, services)
    assert [step.data["frame"] for step in steps] == [3, 5, 6]
    shares = [float(picture.mean()) for picture in levels(result.path)]
    assert shares[:5] == pytest.approx([0.5, 0.625, 0.75, 0.875, 1.0], abs=0.04)
    assert result.frames == 6


def test_the_film_can_be_made_again_from_its_recipe(services):
    *_, result = run(REQUEST, services)
    recipe = read(result.path)
    assert read(result.picture) == recipe
    again = request_of(recipe)
    assert isinstance(again, FlightRequest)
    assert again.resolve(services.catalog) == REQUEST.resolve(services.catalog)
    *_, twice = run(again, services)
    assert _undated(twice.path) == _undated(result.path)


def _undated(path) -> bytes:
    return re.sub(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", b"", path.read_bytes())


def test_a_flight_goes_on_from_a_checkpoint(services):
    *_, first = run(REQUEST, services)
    path = first.checkpoints[9]
    request = replace(REQUEST, image=replace(RED, checkpoint=path, coarse=2.0), first_steps=0).resolve(services.catalog)
    assert (request.steps, request.image.steps) == (6, 15)
    *steps, result = run(request, services)
    assert [step.number for step in steps] == list(range(10, 16))
    assert result.frames == 4
    assert "from a checkpoint" in result.notes[0]
    start, end = levels(result.path)[0], np.asarray(Image.open(first.picture)) / 255
    assert np.abs(start - end).mean() < 0.03
    path.write_bytes(b"broken")
    with pytest.raises(BadRequest, match="is no checkpoint, or a damaged one"):
        request.resolve(services.catalog)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera": "4: 1.1"}, "goes on to frame 4, but the film has 4 frames, 0 to 3"),
        ({"camera": "0 1"}, "has no colon"),
        ({"frames": 1}, "The number of frames is 1; allowed is a whole number from 2 to 18000."),
        ({"frames": float("inf")}, "The number of frames is inf"),
        ({"first_steps": -1}, "The number of first steps is -1"),
        ({"steps_per_frame": 0}, "The number of steps per frame is 0"),
        ({"frames": 18_000, "steps_per_frame": 1000}, "The number of steps of the whole flight is 17999003"),
        ({"between": 16}, "The number of frames between is 16"),
        ({"keep": 1.1}, "The keep is 1.1; allowed is a number from 0 to 1."),
        ({"keep": float("nan")}, "The keep is nan"),
        ({"fill": "mirror"}, 'The fill is "mirror"; allowed are reflect, edge, wrap, black.'),
        ({"film": FilmSettings(0)}, "The frame rate of MP4 is 0"),
        ({"image": replace(RED, runs=3)}, "The number of runs is 3; a film is painted on one canvas. Set it to 1."),
        ({"image": replace(RED, prompts="")}, "prompt"),
        ({"image": replace(RED, width=33)}, "The width is 33; allowed is a multiple of 4 from 16 to 128."),
    ],
)
def test_flights_that_cannot_be_flown_are_refused(services, changes, words):
    with pytest.raises(BadRequest, match=re.escape(words)):
        replace(REQUEST, **changes).resolve(services.catalog)
    with pytest.raises(AtelierError, match=re.escape(words)):
        next(run(replace(REQUEST, **changes), services))
    assert not services.settings.output.exists()


def test_resolving_twice_changes_nothing_more(services):
    once = REQUEST.resolve(services.catalog)
    assert once.resolve(services.catalog) == once
    assert (once.image.steps, once.steps) == (9, 9)
    assert once.outlook(2.0).sentence().startswith("4 frames of 32 × 32 pixels at 12 a second: 0.3 seconds of film")
    assert once.outlook(2.0).seconds == 18


@pytest.mark.parametrize(("frames_", "between"), [(2, 0), (2, 5), (7, 2), (8, 2), (9, 2), (48, 3)])
def test_every_frame_is_painted_or_lies_between_two_that_are(frames_, between):
    painted = replace(REQUEST, frames=frames_, between=between).painted
    assert (painted[0], painted[-1]) == (0, frames_ - 1)
    assert max(np.diff(painted)) <= between + 1
    assert len(set(painted)) == len(painted)

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from common.errors import BadRequest
from common.images import content_hash
from common.video_source import frames, probe
from pipelines.steps import Stop
from pipelines.vqgan_clip.interpolate import InterpolateRequest, mixed, run
from pipelines.vqgan_clip.outlook import FilmSettings
from safeguards.recipe import read
from tests.pipelines.vqgan_clip.film_services import film_services


@pytest.fixture
def services(tmp_path):
    return film_services(tmp_path)


def plain(colour: str, size: tuple[int, int] = (32, 32)) -> Image.Image:
    return Image.new("RGB", size, colour)


REQUEST = InterpolateRequest((plain("red"), plain("blue")), frames=4, way="lerp", smooth=False)


def colours(path) -> np.ndarray:
    """The mean colour of each frame of a film, (frames, 3) in [0, 1]."""
    return np.stack([frame.mean((0, 1)) / 255 for frame in frames(probe(path, "mov"))])


def test_from_one_picture_to_the_next(services):
    *steps, result = run(REQUEST, services)
    assert [step.number for step in steps] == [1, 2, 3, 4, 5]
    assert {step.total for step in steps} == {5}
    assert steps[0].previews[0].size == (32, 32)
    assert (result.frames, result.fps, result.length, result.stopped) == (5, 12, 5 / 12, False)
    expected = [(1 - part, 0, part) for part in (0, 0.25, 0.5, 0.75, 1)]
    assert np.allclose(colours(result.path), expected, atol=0.03)
    assert np.allclose(np.asarray(Image.open(result.picture)).mean((0, 1)), (0, 0, 255), atol=2)


def test_the_film_carries_its_recipe(services):
    *_, result = run(REQUEST, services)
    recipe = read(result.path)
    assert (recipe.task, recipe.model) == ("vqgan_clip", "colours")
    film = recipe.settings["film"]
    assert (film["mode"], film["fps"], film["form"], film["way"]) == ("interpolation", 12.0, "mp4", "lerp")
    assert (recipe.settings["width"], recipe.settings["height"]) == (32, 32)
    assert recipe.parents == (content_hash(plain("red")), content_hash(plain("blue")))
    assert result.recipe["settings"] == recipe.settings


def test_round_and_round(services):
    *_, result = run(replace(REQUEST, loop=True), services)
    expected = [(1, 0, 0), (0.75, 0, 0.25), (0.5, 0, 0.5), (0.25, 0, 0.75), (0, 0, 1)]
    expected += [(0.25, 0, 0.75), (0.5, 0, 0.5), (0.75, 0, 0.25)]
    assert np.allclose(colours(result.path), expected, atol=0.03)


def test_slowly_at_the_pictures(services):
    *_, result = run(replace(REQUEST, smooth=True), services)
    assert np.allclose(colours(result.path)[:, 2], [0, 0.156, 0.5, 0.844, 1], atol=0.03)


def test_codes_only(services):
    *_, result = run(replace(REQUEST, quantise=True, frames=20), services)
    steps = colours(result.path)[:, 2]
    assert np.abs(steps * 5 - np.rint(steps * 5)).max() < 0.15  # the codes' colours have six levels
    assert len(np.unique(np.rint(steps * 5))) == 6


def test_real_networks_too(services):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8))
    *_, result = run(replace(REQUEST, model="random", pictures=(noise, plain("red")), width=48), services)
    info = probe(result.path, "mov")
    assert (info.frames, info.width, info.height) == (5, 48, 32)
    with services.pool.use("random") as vqgan, torch.no_grad():
        red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 32, 48)
        last = vqgan.decode(vqgan.encode(red)).clamp(0, 1)[0].permute(1, 2, 0)
    assert np.abs(np.asarray(Image.open(result.picture)) / 255 - last.numpy()).max() < 0.01


def test_stopped_in_the_middle(services):
    going = run(replace(REQUEST, frames=50), services)
    for _ in range(3):
        next(going)
    result = going.send(Stop())
    assert (result.stopped, result.frames) == (True, 3)
    assert probe(result.path, "mov").frames == 3


def test_discarded_in_the_middle(services):
    going = run(REQUEST, services)
    next(going)
    going.close()
    (film,) = (services.settings.output / "vqgan_clip").iterdir()
    assert probe(film, "mov").frames == 1


def test_the_same_request_gives_the_same_bytes(services):
    def stamped_out(path) -> bytes:
        return re.sub(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", b"", path.read_bytes())

    first, second = ([*run(REQUEST, services)][-1] for _ in range(2))
    assert stamped_out(first.path) == stamped_out(second.path)


def test_uploads_are_admitted_and_cut_to_the_canvas(services, tmp_path):
    wide = Image.new("RGBA", (90, 30), (0, 0, 0, 0))
    wide.paste((0, 255, 0, 255), (30, 0, 60, 30))
    wide.save(tmp_path / "wide.png")
    *_, result = run(replace(REQUEST, pictures=(tmp_path / "wide.png", plain("red"))), services)
    assert np.allclose(colours(result.path)[0], (0, 1, 0), atol=0.03)
    assert result.notes == ("wide.png: transparent parts were put on white",)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(BadRequest, match=r"^broken\.png "):
        list(run(replace(REQUEST, pictures=(tmp_path / "broken.png", plain("red"))), services))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pictures": ()}, "The number of pictures to go between is 0; allowed are 2 to 64."),
        ({"pictures": (plain("red"),)}, "The number of pictures to go between is 1"),
        ({"pictures": (plain("red"),) * 65}, "The number of pictures to go between is 65"),
        ({"frames": 0}, "The number of frames is 0; allowed is a whole number from 1 to 18000."),
        ({"frames": 2.5}, "The number of frames is 2.5"),
        ({"frames": 9_001, "loop": True}, "The length of the film in frames is 18002"),
        ({"way": "squiggle"}, 'The way is "squiggle"; allowed are slerp, lerp.'),
        ({"quantise": 1}, "The quantise is 1; allowed are true and false."),
        ({"width": 30}, "The width is 30; allowed is a multiple of 4 from 16 to 128."),
        ({"model": "mean-colour"}, "is no model for this; allowed are colours, random."),
        ({"film": FilmSettings(60, "gif")}, "The frame rate of GIF is 60"),
    ],
)
def test_requests_that_are_not_allowed(services, changes, words):
    with pytest.raises(BadRequest, match=re.escape(words)):
        replace(REQUEST, **changes).resolve(services.catalog)
    assert not services.settings.output.exists()


def test_resolving_twice_changes_nothing_more(services):
    once = REQUEST.resolve(services.catalog)
    assert once.resolve(services.catalog) == once
    assert (once.model, once.width, once.height, once.total) == ("colours", 32, 32, 5)
    assert once.outlook(0.5).sentence().startswith("5 frames of 32 × 32 pixels at 12 a second: 0.4 seconds of film")


def test_slerp_turns_at_an_even_speed_and_keeps_its_length():
    one, other = torch.tensor([[2.0, 0, 0]]), torch.tensor([[0.0, 4, 0]])
    shape = (1, 3, 1, 1)
    for part in (0.0, 0.25, 0.5, 1.0):
        z = mixed(one.view(shape), other.view(shape), part).view(3)
        angle = torch.atan2(z[1], z[0])
        assert angle.item() == pytest.approx(part * np.pi / 2, abs=1e-5)
        assert z.norm().item() == pytest.approx(2 + 2 * part, abs=1e-5)


@pytest.mark.parametrize("other", [[1.0, 0, 0], [-1.0, 0, 0], [0.0, 0, 0], [2.0, 0, 0]])
def test_slerp_where_no_way_is_the_shortest(other):
    one, other = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.tensor(other).view(1, 3, 1, 1)
    z = mixed(one, other, 0.25)
    assert torch.allclose(z, torch.lerp(one, other, 0.25), atol=1e-4)


def test_the_ends_of_slerp_are_exact():
    one, other = torch.randn(2, 4, 3, 5), torch.randn(2, 4, 3, 5)
    assert torch.equal(mixed(one, other, 0), one)
    assert torch.equal(mixed(one, other, 1), other)


@pytest.fixture
def left(services):
    """A checkpoint that a run of two steps left, and the mean colour of its first canvas."""
    from pipelines.vqgan_clip.request import VqganClipRequest
    from pipelines.vqgan_clip.run import run as run_picture

    asked = VqganClipRequest("red", model="colours", start="noise", steps=2, cuts=4, width=32, height=32, seed=3)
    *_, result = run_picture(asked, services)
    picture = next(each for each in result.pictures if each.index == 0)
    return result.checkpoints[2], np.asarray(Image.open(picture.path)).mean((0, 1)) / 255


def test_from_a_checkpoint_to_a_picture(services, left):
    path, colour = left
    *_, result = run(replace(REQUEST, model="colours", quantise=True, pictures=(path, plain("blue"))), services)
    seen = colours(result.path)
    assert np.allclose(seen[0], colour, atol=0.02) and np.allclose(seen[-1], (0, 0, 1), atol=0.03)


@pytest.mark.parametrize(
    ("changes", "words"), [({"width": 64}, "32 x 32 pixels"), ({"model": "random"}, "with colours")]
)
def test_a_checkpoint_of_another_film_is_refused(services, left, changes, words):
    with pytest.raises(BadRequest, match=words):
        list(run(replace(REQUEST, **{"model": "colours", **changes}, pictures=(left[0], plain("blue"))), services))


def test_what_is_no_checkpoint_is_refused(services, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadRequest, match=r"x\.safetensors is no checkpoint"):
        list(run(replace(REQUEST, pictures=(tmp_path / "x.safetensors", plain("blue"))), services))

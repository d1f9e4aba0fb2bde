import json
from types import SimpleNamespace

import pytest
from PIL import Image

from common.errors import BadRequest
from pipelines.vqgan_clip.film import film_table
from pipelines.vqgan_clip.flight import FlightRequest
from pipelines.vqgan_clip.making_of import MakingOfRequest
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.plain import to_plain
from pipelines.vqgan_clip.request import Region, VqganClipRequest
from safeguards.recipe import Recipe, stamp_png
from tabs.vqgan_clip_request import make
from tabs.vqgan_clip_restore import remembered, restored, settings_of
from tabs.vqgan_clip_results import prompt_of
from tests.tabs.conftest import named

ASKED = VqganClipRequest(
    "a cat:2 | fog:-1", model="tiny-vqgan", clips=("tiny-judge",), width=64, height=48, steps=33, seed=2**60, runs=3,
    optimiser="RAdam", rate=0.2, cuts=9, cuts_end=20, preset="pooled", noise_prompts="7:0.5", tv=1.5, start="perlin",
    log=({"step": 3, "rate": 0.4},),
)  # fmt: skip


def stamped(request, path, film=None, **more):
    settings = {name: value for name, value in to_plain(request).items() if name != "seed"}
    if film is not None:
        settings["film"] = film
    recipe = Recipe("vqgan_clip", request.model, settings=settings, seed=request.seed, **more)
    return str(stamp_png(Image.new("RGB", (8, 8)), recipe, path))


def through(room, updates):
    """The request of the room after these updates."""
    values = {
        **room.named([None] * len(room.parts)),
        **{k: v for k, v in named(room, updates).items() if k in room.parts},
    }
    return make(values, room.services)


def test_a_picture_brings_every_setting_back(room, tmp_path):
    request = ASKED.resolve(room.services.catalog)
    text, updates = restored(stamped(request, tmp_path / "a.png"), room)
    assert "All settings" in text and through(room, updates) == request


def test_a_film_brings_its_mode_and_its_table_back(room, tmp_path):
    image = VqganClipRequest("a cat", model="tiny-vqgan", clips=("tiny-judge",), seed=5)
    camera = "0: 1.1, 2, 0, 0\n9: 1, 0, 0, -3"
    request = FlightRequest(image, camera, frames=12, first_steps=4, film=FilmSettings(20, "gif"))
    request = request.resolve(room.services.catalog)
    film = {"mode": "flight", **film_table(request)}
    _, updates = restored(stamped(request.image, tmp_path / "a.png", film), room)
    assert through(room, updates) == request


def test_a_making_of_comes_back_as_one(room):
    request = MakingOfRequest(ASKED, length=7, film=FilmSettings(24)).resolve(room.services.catalog)
    settings = settings_of(request)
    assert settings["film.making_of"] and settings["film.length"] == 7 and settings["film.fps"] == 24


def test_regions_come_back_without_their_paint(room, tmp_path):
    request = VqganClipRequest("a cat", model="tiny-vqgan", regions=(Region("a hat", Image.new("L", (32, 32), 255)),))
    path = stamped(request.resolve(room.services.catalog), tmp_path / "a.png", parents=("x",))
    text, updates = restored(path, room)
    assert named(room, updates)["region.1"] == "a hat" and "add it again" in text


def test_another_room_gives_its_prompt_only(room, tmp_path):
    recipe = Recipe("text_to_image", "x", settings={"prompt": "a cat", "steps": 5}, seed=7)
    path = stamp_png(Image.new("RGB", (8, 8)), recipe, tmp_path / "a.png")
    assert named(room, restored(str(path), room)[1]) == {"prompts": "a cat"}


def test_what_is_no_checkpoint_is_one_sentence(room, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(BadRequest, match=r"x\.safetensors is no checkpoint"):
        restored(str(tmp_path / "x.safetensors"), room)


def test_what_a_browser_remembers_brings_the_controls_back(room):
    kept = json.loads(json.dumps(room.kept([part.value for part in room.inputs])))
    kept |= {"prompts": "a cat", "mode": "flight", "start": "image", "steps": "x", "model": "gone", "rate": None}
    values = named(room, remembered(kept, room))
    assert values["prompts"] == "a cat" and values["mode"] == "flight"
    assert not {"start", "steps", "model", "rate", "painting"} & set(values)
    assert named(room, remembered({"mode": 3, "clips": "x", "flight.camera": [["a" * 99, {}]]}, room)) == {}


def test_who_drafted_comes_back(room, tmp_path):
    image = VqganClipRequest("a cat", model="tiny-vqgan", clips=("tiny-judge",), seed=5, draft_model="tiny-slow")
    request = image.resolve(room.services.catalog)
    assert request.start == "draft"
    _, updates = restored(stamped(request, tmp_path / "a.png"), room)
    assert through(room, updates) == request
    assert updates[room.groups["start draft"]].visible


def test_another_model_leaves_the_picture_to_start_from(room):
    assert named(room, room.for_model("tiny-vqgan", "image"))["start"] == "image"
    assert room.for_model("tiny-vqgan", "image")[room.groups["start image"]].visible
    assert named(room, room.for_model("tiny-vqgan", "perlin"))["start"] == "draft"


@pytest.mark.parametrize(
    ("prompts", "words"),
    [("text:-0.5 | a heart:2 | b", "a heart"), (r"a ^ 16\:9", "16:9"), ("fog:-1", ""), ("", "")],
)
def test_what_a_picture_was_made_from_in_words(prompts, words):
    assert prompt_of(SimpleNamespace(recipe={"settings": {"prompts": prompts}})) == words

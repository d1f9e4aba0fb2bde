"""The named endpoints as a program uses them, through gradio_client."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from safeguards.recipe import Recipe, read

SNAPSHOT = Path(__file__).with_name("endpoints.json")


@pytest.fixture(scope="module")
def client(atelier) -> Client:
    return Client(atelier.url, verbose=False)


def public_face(info: dict) -> dict:
    """Names, arguments, types and defaults of what programs may call."""
    return {
        name: {
            "arguments": {
                given["parameter_name"]: {
                    "type": given["type"],
                    "default": given["parameter_default"] if given["parameter_has_default"] else "(needed)",
                }
                for given in about["parameters"]
            },
            "returns": len(about["returns"]),
        }
        for name, about in info["named_endpoints"].items()
    }


def test_names_and_arguments_do_not_change_by_accident(client):
    """To accept a change on purpose, write what `face` is into the snapshot."""
    face = public_face(client.view_api(print_info=False, return_format="dict"))
    assert face == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_every_endpoint_is_described_with_its_arguments_and_units(client):
    described = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    words = json.dumps(described)
    assert "pixels" in words and "-1..1" in words and "whole number" in words
    for about in described.values():
        assert about.get("description")


def test_text_to_image_gives_files_scores_and_recipe(client):
    best, table = client.predict("a red kite", candidates=3, seed=5, threshold=0.0, api_name="/text_to_image")
    made = table["candidates"]
    assert sorted(item["seed"] for item in made) == [5, 6, 7]
    assert [item["cosine"] for item in made] == sorted((item["cosine"] for item in made), reverse=True)
    assert sum(item["share"] for item in made) == pytest.approx(1, abs=1e-3)
    assert table["best"] - table["mean"] == pytest.approx(table["spread"])
    assert table["recipe"]["settings"]["prompt"] == "a red kite"
    recipe = read(best)
    assert isinstance(recipe, Recipe) and recipe.seed == made[0]["seed"]
    assert Image.open(made[2]["file"]).size == (64, 64)


def test_rank_images_orders_any_pictures(client, tmp_path):
    for name, colour in (("sea", (30, 60, 220)), ("rose", (220, 40, 40))):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    files = [handle_file(tmp_path / "sea.png"), handle_file(tmp_path / "rose.png")]
    best, table = client.predict(files, "red", "", 0.5, api_name="/rank_images")
    assert [item["name"] for item in table["candidates"]] == ["rose.png", "sea.png"]
    assert [item["passes"] for item in table["candidates"]] == [True, False]
    assert Image.open(best).convert("RGB").getpixel((5, 5)) == (220, 40, 40)


def test_models_are_listed_with_the_limits_of_their_controls(client):
    models = {model["name"]: model for model in client.predict(api_name="/models")}
    assert models["tiny"]["here"] and not models["tiny-hub"]["here"]
    assert models["tiny"]["controls"]["steps"] == {"minimum": 2, "maximum": 60, "step": 1, "default": 8}
    assert models["tiny"]["controls"]["schedulers"] == ["Euler", "DDIM"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"prompt": ""}, ["prompt"]),
        ({"prompt": "x" * 10_000}, ["10,000", "2,000"]),
        ({"prompt": "cat", "candidates": 17}, ["17", "16"]),
        ({"prompt": "cat", "steps": -3}, ["-3", "60"]),
        ({"prompt": "cat", "width": 65}, ["65", "32"]),
        ({"prompt": "cat", "guidance": "warm"}, ["warm"]),
        ({"prompt": "cat", "scheduler": "Magic"}, ["Magic", "Euler"]),
        ({"prompt": "cat", "model": "dall-e"}, ["dall-e", "tiny"]),
        ({"prompt": "cat", "model": "tiny-hub"}, ["models.fetch tiny-hub"]),
    ],
)
def test_bad_input_is_one_sentence_that_names_value_and_limit(client, atelier, values, named):
    with pytest.raises(AppError) as refused:
        client.predict(**values, api_name="/text_to_image")
    text = str(refused.value)
    assert "Something went wrong" not in text
    for word in named:
        assert word in text
    assert atelier.jobs.status().waiting == 0


def test_a_broken_upload_is_named_and_the_rest_goes_on(client, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    Image.new("RGB", (40, 40), (220, 40, 40)).save(tmp_path / "rose.png")
    files = [handle_file(tmp_path / "broken.png"), handle_file(tmp_path / "rose.png")]
    _, table = client.predict(files, "red", api_name="/rank_images")
    assert [item["name"] for item in table["candidates"]] == ["rose.png"]
    assert "broken.png" in table["notes"]


def test_a_caller_that_gives_up_frees_the_device(client, atelier):
    job = client.submit("a red kite", model="tiny-slow", steps=60, api_name="/text_to_image")
    _wait(lambda: atelier.jobs.status().running)
    job.cancel()
    _wait(lambda: not atelier.jobs.status().running)


def _wait(condition, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_vqgan_clip_gives_picture_checkpoints_and_recipe(client):
    best, film, table = client.predict("red:2 | blue:-1", steps=4, seed=5, canvases=2, api_name="/vqgan_clip")
    assert film is None and sorted(item["seed"] for item in table["pictures"]) == [5, 6]
    scores = [item["score"] for item in table["pictures"]]
    assert scores == sorted(scores, reverse=True)
    assert read(best).settings["prompts"] == "red:2 | blue:-1" and table["recipe"]["seed"] == 5
    assert sorted(map(int, table["checkpoints"])) == [1, 2, 3, 4] and table["at"] == [1, 2, 3, 4]
    last = handle_file(table["checkpoints"]["4"])
    _, _, more = client.predict("green", checkpoint=last, steps=6, canvases=2, api_name="/vqgan_clip")
    assert more["at"] == [5, 6] and more["log"][-1]["prompts"] == "green"


def test_vqgan_clip_makes_films(client, tmp_path):
    more = {"flight.first_steps": 2, "cuts": 4}
    _, film, table = client.predict(
        "red",
        mode="flight",
        frames=3,
        steps=1,
        camera="0: 1.1; 2: 1",
        film="gif",
        settings=more,
        api_name="/vqgan_clip",
    )
    assert Image.open(film).n_frames == 3 and table["recipe"]["settings"]["film"]["camera"].startswith("0: 1.1")
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    ends = [handle_file(tmp_path / "a.png"), handle_file(tmp_path / "b.png")]
    _, film, _ = client.predict(mode="between", pictures=ends, frames=4, api_name="/vqgan_clip")
    assert film.endswith(".mp4") and read(film).settings["film"]["mode"] == "interpolation"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"prompt": ""}, ["holds no words"]),
        ({"prompt": "cat", "mode": "dream"}, ["dream", "flight"]),
        ({"prompt": "cat", "model": "tiny"}, ["tiny-vqgan"]),
        ({"prompt": "cat", "clips": "nobody"}, ["nobody"]),
        ({"prompt": "cat", "width": 33}, ["33", "multiple of 4"]),
        ({"prompt": "cat", "seed": -1}, ["seed is -1"]),
        ({"prompt": "cat", "settings": {"magic": 1}}, ["magic", "rate"]),
        ({"prompt": "cat", "settings": {"rate": "fast"}}, ["fast", "0.0001"]),
        ({"prompt": "cat", "mode": "flight", "camera": "0 1"}, ["no colon"]),
        ({"prompt": "cat", "mode": "restyle"}, ["no video"]),
    ],
)
def test_bad_input_of_vqgan_clip_is_one_sentence(client, values, named):
    with pytest.raises(AppError) as refused:
        client.predict(**values, api_name="/vqgan_clip")
    for word in named:
        assert word in str(refused.value)

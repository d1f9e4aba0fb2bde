"""The endpoint `/search_images` as a program uses it."""

import shutil
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from jobs.queue import JobQueue
from tests.conftest import Running
from tests.tabs.image_index_pack import COLOURS, OTHER, build, index_services, paint, upload


def serve(folder, **more):
    services, jobs = index_services(folder, **more), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=folder)
    return Running(url, page, services, jobs)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The app with an index of three colours, the red one with a copy, the green one gone since."""
    folder = tmp_path_factory.mktemp("library")
    running = serve(folder)
    red, _, green = paint(folder / "in", "red", "blue", "green")
    shutil.copy(red, folder / "in" / "twin.png")
    build(running.services, folder / "in", "gallery")
    green.unlink()
    yield running
    running.page.close()
    running.jobs.close()


@pytest.fixture(scope="module")
def client(library):
    return Client(library.url, verbose=False)


def test_words_find_pictures_with_their_prompts(client):
    found = client.predict(text="red", count=2, api_name="/search_images")
    hits = found["hits"]
    assert hits[0]["name"] in ("00-red.png", "twin.png") and len(hits) == 2
    assert hits[0]["cosine"] > hits[1]["cosine"] and hits[0]["copies"] == 1 and hits[0]["here"]
    assert hits[0]["prompt"] == "a red kite" == found["prompts"][0]["prompt"]
    assert Path(hits[0]["location"]).is_file() and hits[0]["program"] == "CLIP Atelier"
    assert Image.open(hits[0]["file"]).getpixel((5, 5)) == COLOURS["red"]
    assert (found["pictures"], found["ranker"]) == (3, "tiny-judge")


def test_a_picture_finds_its_like_and_weighs_with_words(client, tmp_path):
    (asked,) = paint(tmp_path, "blue")
    values = {"text": "red", "image": handle_file(asked), "count": 1, "api_name": "/search_images"}
    assert client.predict(**values, image_share=1)["hits"][0]["name"] == "01-blue.png"
    assert client.predict(**values, image_share=0)["hits"][0]["prompt"] == "a red kite"


def test_what_is_gone_is_told_of(client):
    found = client.predict(text="green", count=1, api_name="/search_images")
    assert found["hits"][0]["file"] is None and not found["hits"][0]["here"]
    assert "no longer there" in found["notes"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, ["neither a picture nor a word"]),
        ({"text": "red", "index": "moon"}, ["moon", "build it first"]),
        ({"text": "red", "index": "../up"}, ["../up", "letters"]),
        ({"text": "red", "count": 0}, ["0", "500"]),
        ({"text": "red", "count": 2.5}, ["2.5"]),
        ({"text": "red", "image_share": 7}, ["share of the picture", "7"]),
        ({"text": "red", "has_prompt": "perhaps"}, ["perhaps", "yes, no"]),
        ({"text": "red", "since": "soon"}, ["soon", "2026-01-31"]),
        ({"text": "red", "least": -4}, ["-4"]),
        ({"text": "red", "ranker": OTHER.name}, ["Tiny judge", "cannot be compared", "Other judge"]),
    ],
)
def test_bad_input_is_one_sentence_that_names_value_and_limit(client, library, values, named):
    with pytest.raises(AppError) as refused:
        client.predict(**values, api_name="/search_images")
    text = str(refused.value)
    assert "Something went wrong" not in text and all(word in text for word in named)
    assert library.jobs.status().waiting == 0


def test_arguments_are_described(client):
    about = client.view_api(print_info=False, return_format="dict")["named_endpoints"]["/search_images"]
    assert "like words" in about["description"]
    named = {each["parameter_name"]: each["label"] for each in about["parameters"]}
    assert named["image_share"].startswith("with both, how much the picture counts")


def test_strangers_find_nothing_of_others_and_no_paths(tmp_path):
    running = serve(tmp_path, public=True)
    try:
        client = Client(running.url, verbose=False)
        files = paint(tmp_path / "in", "red", "blue")
        upload(running.services, files, "gallery", owner=f"api-{client.session_hash}")
        hit, *_ = client.predict(text="red", count=1, api_name="/search_images")["hits"]
        assert hit["location"] is None and hit["name"] == "00-red.png" and Path(hit["file"]).is_file()
        with pytest.raises(AppError, match='no index "gallery"'):
            Client(running.url, verbose=False).predict(text="red", api_name="/search_images")
    finally:
        running.page.close()
        running.jobs.close()

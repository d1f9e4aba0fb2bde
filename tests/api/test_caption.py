"""The endpoint `/caption` as a program uses it."""

from __future__ import annotations

import time

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from jobs.queue import JobQueue
from tests.conftest import Running
from tests.pipelines.captioning.tiny import NAMES
from tests.tabs.captioning_pack import captioning_services


@pytest.fixture(scope="module")
def salon(tmp_path_factory):
    """The app with the captioners that name colours."""
    folder = tmp_path_factory.mktemp("salon")
    services, jobs = captioning_services(folder), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=folder)
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture(scope="module")
def client(salon):
    return Client(salon.url, verbose=False)


@pytest.fixture
def files(tmp_path):
    for name in ("red", "blue"):
        Image.new("RGB", (40, 30), NAMES[name]).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    return [handle_file(tmp_path / f"{name}.png") for name in ("red", "broken", "blue")]


def test_every_picture_gets_its_captions_or_a_sentence(client, files):
    made = client.predict(files, captioners="contrary, namer", count=2, api_name="/caption")
    assert made["chosen"] == {"0": "a red picture", "2": "a blue picture"}
    assert [(row["name"], row["captioner"]) for row in made["rows"]] == [
        ("red.png", "contrary"),
        ("red.png", "namer"),
        ("broken.png", ""),
        ("blue.png", "contrary"),
        ("blue.png", "namer"),
    ]
    assert "broken.png is cut off" in made["rows"][2]["error"]
    first, second = made["rows"][1]["captions"]
    assert first["chosen"] and not second["chosen"] and "tokens" not in first
    assert first["words"] == ["a", "red", "picture"] and first["confidences"] == [1.0, 0.5, 1.0]
    assert first["log_probability"] == pytest.approx(-0.693, abs=1e-3) and first["clip_score"] == pytest.approx(
        2.5, abs=0.01
    )
    assert (made["pictures"], made["captioned"], made["titles"]["namer"]) == (3, 2, "Colour namer")


def test_a_random_seed_is_told_and_a_given_one_is_kept(client, files):
    told = client.predict(files[:1], method="sample", api_name="/caption")["recipe"]["seed"]
    assert isinstance(told, int) and told >= 0
    again = client.predict(files[:1], method="sample", seed=told, api_name="/caption")
    assert again["recipe"]["seed"] == told


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"beams": 0}, ["beams", "0", "20"]),
        ({"beams": 99}, ["beams", "99", "20"]),
        ({"method": "magic"}, ["magic", "beam"]),
        ({"method": "sample", "top_p": 2}, ["top_p", "2"]),
        ({"method": "sample", "seed": 1.5}, ["seed", "1.5"]),
        ({"captioners": "dall-e"}, ["dall-e", "namer"]),
        ({"captioners": "afar"}, ["models.fetch afar"]),
        ({"captioners": "namer,namer"}, ["namer", "twice"]),
        ({"detail": "more"}, ["Colour namer", "detail"]),
        ({"count": 8}, ["count", "8", "beams"]),
        ({"blend": 7}, ["7", "1"]),
    ],
)
def test_bad_input_is_one_sentence_that_names_value_and_limit(client, salon, files, values, named):
    with pytest.raises(AppError) as refused:
        client.predict(files, **values, api_name="/caption")
    text = str(refused.value)
    assert "Something went wrong" not in text and all(word in text for word in named)
    assert salon.jobs.status().waiting == 0


def test_a_caller_that_gives_up_frees_the_device(client, salon, tmp_path):
    paths = [tmp_path / f"{k}.png" for k in range(20)]
    for path in paths:
        Image.new("RGB", (40, 30)).save(path)
    job = client.submit([handle_file(path) for path in paths], captioners="slow", api_name="/caption")
    _wait(lambda: salon.jobs.status().running)
    job.cancel()
    _wait(lambda: not salon.jobs.status().running)


def _wait(condition, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)

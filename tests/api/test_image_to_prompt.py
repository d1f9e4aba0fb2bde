"""The endpoint `/image_to_prompt` as a program uses it."""

from __future__ import annotations

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from jobs.queue import JobQueue
from safeguards.recipe import Recipe, stamp_png
from tests.conftest import Running
from tests.pipelines.captioning.tiny import NAMES
from tests.tabs.image_to_prompt_pack import colour_list, prompt_services


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    services, jobs = prompt_services(folder), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=folder)
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture(scope="module")
def client(studio):
    return Client(studio.url, verbose=False)


@pytest.fixture
def files(tmp_path):
    for name in ("red", "blue"):
        Image.new("RGB", (40, 30), NAMES[name]).save(tmp_path / f"{name}.png")
    stamp_png(
        Image.new("RGB", (40, 30), NAMES["green"]),
        Recipe("text_to_image", "x", settings={"prompt": "moss"}),
        tmp_path / "moss.png",
    )
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    return {name: handle_file(tmp_path / f"{name}.png") for name in ("red", "blue", "moss", "broken")}


@pytest.fixture
def ask(client, tmp_path):
    colours = handle_file(colour_list(tmp_path))

    def call(files, **more):
        given = {"lists": "none", "phrases": [colours], **more}
        return client.predict(list(files), api_name="/image_to_prompt", **given)

    return call


def test_the_prompt_comes_with_its_terms_curve_and_tokens(ask, files):
    made = ask([files["red"]], captioners="contrary", start="a green picture")
    (row,) = made["rows"]
    grown = row["grown"]
    assert row["prompt"].startswith("a green picture") and "red" in row["prompt"]
    assert row["cosine"] == pytest.approx(max(grown["curve"]), abs=1e-4) and row["cosine"] <= 1
    assert grown["terms"][0]["phrase"] == "red" and grown["terms"][0]["gain"] > 0 and grown["limit"] == 77
    assert grown["terms"][0]["loss"] is not None and "vector" not in row
    assert made["sources"][0][0] == "colours"
    assert made["recipe"]["settings"]["captioners"] == []  # the beginning was given, so no captioner is asked


def test_methods_stand_side_by_side_and_failures_are_rows(ask, files):
    made = ask(
        [files["broken"], files["blue"], files["moss"]],
        methods="interrogator, caption, ensemble",
        mode="fast",
        captioners="namer",
        weights="caption:namer = 3, interrogator = 1",
        vectors=True,
    )
    assert [(row["name"], row["method"]) for row in made["rows"]] == [
        ("broken.png", ""),
        ("blue.png", "caption:namer"),
        ("blue.png", "interrogator"),
        ("blue.png", "ensemble"),
        ("moss.png", "metadata"),
        ("moss.png", "caption:namer"),
        ("moss.png", "interrogator"),
        ("moss.png", "ensemble"),
    ]
    assert "broken.png is cut off" in made["rows"][0]["error"]
    assert [row["prompt"] for row in made["rows"] if row["exact"]] == ["moss"]
    assert all(len(row["vector"]) == 384 for row in made["rows"][1:])
    assert made["pictures"] == 3 and made["answered"] == 2
    assert made["recipe"]["settings"]["weights"] == {"caption:namer": 0.75, "interrogator": 0.25}


def test_prompts_of_a_file_can_be_voted_by(ask, files, tmp_path):
    table = tmp_path / "prompts.csv"
    table.write_text("id,prompt\n1,a red barn\n2,a blue lake\n", encoding="utf-8")
    made = ask([files["blue"]], methods="nearest", prompts=handle_file(table), neighbours=2)
    assert made["rows"][0]["prompt"] == "a blue lake"
    assert [each["text"] for each in made["rows"][0]["others"]] == ["a blue lake", "a red barn"]
    table.write_text("id,words\n1,a red barn\n", encoding="utf-8")
    with pytest.raises(AppError, match=r"no column of prompts: it has .*words"):
        ask([files["blue"]], methods="nearest", prompts=handle_file(table))
    made = ask([files["red"]], methods="nearest", prompts=handle_file(table), column="words")
    assert made["rows"][0]["prompt"] == "a red barn" and not made["rows"][0]["negative"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"methods": ""}, "No method is chosen"),
        ({"methods": "magic"}, "magic"),
        ({"mode": "loud"}, "mode is .*loud"),
        ({"phrases": []}, "no list of phrases"),
        ({"budget": 2}, "token budget is 2"),
        ({"methods": "nearest", "index": "nowhere"}, "no index .*nowhere"),
        ({"methods": "regression", "head": "nobody"}, "no head .*nobody"),
        ({"weights": "x", "methods": "interrogator,caption,ensemble"}, "method = number"),
    ],
)
def test_bad_requests_say_what_is_allowed(ask, files, given, words):
    with pytest.raises(AppError, match=words):
        ask([files["red"]], **given)


def test_no_picture_is_a_sentence(ask):
    with pytest.raises(AppError, match="no picture yet"):
        ask([])

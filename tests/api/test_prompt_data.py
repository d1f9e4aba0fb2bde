"""The endpoints `/explore_prompts` and `/score_submission` as a program uses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import app
from jobs.queue import JobQueue
from tests.conftest import ROOT, Running
from tests.tabs.prompts_pack import prompts_services

EXAMPLES = ROOT / "examples" / "prompts"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The app with the encoder that counts words."""
    folder = tmp_path_factory.mktemp("desk")
    services, jobs = prompts_services(folder), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=folder)
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture(scope="module")
def client(desk):
    return Client(desk.url, verbose=False)


def example(name):
    return handle_file(EXAMPLES / f"{name}.csv")


def test_a_file_is_explored_and_reported(client):
    found, report = client.predict([example("prompts")], threshold=0.8, clusters=3, api_name="/explore_prompts")
    assert (found["prompts"], found["parts"]) == (82, {"train": 67, "test": 15})
    assert found["columns"] == {"prompts.csv": "prompt"} and len(found["clusters"]) == 3
    assert found["lengths"]["words"]["low"] < found["lengths"]["words"]["middle"]
    assert found["leaks"][0]["copies"] == 2 and found["near"][0]["cosine"] >= 0.8 and len(found["copies"]) == 3
    assert "Leaks between parts" in Path(report).read_text(encoding="utf-8")


def test_predictions_are_scored_checked_and_written(client, tmp_path):
    files = [example("in_plain_words"), example("in_key_words")]
    made, file = client.predict(
        files, example("truth"), resamples=50, write="in_key_words", api_name="/score_submission"
    )
    first, second = made["methods"]
    assert first["score"] >= second["score"] and first["low"] <= first["score"] <= first["high"]
    assert len(first["cosines"]) == made["images"] == 24 and made["problems"] == {}
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "imgId_eId,val" and len(lines) == 24 * 384 + 1
    wrong = tmp_path / "entry.csv"
    wrong.write_text("\n".join(line.replace("_", ".png_") if place else line for place, line in enumerate(lines)))
    made, file = client.predict([handle_file(wrong)], example("truth"), api_name="/score_submission")
    assert file is None and made["methods"] == []
    assert made["problems"]["entry"][0].startswith('Row 2 has the id "fox.png_0": it must be "fox_0"')


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"column": "words"}, ['"words"', '"id", "prompt", "split"']),
        ({"threshold": 2}, ["2", "0.5", "1"]),
        ({"sample": 1}, ["1", "50000"]),
    ],
)
def test_bad_input_is_one_sentence_that_names_value_and_limit(client, values, named):
    with pytest.raises(AppError) as refused:
        client.predict([example("prompts")], **values, api_name="/explore_prompts")
    text = str(refused.value)
    assert "Something went wrong" not in text and all(word in text for word in named)

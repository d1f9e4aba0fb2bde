"""Tools of the Model Context Protocol that take files: a picture in, words out; prompts in, facts about them out."""

from __future__ import annotations

import pytest

import app
from jobs.queue import JobQueue
from tests.api.test_mcp import as_address, picture, with_session
from tests.pipelines.captioning.tiny import NAMES
from tests.tabs.image_to_prompt_pack import prompt_services


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    jobs = JobQueue(["cpu"])
    page, url = app.launch(prompt_services(folder, mcp=True), jobs, examples=folder)
    yield f"{url.rstrip('/')}/gradio_api/mcp/"
    page.close()
    jobs.close()


def call(tools, tool, **arguments):
    """Whether the call failed, and what it said."""
    answer = with_session(tools, lambda session: session.call_tool(tool, arguments))
    return answer.isError, " ".join(part.text for part in answer.content if part.type == "text")


def test_a_picture_is_handed_to_the_tool(tools):
    failed, words = call(tools, "image_to_prompt", image=picture(NAMES["red"]), methods="caption", captioners="namer")
    assert not failed and "a red picture" in words


@pytest.mark.parametrize("tool", ["image_to_prompt", "caption"])
def test_without_one_it_says_so(tools, tool):
    failed, words = call(tools, tool)
    assert failed and "picture" in words and "Traceback" not in words


def test_a_picture_is_captioned(tools):
    failed, words = call(tools, "caption", image=picture(NAMES["red"]), captioners="namer")
    assert not failed and "a red picture" in words


def test_prompts_are_explored_and_scored(tools):
    prompts = as_address("text/csv", b"imgId,Prompt\n1,a red kite\n2,a blue kite over the sea\n")
    failed, words = call(tools, "explore_prompts", file=prompts)
    assert not failed and "lengths" in words, words
    failed, words = call(tools, "score_submission", predicted=prompts)
    assert not failed and "methods" in words, words

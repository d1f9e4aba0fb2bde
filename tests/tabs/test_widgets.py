import asyncio
import logging

import gradio as gr
import pytest

from common.errors import BadRequest
from tabs.widgets import guarded, known_browser, refusal, sentence, size, typed_number


def test_our_own_errors_are_shown_as_they_are():
    assert sentence(BadRequest("steps is 0, allowed are 1 to 50.")) == "steps is 0, allowed are 1 to 50."


def test_bugs_are_logged_under_the_id_that_is_shown(caplog):
    with caplog.at_level(logging.ERROR):
        text = sentence(KeyError("secret detail"))
    assert "secret detail" not in text
    number = text.split("id ")[1].split(")")[0]
    assert number in caplog.text and "secret detail" in caplog.text


def test_messages_are_escaped_because_gradio_renders_html():
    assert "<img" not in refusal(BadRequest("prompt is '<img src=x>'")).message


def test_guarded_handlers_raise_a_message_box():
    def plain():
        raise BadRequest("Not today.")

    async def later():
        raise BadRequest("Not today.")

    with pytest.raises(gr.Error, match="Not today"):
        guarded(plain)()
    with pytest.raises(gr.Error, match="Not today"):
        asyncio.run(guarded(later)())


@pytest.mark.parametrize("memory", [None, "x", {"owner": 3, "jobs": [1]}, {}])
def test_a_browser_that_remembers_nothing_useful_gets_a_new_owner(memory):
    known = known_browser(memory)
    assert len(known["owner"]) == 32 and known["jobs"] == {} and known["settings"] == {}


def test_a_browser_keeps_what_it_knew():
    memory = {"owner": "me", "jobs": {"room": "1"}, "settings": {"room": {"prompt": "cat"}}}
    assert known_browser(memory) == memory


@pytest.mark.parametrize(("text", "kind", "number"), [("", int, None), (" 42 ", int, 42), ("0,25", float, 0.25)])
def test_typed_numbers(text, kind, number):
    assert typed_number(text, "seed", kind) == number


def test_a_word_for_a_number_is_refused_with_both():
    with pytest.raises(BadRequest, match=r"seed is 'abc', it must be a whole number"):
        typed_number("abc", "seed", int)


def test_sizes():
    assert (size(80), size(1234)) == ("80 MB", "1.2 GB")

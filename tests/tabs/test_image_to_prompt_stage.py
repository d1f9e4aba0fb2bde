"""What is said while prompts are found, how gains are drawn, and what becomes of a negative prompt."""

from __future__ import annotations

import pytest

from pipelines.image_to_prompt.rows import ImageToPromptResult, PromptRow
from pipelines.steps import Step
from tabs import image_to_prompt_drawing as drawing
from tabs.image_to_prompt_results import parcel
from tabs.image_to_prompt_stage import draw
from tabs.text_to_image import taken
from tabs.watching import View
from tests.tabs.tiny_pack import tiny_settings


def result(row):
    return ImageToPromptResult(seconds=1.0, model="Judge", rows=(row,), pictures=1, answered=1)


@pytest.mark.parametrize(("left", "said"), [(None, "4 s<"), (0.4, "4 s<"), (31.2, "about 31 s left"),
                                            (2625.0, "about 44 min left")])  # fmt: skip
def test_the_time_left_is_said_as_exactly_as_it_is_known(tmp_path, left, said):
    view = View("running", step=Step(1, 700, "a.png", data={"rows": (), "left": left}), elapsed=4.0, left=2796.0)
    assert said in draw(tiny_settings(tmp_path), view)


def test_what_rounds_to_nothing_has_no_sign():
    assert [drawing.signed(value) for value in (-0.0002, 0.0002, 0.0, -0.02)] == ["0.000", "0.000", "0.000", "−0.020"]
    assert [drawing.number(value) for value in (-0.0002, -0.5)] == ["0.000", "−0.500"]


def test_in_a_negative_prompt_the_fall_is_what_was_wanted():
    parts = [drawing.Part("fog", "negative", -0.3, -0.1), drawing.Part("a cat", "things", 0.1, None)]
    wanted, unwanted = (html.split("<tr>")[2:] for html in (drawing.worth(parts, away=True), drawing.worth(parts)))
    assert ["minus" in row for row in wanted] == [False, True] and ["minus" in row for row in unwanted] == [True, False]
    assert "Change when added" in drawing.worth(parts, away=True)


def test_a_negative_prompt_is_sent_as_such():
    """Sent as the prompt it would be painted."""
    sent = parcel(result(PromptRow(0, "a.png", "a.png", "interrogator", "blurry", negative=True)), 0, {})
    assert (sent.prompt, sent.negative) == ("", "blurry")
    prompt, negative = taken(sent)
    assert negative == "blurry" and "value" not in prompt
    prompt, negative = taken(parcel(result(PromptRow(0, "a.png", "a.png", "nearest", "a cat")), 0, {}))
    assert prompt == "a cat" and "value" not in negative

from PIL import Image

from pipelines.steps import Step
from tabs import vqgan_clip_stage as stage
from tabs.watching import View

DATA = {
    "curves": {"a <b>cat</b>": [1.0, 0.5, None, 0.25], "smoothness": [0, 0, 0, 0]},
    "at": [1, 2, 3, 4],
    "seconds_per_step": 0.25,
    "left": 90.0,
    "scores": {1: 0.5},
    "log": ({"step": 2, "rate": 0.1, "weight": [1, -2.0]}, {"step": 3, "prompts": "<i>dog</i>"}),
}


def view(**changes) -> View:
    pictures = (Image.new("RGB", (8, 8)),) * 2
    return View("running", step=Step(4, 10, "", pictures, {**DATA, **changes}), elapsed=3.0)


def test_a_run_shows_canvases_curves_pace_and_changes():
    shown = stage.draw(view())
    assert shown.count("<img") == 2 and "0.500" in shown
    assert "Step 4 of 10" in shown and "4.0 steps/s" in shown and "left" in shown
    assert "learning rate 0.1, weight of prompt 1 -2" in shown


def test_words_from_outside_stay_words():
    shown = stage.draw(view())
    assert "<b>cat" not in shown and "&lt;b&gt;cat" in shown and "<i>dog" not in shown


def test_lines_are_broken_where_a_prompt_did_not_pull():
    drawn = stage.curves(DATA["at"], DATA["curves"])
    assert drawn.count("<polyline") == 1  # two points, a gap, and one point alone; what never pulled is left out
    assert "smoothness" not in drawn and ">0.250<" in drawn


def test_no_curve_before_there_are_two_points():
    assert stage.curves([1], {"a": [1.0]}) == "" and stage.curves([], {}) == ""


def test_a_paused_run_says_so_and_a_film_its_frame():
    assert "Paused" in stage.draw(view(paused=True))
    assert "frame 2 of 5" in stage.draw(view(frame=2, frames=5))


def test_a_refused_change_is_said():
    refused = View("running", step=Step(4, 10, "There is no prompt 9.", (), DATA), elapsed=3.0)
    assert "There is no prompt 9." in stage.draw(refused)
    waiting = stage.draw(View("waiting", ahead=2))
    assert "2 jobs before yours" in waiting

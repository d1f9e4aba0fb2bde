import json

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.image_to_prompt.chain import Prompt, Term
from pipelines.image_to_prompt.interrogator import Found
from pipelines.image_to_prompt.rows import ImageToPromptResult, PromptRow
from pipelines.image_to_prompt.table import as_text, facts, row_of
from pipelines.steps import Step
from tabs import image_to_prompt_drawing as drawing
from tabs.image_to_prompt_cards import chosen_of, reading, title_of
from tabs.image_to_prompt_examples import load
from tabs.image_to_prompt_results import parcel
from tabs.image_to_prompt_stage import draw
from tabs.image_to_prompt_truth import sets_of, truth_of
from tabs.watching import View
from tests.tabs.tiny_pack import tiny_settings

TERMS = (Term("oil & canvas", "media", 0.1, 0.08), Term("by night", "lighting", 0.02, -0.01))
GROWN = Prompt("a <b>, oil & canvas, by night", 0.42, "a <b>", TERMS, (0.3, 0.4, 0.42), 12, 77)


def row(method, prompt="", **more):
    return PromptRow(more.pop("picture", 0), "/tmp/a.b.png", more.pop("name", "a.b.png"), method, prompt, **more)


def result(*rows, pictures=1):
    return ImageToPromptResult(seconds=1.0, model="Judge", rows=rows, pictures=pictures, answered=1)


def test_a_grown_prompt_shows_each_gain_what_it_is_worth_and_its_budget():
    html = reading([row("interrogator", GROWN.text, cosine=0.42, grown=GROWN)], {}, "", 1)
    assert "a &lt;b&gt;" in html and "<b>, oil" not in html
    assert "oil &amp; canvas<small>+0.100</small>" in html
    assert "12 of 77 tokens" in html and "0.300 → 0.420" in html
    assert '<span class="worth-bar minus"' in html and "−0.010" in html
    assert html.count("<circle") == 3


def test_a_flat_or_single_curve_is_no_error():
    assert drawing.curve([0.3], ["a"]) == ""
    assert "nan" not in drawing.curve([0.3, 0.3], ["a", "b"])
    assert drawing.meter(5, 0) == "" and "full" in drawing.meter(77, 77)


def test_the_exact_prompt_is_in_use_unless_another_one_is_chosen():
    exact = row("metadata", "the truth", exact=True, cosine=0.2)
    good, failed = row("nearest", "near", cosine=0.6), row("zero_image", error="No.")
    assert chosen_of([good, exact, failed]) is exact
    assert chosen_of([good, exact, failed], "nearest") is good
    assert chosen_of([good, exact], "zero_image") is exact
    assert chosen_of([failed]) is None
    html = reading([exact, good, failed], {}, "", 1)
    assert html.count("★ in use") == 1 and '<b class="exact">exact</b>' in html and "No." in html


def test_other_rooms_get_the_prompt_in_use_and_its_picture_first():
    rows = [row("nearest", "near", cosine=0.6), row("zero_image", "zero", cosine=0.5)]
    assert parcel(result(*rows), 0, {}).prompt == "near"
    sent = parcel(result(*rows), 0, {0: "zero_image"})
    assert (sent.prompt, sent.paths) == ("zero", ("/tmp/a.b.png",))
    assert parcel(result(row("nearest", error="No.")), 0, {}).prompt == ""


def test_analysed_phrases_stand_by_list():
    html = reading([row("interrogator", "oil", found={"media": (Found("oil", "media", 0.3, 0.75),)})], {}, "", 1)
    assert "<h4>media</h4>" in html and "75 %" in html


def test_titles_of_methods():
    assert title_of("caption:x", {"x": "X-ray"}) == "X-ray" and title_of("caption:y", {}) == "y"
    assert title_of("zero_image", {}) == "Zero-image head"


def test_the_stage_shows_the_prompt_as_it_grows(tmp_path):
    grown = {"picture": 0, "method": "interrogator", "prompt": "a fox, oil", "cosine": 0.4, "curve": (0.3, 0.4)}
    data = {**grown, "terms": (("oil", "media", 0.1),), "tokens": 6, "limit": 77, "rows": (row("nearest", "n"),)}
    view = View("running", step=Step(30, 100, "a.png: 0.400", data=data), elapsed=2.0)
    html = draw(tiny_settings(tmp_path), view)
    assert '<span class="start">a fox</span>' in html and "oil<small>+0.100</small>" in html
    assert "6 of 77 tokens" in html and "<polyline" in html and "width:30%" in html and "Nearest prompts" in html
    assert "Next in line" in draw(tiny_settings(tmp_path), View("waiting"))


def test_rows_survive_the_way_through_json_and_are_saved_without_their_folder():
    before = row("interrogator", GROWN.text, cosine=0.42, grown=GROWN, others=(("x", 0.1),), seconds=2.0)
    assert row_of(json.loads(json.dumps(facts(before))), before.path) == before
    text = as_text([before, row("nearest", "=1+1")], "csv")
    assert "/tmp" not in text and "'=1+1" in text and text.count("\n") == 3
    assert json.loads(as_text([before], "jsonl"))["grown"]["tokens"] == 12
    with pytest.raises(BadRequest, match="no prompt to save"):
        as_text([], "csv")


def test_examples_whose_picture_is_missing_are_left_out(tmp_path):
    assert load(tmp_path) == ()
    rows = [facts(row("metadata", "exact", exact=True)), facts(row("interrogator", GROWN.text, grown=GROWN))]
    listed = [{"file": "here.png", "rows": rows}, {"file": "gone.png", "rows": rows}]
    (tmp_path / "image_to_prompt.json").write_text(json.dumps(listed), encoding="utf-8")
    (tmp_path / "here.png").touch()
    (only,) = load(tmp_path)
    assert only.words == GROWN.text and only.rows[1].path == str(tmp_path / "here.png")


def test_the_truth_comes_from_a_file_the_keyboard_or_the_pictures(tmp_path):
    made = result(row("metadata", "exact", exact=True), row("nearest", "near", vector=np.ones(384)))
    assert truth_of(made, None) == {"a.b": "exact"}
    assert truth_of(made, None, " typed ", 0) == {"a.b": "typed"}
    file = tmp_path / "truth.csv"
    file.write_text("id,prompt\na.b.png,from a file\nother,no\n", encoding="utf-8")
    assert truth_of(made, str(file), "typed") == {"a.b": "from a file"}
    file.write_text("id,prompt\nz,no\n", encoding="utf-8")
    with pytest.raises(BadRequest, match=r'names none of these pictures: its first is "z", theirs is "a\.b"'):
        truth_of(made, str(file))


def test_prompts_to_compare_are_under_the_titles_of_their_methods(tmp_path):
    made = result(row("metadata", "exact", exact=True), row("caption:x", "a fox", seconds=0.5))
    other = tmp_path / "rival.csv"
    other.write_text("id,prompt\na.b,a dog\nstranger,a cat\n", encoding="utf-8")
    sets = sets_of(made, {"x": "X-ray"}, {"a.b": "exact"}, [str(other)])
    assert sets.predictions == {"X-ray": {"a.b": "a fox"}, "rival": {"a.b": "a dog"}}
    assert sets.seconds == {"X-ray": {"a.b": 0.5}}
    assert "Exact prompt" in sets_of(made, {}, {}).predictions
    with pytest.raises(BadRequest, match="nothing to compare yet"):
        sets_of(None, {}, {})

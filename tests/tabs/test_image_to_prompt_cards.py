import json
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.image_to_prompt.chain import Prompt, Term
from pipelines.image_to_prompt.interrogator import Found
from pipelines.image_to_prompt.rows import ImageToPromptResult, PromptRow
from pipelines.image_to_prompt.table import as_text, facts, row_of
from pipelines.prompt_data.submission import read_submission
from pipelines.steps import Step
from tabs import image_to_prompt_drawing as drawing
from tabs.image_to_prompt_cards import chosen_of, reading, title_of
from tabs.image_to_prompt_compare import weighed
from tabs.image_to_prompt_examples import load
from tabs.image_to_prompt_results import parcel
from tabs.image_to_prompt_round_trip import asked as painted
from tabs.image_to_prompt_stage import draw
from tabs.image_to_prompt_submission import Submission, written
from tabs.image_to_prompt_truth import sets_of, truth_of
from tabs.watching import View
from tests.tabs.image_to_prompt_pack import prompt_services
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


def test_an_exact_prompt_is_shown_to_the_letter():
    html = reading([row("metadata", "a  <b>\nhouse", exact=True)], {}, "", 1)
    assert "white-space:pre-wrap" in html and "a  &lt;b&gt;\nhouse</p>" in html


def test_a_negative_prompt_is_in_use_only_where_there_is_no_other():
    negative, low = row("interrogator", "blurry", cosine=0.1, negative=True), row("nearest", "near", cosine=-0.2)
    assert chosen_of([negative, low]) is low and chosen_of([negative]) is negative
    assert chosen_of([negative, low], "interrogator") is negative


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
    before = row("interrogator", GROWN.text, cosine=0.42, grown=GROWN, others=(("x", 0.1),), seconds=2.0, negative=True)
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


def test_columns_of_the_truth_and_of_other_files_can_be_named(tmp_path):
    made = result(row("nearest", "near", vector=np.ones(384)))
    truth, rival = tmp_path / "truth.csv", tmp_path / "rival.csv"
    truth.write_text("id,words,more\na.b,a fox,x\n", encoding="utf-8")
    rival.write_text("id,said,more\na.b,a dog,x\n", encoding="utf-8")
    with pytest.raises(BadRequest, match="Say which of them"):
        truth_of(made, str(truth))
    assert truth_of(made, str(truth), column="words") == {"a.b": "a fox"}
    sets = sets_of(made, {}, {"a.b": "a fox"}, [str(rival)], "said")
    assert sets.predictions["rival"] == {"a.b": "a dog"}
    assert list(sets.vectors) == ["Nearest prompts"] and np.array_equal(
        sets.vectors["Nearest prompts"]["a.b"], np.ones(384)
    )


def test_negative_prompts_are_neither_compared_nor_weighed_nor_painted(tmp_path):
    services = prompt_services(tmp_path)
    app = SimpleNamespace(services=services)
    vector = np.ones(384, np.float32)
    negative = row("interrogator", "blurry", negative=True, vector=vector)
    made = result(negative, row("caption:x", "a fox", vector=vector), row("nearest", "near", vector=vector))
    assert set(sets_of(made, {}, {}).predictions) == {"x", "Nearest prompts"}
    with pytest.raises(BadRequest, match="what the pictures are not"):
        sets_of(result(negative), {}, {})
    truth = tmp_path / "truth.csv"
    truth.write_text("id,words,more\na.b,a fox,x\n", encoding="utf-8")
    with pytest.raises(BadRequest, match="at least two pictures"):
        weighed(app, made, str(truth), "words")
    with pytest.raises(BadRequest, match="at least two methods"):
        weighed(app, result(negative, made.rows[1]), str(truth), "words")
    request, _ = painted(app, made, 0, "", "", 1, "")
    assert request.prompts == ("a fox", "near")
    with pytest.raises(BadRequest, match="no prompt to paint yet"):
        painted(app, result(negative), 0, "", "", 1, "")


def test_a_submission_is_offered_for_methods_with_vectors(tmp_path):
    vector = np.ones(384, np.float32)
    rows = (row("caption:x", "a fox", vector=vector), row("ensemble", "near", vector=vector), row("nearest", "n"))
    path, told = written(result(*rows), "ensemble")
    assert Path(path).name == "submission.csv" and "1 picture with 384 rows each" in told
    assert read_submission(path).ids == ("a.b",)
    with gr.Blocks():
        part = Submission(gr.State(None))
    shown = part.fill(result(*rows), {"x": "X-ray"})
    assert shown[part.method].choices == [("X-ray", "caption:x"), ("Ensemble", "ensemble")]
    assert shown[part.method].value == "ensemble" and not part.fill(result(), {})[part.row].visible
    with pytest.raises(BadRequest, match="find the words"):
        written(None, "ensemble")

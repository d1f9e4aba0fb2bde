"""The view of prompts: files and what is seen at first, results as HTML, requests, and which part is shown."""

import csv
import shutil
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from common.errors import BadRequest
from pipelines.prompt_data import embeddings, entries, explore
from tabs import prompt_data, prompt_data_entries, prompt_data_explore, prompt_data_map
from tabs.prompt_data_columns import columns
from tabs.prompt_data_explored import fill as explored
from tabs.prompt_data_explored import story as explored_story
from tabs.prompt_data_files import Files, example_files
from tabs.prompt_data_html import table
from tabs.prompt_data_pair import peek
from tabs.prompt_data_scored import fill as scored
from tabs.prompt_data_scored import story as scored_story
from tests.conftest import ROOT
from tests.tabs.prompts_pack import prompts_services

EXAMPLES = ROOT / "examples"
TRUTH, PLAIN, KEYS = example_files(EXAMPLES, "truth.csv", "in_plain_words.csv", "in_key_words.csv")


@pytest.fixture
def app(tmp_path):
    return SimpleNamespace(services=prompts_services(tmp_path), examples=EXAMPLES)


@pytest.fixture
def wrong(tmp_path):
    """A submission whose ids carry the extension of the file."""
    path = tmp_path / "wrong.csv"
    path.write_text("imgId_eId,val\n" + "".join(f"fox.png_{number},0.5\n" for number in range(384)))
    return str(path)


def last(run):
    return list(run)[-1]


def test_own_files_take_the_place_of_the_example():
    with gr.Blocks():
        files = Files("Files", "look", [TRUTH], most=2)
    assert "example" in files.shown([TRUTH]) and "truth.csv" in files.shown([TRUTH])
    assert files.joined([PLAIN], [TRUTH])[files.paths] == [PLAIN]
    assert files.joined([KEYS], [PLAIN])[files.paths] == [PLAIN, KEYS]
    refused = files.joined([KEYS, "c.csv"], [PLAIN])
    assert files.paths not in refused and "3 files" in refused[files.said].value
    assert "Take the example" in files.shown([])
    with gr.Blocks():
        single = Files("File", "look", [], most=1)
    assert single.joined([KEYS], [PLAIN])[single.paths] == [KEYS] and single.shown([]) == ""


def test_a_first_look_shows_what_is_there_or_lists_the_columns(tmp_path):
    html = prompt_data_explore.peek(example_files(EXAMPLES, "prompts.csv"), "")
    assert "a red fox asleep" in html and "train, test" in html and html.count("<svg") == 2
    (tmp_path / "odd.csv").write_text("words,<b>mood</b>\na cat,happy\n")
    html = prompt_data_explore.peek([str(tmp_path / "odd.csv")], "")
    assert "has no column of prompts: it has &quot;words&quot;, &quot;&lt;b&gt;mood&lt;/b&gt;&quot;." in html
    assert "a cat" in prompt_data_explore.peek([str(tmp_path / "odd.csv")], "words")
    assert [name for _, name in columns([str(tmp_path / "odd.csv")])] == ["", "words", "<b>mood</b>"]


def test_predictions_stand_beside_the_truth_at_first_sight(wrong):
    html = peek([TRUTH], [PLAIN, KEYS], "")
    assert "a fox lying on a log in a forest" in html and "18 more images" in html
    assert "it must be &quot;fox_0&quot;, without the extension of the file" in peek([TRUTH], [PLAIN, wrong], "")
    assert "a file for each method" in peek([TRUTH], [], "")


def test_what_was_explored_is_told_with_its_leaks(app):
    request = prompt_data_explore.make_request(app, example_files(EXAMPLES, "prompts.csv"), {"threshold": 0.8})
    result = last(explore.run(request, app.services))
    pages, report = explored(result)
    assert "82 prompts of prompts.csv explored" in explored_story(result)[0]
    assert "a slice of watermelon, flat icon" in pages[2] and "<svg" in pages[1]
    assert "Typical words" in pages[3] and "<td>test</td><td>train</td>" in pages[4]
    text = Path(report).read_text(encoding="utf-8")
    assert (
        text.startswith("<!doctype html>") and "Leaks between parts" in text and report.endswith("prompts-report.html")
    )


def test_scores_stand_in_a_table_and_an_unsound_entry_says_why(app, wrong, tmp_path):
    same = shutil.copy(TRUTH, tmp_path / "same.csv")
    request = prompt_data_entries.make_request(app, [TRUTH], [PLAIN, KEYS, same, wrong], "", {"resamples": 50})
    result = last(entries.run(request, app.services))
    html, pages = scored(result)
    assert html.index("<td>same</td>") < html.index("in_plain_words") and "1.00000" in html
    assert "same has the truth&#x27;s own vectors" in html and "It has no score." in html
    assert "3 methods scored on 24 images" in scored_story(result)[0] and "Without wrong" in scored_story(result)[0]
    assert "same leads" in scored_story(result)[1] and "a woman jumping on a stage" in pages[2]
    path, told = prompt_data_entries.written(result, "in_plain_words")
    rows = list(csv.reader(Path(path).read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 24 * 384 + 1 and rows[1][0] == "fox_0" and "24 images with 384 rows each" in told
    with pytest.raises(BadRequest, match="press Score first"):
        prompt_data_entries.written(None, "x")


def test_only_an_unsound_entry_gives_its_problems_and_no_score(app, wrong):
    result = last(entries.run(prompt_data_entries.make_request(app, [TRUTH], [wrong], "", {}), app.services))
    html, pages = scored(result)
    assert "1 submission is not sound, so there is no score." in scored_story(result)[0]
    assert "without the extension of the file" in html and len(pages) == 4


def test_a_point_of_the_map_has_its_neighbours(app):
    named = {"methods": ["pca"], "images": 10, "seed": 3}
    request = prompt_data_map.make_request(app, [TRUTH], [PLAIN], "", named)
    result = last(embeddings.run(request, app.services))
    assert len(result.texts) == 20 and "10 of 24 images, drawn by chance." in prompt_data_map.story(result)[1]
    assert "Click a point" in prompt_data_map.near(result, None) and "Arrows lead" in prompt_data_map.near(result, None)
    html = prompt_data_map.near(result, 0)
    assert html.count("<li>") == 8 and result.texts[0] in html and "1 of 20" in html
    assert prompt_data_map.drawn(result, "pca", 0).count('stroke="currentColor" stroke-width="1.2"') == 8
    with pytest.raises(BadRequest, match="choose at least one file of predictions"):
        prompt_data_map.make_request(app, [TRUTH], [], "", {})
    with pytest.raises(BadRequest, match="No map is asked for"):
        prompt_data_map.make_request(app, [], [PLAIN], "", {})


def test_figures_stand_to_the_right_and_words_are_escaped():
    html = table(("Name", "Score", "Share"), [("<i>", -0.5, "12.0 %"), ("b", None, "3 to 4")], best=0)
    assert '<td class="number">−0.500</td>' in html and '<td class="number">12.0 %</td>' in html
    assert "&lt;i&gt;" in html and '<td class="number">–</td>' in html and html.count("<tr class=best>") == 1


def test_remembered_settings_leave_out_columns_and_nonsense(app):
    part = prompt_data_explore.Explore(app)
    with gr.Blocks():
        part.build_files()
        part.build_settings()
    kept = {"column": "old", "threshold": 0.7, "clusters": "many", "sample": 100}
    values = dict(zip(part.controls, part.remembered(kept), strict=True))
    assert values["threshold"] == 0.7 and values["sample"] == 100
    assert "__type__" in values["column"] and "__type__" in values["clusters"]  # skipped


def test_only_the_chosen_part_is_shown():
    view = prompt_data._View({})
    with gr.Blocks():
        groups = [view.group("explore"), view.group("map", "score"), view.group("score")]
    assert [group.visible for group in groups] == [True, False, False]
    assert [group.visible for group in view.on_mode("score")] == [False, True, True]

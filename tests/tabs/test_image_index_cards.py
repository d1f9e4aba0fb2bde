"""What an index holds and what was found in it, as HTML."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

from common.settings import Settings
from pipelines.image_index.card import Card
from pipelines.image_index.request import BuildIndexResult, FoundPrompt, Hit, SearchImagesResult
from pipelines.steps import Step
from tabs import image_index_cards as cards
from tabs.image_index_found import parcel
from tabs.image_index_shelf import About, Built
from tabs.watching import View
from tests.tabs.image_index_pack import paint

CARD = Card("tiny-judge", "Tiny <judge>", "", 3)
MOMENT = datetime(2026, 3, 7, tzinfo=timezone.utc)


@pytest.fixture
def result(tmp_path):
    red, blue = paint(tmp_path / "deep" / "in", "red", "blue")
    hits = (
        Hit(str(red), 0.987, "a <red> kite", "ComfyUI", 48, 40, MOMENT, "p1", copies=(str(blue),)),
        Hit(str(tmp_path / "gone.png"), -0.25, "", "", 48, 40, MOMENT, "p2", here=False),
    )
    prompts = (FoundPrompt("a <red> kite", 0.987, 2),)
    return SearchImagesResult(seconds=0.1, model="m", hits=hits, prompts=prompts, pictures=9, card=CARD)


def test_words_from_files_are_never_markup(result):
    for html in (
        cards.wall(result, Settings()),
        cards.detail(result, 0, Settings()),
        cards.prompts(result.prompts),
    ):
        assert "a &lt;red&gt; kite" in html and "<red>" not in html


def test_the_wall_ranks_and_tells_who_is_gone(result):
    html = cards.wall(result, Settings())
    assert "1 · 0.987" in html and "2 · −0.250" in html and "2 copies" in html and "no longer there" in html
    assert html.count("data:image/webp") == 1


def test_a_picture_has_its_facts_and_strangers_learn_no_folders(result, tmp_path):
    mine, theirs = cards.detail(result, 0, Settings()), cards.detail(result, 0, Settings(public=True))
    assert str(tmp_path / "deep") in mine and "ComfyUI" in mine and "7 March 2026" in mine and 'data-like="0"' in mine
    assert "deep" not in theirs and "00-red.png" in theirs and "01-blue.png" in theirs
    last = cards.detail(result, 1, Settings())
    assert "More like this" not in last and "2 of 2" in last and last.count(" disabled") == 1


def test_a_picture_that_changed_is_drawn_anew(tmp_path):
    (path,) = paint(tmp_path, "red")
    before = cards.thumbnail(str(path), Settings(), 32)
    paint(tmp_path, "blue")[0].replace(path)
    assert before.startswith("data:image/webp") and cards.thumbnail(str(path), Settings(), 32) != before


def test_what_is_sent_is_the_chosen_hit_or_all_that_are_there(result):
    for place in (None, 0):
        sent = parcel(result, place)
        assert [Path(path).name for path in sent.paths] == ["00-red.png"] and sent.prompt == "a <red> kite"
    assert parcel(result, 1).paths == ()


def test_a_report_counts_and_names_what_was_left_out():
    refused = (("/secret/b.png", "b.png is cut off."), ("n<.txt", "is not a picture"))
    made = BuildIndexResult(
        seconds=2, model="M", index="i", pictures=1234, new=5, copies=3, unchanged=7, gone=1, refused=refused,
        notes=("b.png is cut off.", "2 folders could not be opened: x, y."),
    )  # fmt: skip
    html = cards.report(made, "mine")
    for cell in ("Added</dt><dd>5", "Duplicates</dt><dd>3", "As before</dt><dd>7", "Vanished</dt><dd>1"):
        assert cell in html
    assert "2 files were left out" in html and "n&lt;.txt is not a picture" in html and "secret" not in html
    assert html.count("b.png is cut off.") == 1 and "2 folders could not be opened" in html and "1,234" in html


def test_an_index_tells_what_it_is_and_what_is_wrong_with_it():
    about = About("mine", CARD, 2, Built(finished=True))
    assert "<b>2 pictures</b>, by Tiny &lt;judge&gt;" in cards.about_index(about, 1)
    assert "build again to go on" in cards.about_index(About("m", CARD, 2, Built(finished=False)), 1)
    assert "notice error" in cards.about_index(About("m", CARD, 2, Built(), "It was made with another."), 1)
    assert "No index yet" in cards.about_index(None, 0) and "Choose" in cards.about_index(None, 2)


def test_the_rest_of_a_build_is_reckoned_from_what_was_looked_at():
    # 900 of 1,000 were known from before; the 50 looked at took 10 s, so the other 50 take as long.
    data = {"new": 40, "copies": 8, "refused": 2}
    html = cards.progress(View("running", step=Step(950, 1002, data=data), elapsed=10.0))
    assert "950 of 1,000 files" in html and "40 added, 8 duplicates, 2 unreadable" in html
    assert "about 10 s left" in html
    assert "Starting" in cards.progress(View("running", step=None))

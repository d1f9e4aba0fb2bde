"""Captions as HTML."""

import math
import re

import pytest

from models.families.caption_contract import Caption
from pipelines.captioning.rows import CaptionRow, ScoredCaption
from tabs import captioning_cards as cards


def scored(text="a red car", confidences=(0.9, 0.4, 1.0), **more):
    return ScoredCaption(Caption(text, tuple(text.split()), confidences, math.log(0.36)), **more)


ROW = CaptionRow(2, "/secret/car.png", "car.png", "namer", (scored(clip_score=0.75, chosen=True), scored("a red bus")))
OTHER = CaptionRow(2, "/secret/car.png", "car.png", "teller", error="It is <tired>.")
TITLES = {"namer": "Colour <namer>", "teller": "Teller"}


def test_words_tell_how_sure_the_model_was_in_colour_line_and_number():
    page = cards.detail([ROW], TITLES, "data:,")
    assert re.findall(r"--doubt:(\d+)%", page)[:3] == ["10", "60", "0"]
    assert 'class="word doubtful"' in page and page.count("doubtful") == 2
    assert 'title="red: 40 % sure' in page and "<small>40 %</small>" in page


def test_figures_stand_below_each_caption_and_unknown_ones_are_left_out():
    page = cards.detail([ROW], TITLES, "data:,")
    assert "log-prob. <b>−1.02</b>" in page and "CLIPScore <b>0.750</b>" in page
    assert "agreement" not in page and page.count("CLIPScore <b>") == 1
    assert page.count("★ picked") == 1


def test_several_captioners_stand_side_by_side_with_the_picked_caption_on_top():
    page = cards.detail([ROW, OTHER], TITLES, "data:,")
    assert page.count("<section>") == 2 and "--columns:2" in page
    assert '<blockquote class="pick"><p>a red car</p>' in page
    assert "It is &lt;tired&gt;." in page


def test_everything_from_outside_is_escaped_and_no_folder_is_told():
    row = CaptionRow(0, "/secret/x.png", "<x>.png", "namer", (scored("<b> & co", (1, 1, 1)),), note="<n>")
    page = cards.detail([row, OTHER], TITLES, "data:,", cards.Spot("namer", 0, 0, "<b>", "data:,over"))
    assert not re.search(r"<(x|n|b> &|namer|tired)", page)
    assert "secret" not in page


def test_the_word_under_the_heat_map_is_marked():
    page = cards.detail([ROW], TITLES, "data:,", cards.Spot("namer", 1, 2, "bus", "data:,over"))
    assert re.findall(r'aria-pressed="true"[^>]*>(\w+)<', page) == ["bus"]
    assert '<img class="heat" src="data:,over"' in page and "“bus”" in page


@pytest.mark.parametrize(("number", "disabled"), [(0, 1), (1, 0), (2, 1)])
def test_a_pager_ends_at_both_ends(number, disabled):
    page = cards.pager("show", number, 3, "picture")
    assert page.count(" disabled") == disabled and f"{number + 1} of 3" in page

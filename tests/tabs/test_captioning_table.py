"""The table of captions: edits that come from a page, pages, and the files made of it."""

import json
import math
from dataclasses import replace

import pytest
from PIL import Image

from common.errors import BadRequest
from common.settings import Settings
from models.families.caption_contract import Caption
from pipelines.captioning.rows import CaptionResult, CaptionRow, ScoredCaption
from pipelines.captioning.table import read_table
from tabs import captioning_table as sheets
from tabs.captioning_results import parcel


def scored(text, chosen=False):
    words = tuple(text.split())
    caption = Caption(text, words, (1.0,) * len(words), math.log(0.5))
    return ScoredCaption(caption, cosine=0.3, clip_score=0.75, chosen=chosen)


@pytest.fixture
def result(tmp_path):
    rows = []
    for k in range(14):
        Image.new("RGB", (20, 20), (10 * k, 0, 0)).save(tmp_path / f"{k}.png")
        made = (scored(f"picture {k}", True), scored(f"second {k}"))
        rows.append(CaptionRow(k, str(tmp_path / f"{k}.png"), f"{k}.png", "namer", made))
    rows.append(CaptionRow(14, str(tmp_path / "broken.png"), "broken.png", error="broken.png is cut off."))
    facts = {"titles": {"namer": "Namer"}, "pictures": 15, "captioned": 14}
    return CaptionResult(seconds=1.0, model="Namer", rows=tuple(rows), **facts)


def key(picture, place=0):
    return sheets.key_text((picture, "namer", place))


def test_edits_are_those_that_differ(result):
    edits = sheets.with_edits({}, [(key(0), " a  rose "), (key(1), "picture 1")], result)
    assert edits == {(0, "namer", 0): "a rose"}
    assert sheets.with_edits(edits, [(key(0), "picture 0")], result) == {}


@pytest.mark.parametrize("wrong", [key(99), key(0, 5), "nonsense", None, "[]"])
def test_an_edit_of_what_is_not_there_is_refused(result, wrong):
    with pytest.raises(BadRequest, match="older run"):
        sheets.with_edits({}, [(wrong, "a rose")], result)


def test_a_caption_that_is_too_long_is_refused(result):
    with pytest.raises(BadRequest, match="1,000"):
        sheets.with_edits({}, [(key(0), "x" * 2000)], result)


def test_a_page_shows_its_pictures_with_edits_and_errors(result):
    settings, edits = Settings(), {(0, "namer", 0): "<a rose>"}
    first, last = (sheets.sheet(result, edits, page, True, settings) for page in (0, 1))
    assert sheets.pages(result) == 2
    assert first.count("<textarea") == 12 and last.count("<textarea") == 2
    assert "&lt;a rose&gt;" in first and "<a rose>" not in first
    assert 'class="box edited"' in first and first.count("<span>–</span>") == 2  # numbers of other words are gone
    assert "broken.png is cut off." in last
    assert sheets.sheet(result, edits, 0, False, settings).count("<textarea") == 24


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_files_hold_the_corrected_table(result, kind, tmp_path):
    rows = sheets.chosen_rows(result, {(0, "namer", 0): "=rose", (1, "namer", 0): ""}, True)
    path = tmp_path / f"saved.{kind}"
    path.write_bytes(sheets.as_text(rows, kind).encode())
    read = read_table(path)
    assert [row.caption for row in read] == ["=rose", *(f"picture {k}" for k in range(2, 14))]
    assert read[0].edited and read[0].log_probability is None


def test_an_empty_table_is_not_saved():
    with pytest.raises(BadRequest, match="no caption left"):
        sheets.as_text([], "csv")


def test_keys_survive_the_way_through_a_page():
    assert json.loads(key(3, 1)) == [3, "namer", 1]


def test_other_rooms_get_the_shown_picture_first_and_its_corrected_caption(result):
    sent = parcel(result, {(2, "namer", 0): "a tulip"}, 2)
    assert sent.prompt == "a tulip"
    assert sent.paths[0].endswith("2.png") and len(sent.paths) == 14
    assert parcel(result, {}, 14).prompt == ""


def test_the_sheet_tells_what_was_changed_to_read_a_picture_and_how_the_table_names_it(result, tmp_path):
    (tmp_path / "b").mkdir()
    rows = (
        replace(result.rows[0], note="animated: <its> first frame was used"),
        replace(result.rows[1], path=str(tmp_path / "b" / "0.png"), name="0.png"),
    )
    page = sheets.sheet(replace(result, rows=rows), {}, 0, True, Settings())
    assert "animated: &lt;its&gt; first frame was used" in page and "0.png" in page and "0 (2).png" in page
    assert "first frame" not in sheets.sheet(result, {}, 0, True, Settings())

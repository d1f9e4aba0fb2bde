"""From what a page says about an index to the runs of its pipelines."""

import shutil
from pathlib import Path

import pytest

from common.errors import BadRequest
from pipelines.image_index.card import OtherModelError
from pipelines.image_index.request import SearchImagesResult
from pipelines.steps import Step, Stop
from tabs.image_index_request import build_order, filters, rebuild_order, search_request, start_build, start_search
from tabs.image_index_shelf import Built, Shelf, built
from tests.tabs.image_index_pack import JUDGE, OTHER, build, finish, index_services, paint, upload


@pytest.fixture
def services(tmp_path):
    return index_services(tmp_path)


@pytest.fixture
def shelf(services):
    return Shelf.of(services.settings, "")


def found(services, shelf, index="mine", text="", image=None, **named) -> SearchImagesResult:
    request = search_request(services, shelf, index, text, image, named)
    *_, result = start_search(request, services, "cpu")
    return result


def names(result):
    return [Path(hit.path).name for hit in result.hits]


def test_words_a_picture_or_both_find_what_is_like_them(services, shelf, tmp_path):
    build(services, paint(tmp_path / "in", "red", "blue", "green")[0].parent)
    (asked,) = paint(tmp_path / "asked", "blue")
    assert names(found(services, shelf, text="red", count=1)) == ["00-red.png"]
    assert names(found(services, shelf, image=str(asked), count=1)) == ["01-blue.png"]
    for share, first in ((0.0, "02-green.png"), (1.0, "01-blue.png")):
        both = found(services, shelf, text="green", image=str(asked), image_share=share)
        assert names(both)[0] == first and both.prompts[0].prompt == f"a {first[3:-4]} kite"


def test_filters_choose_who_counts(services, shelf, tmp_path):
    paint(tmp_path / "in" / "old", "red")
    paint(tmp_path / "in", "red", "blue", prompt=False, start=5)
    build(services, tmp_path / "in")
    assert names(found(services, shelf, text="red", has_prompt="yes")) == ["00-red.png"]
    assert names(found(services, shelf, text="red", has_prompt="no")) == ["05-red.png", "06-blue.png"]
    assert names(found(services, shelf, text="red", words="kite RED")) == ["00-red.png"]
    assert names(found(services, shelf, text="red", folder=str(tmp_path / "in" / "old"))) == ["00-red.png"]
    assert names(found(services, shelf, text="red", least="41")) == names(found(services, shelf, text="red", most=47.0))
    assert len(found(services, shelf, text="red", since="2020-01-01T00:00").hits) == 3
    assert "passes the filters" in found(services, shelf, text="red", until="2020-01-01").notes[0]


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"least": "many"}, "least number of pixels is 'many'"),
        ({"least": "0"}, "least number of pixels is 0"),
        ({"has_prompt": "perhaps"}, '"perhaps"; allowed are yes, no'),
        ({"since": "yesterday"}, "allowed is a day such as 2026-01-31"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "must not be the later one"),
        ({"folder": "  ", "words": "x " * 40, "most": 30_001}, "30001|30,001"),
    ],
)
def test_odd_filters_are_refused(named, told):
    with pytest.raises(BadRequest, match=told):
        filters(named)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((None, "red", None, {}), "There is no index yet"),
        (("mine", "", None, {}), "neither a picture nor a word"),
        (("other", "red", None, {}), 'There is no index "other"'),
        (("mine", "red", None, {"count": 501}), "501"),
        (("mine", "red", None, {"image_share": 2}), "share of the picture is 2"),
        (("mine", "red", None, {"ranker": OTHER.name}), "cannot be compared"),
    ],
)
def test_what_cannot_be_searched_is_told_before_it_is_queued(services, shelf, tmp_path, values, told):
    build(services, paint(tmp_path / "in", "red")[0].parent)
    with pytest.raises(BadRequest, match=told):
        search_request(services, shelf, *values)


def test_another_model_is_refused_and_a_rebuild_takes_all_that_was_known(services, shelf, tmp_path):
    paint(tmp_path / "in", "red", "blue")
    build(services, tmp_path / "in")
    with pytest.raises(OtherModelError, match="rebuild the index"):
        build_order(services, shelf, "mine", "folder", str(tmp_path / "in"), ranker=OTHER.name)
    result = finish(rebuild_order(services, shelf, "mine", OTHER.name), services)
    assert (result.new, result.pictures) == (2, 2) and shelf.card("mine").ranker == OTHER.name
    assert built(shelf.folder("mine")) == Built("folder", str(tmp_path / "in"), True)
    assert names(found(services, shelf, text="blue", count=1)) == ["01-blue.png"]
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(BadRequest, match="None of the pictures"):
        rebuild_order(services, shelf, "mine", JUDGE.name)


def test_a_build_counts_what_it_did_and_the_next_one_does_only_the_rest(services, tmp_path):
    first, second = paint(tmp_path / "in", "red", "blue")
    shutil.copy(first, tmp_path / "in" / "twin.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    result = build(services, tmp_path / "in")
    assert (result.pictures, result.new, result.copies, len(result.refused)) == (2, 2, 1, 1)
    second.unlink()
    paint(tmp_path / "in", "green", start=7)
    result = build(services, tmp_path / "in")
    assert (result.pictures, result.new, result.unchanged, result.gone) == (2, 1, 2, 1)


def test_uploads_stay_and_come_together(services, shelf, tmp_path):
    red, blue = paint(tmp_path / "in", "red", "blue")
    (tmp_path / "notes.txt").write_text("words")
    result = upload(services, [red, tmp_path / "notes.txt"])
    assert result.new == 1 and result.refused == (("notes.txt", "is neither a picture nor a zip file"),)
    shutil.rmtree(tmp_path / "in")
    paint(tmp_path / "in", "blue", start=1)
    result = upload(services, [blue])
    assert (result.new, result.unchanged, result.pictures) == (1, 1, 2)
    assert all(Path(hit.path).is_file() for hit in found(services, shelf, text="red").hits)
    assert upload(services, []).unchanged == 2


def test_a_stopped_build_is_remembered_as_unfinished(services, shelf, tmp_path):
    paint(tmp_path / "in", *["red", "blue"] * 10)
    order = build_order(services, shelf, "mine", "folder", str(tmp_path / "in"))
    run = start_build(order, services, "cpu")
    assert isinstance(next(run), Step) and not built(shelf.folder("mine")).finished
    event = run.send(Stop())
    while isinstance(event, Step):
        event = next(run)
    assert event.stopped and list(run) == [] and not built(shelf.folder("mine")).finished
    result = build(services, tmp_path / "in")
    assert result.pictures == 20 and built(shelf.folder("mine")).finished


def test_a_folder_that_vanishes_on_the_way_is_told(services, shelf, tmp_path):
    paint(tmp_path / "in", *["red", "blue"] * 10)
    run = start_build(build_order(services, shelf, "mine", "folder", str(tmp_path / "in")), services, "cpu")
    next(run)
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(BadRequest, match="The folder in disappeared after"):
        list(run)
    about = shelf.about("mine", services.catalog)
    assert about.pictures > 0 and not about.built.finished


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (("mine", "folder", ""), "No folder is named"),
        (("mine", "folder", "/nowhere/at/all"), "all is not there or not a folder"),
        (("mine", "gallery", ""), "has made no pictures yet"),
        (("mine", "moon", ""), '"moon"; allowed are folder, uploads, gallery'),
        (("mine", "uploads", ""), "no picture to index"),
        (("m/ne", "folder", "/tmp"), "allowed are 1 to 60"),
        (("mine", "folder", "/tmp", (), "tiny"), '"tiny" is no model for this; allowed are tiny-judge'),
    ],
)
def test_what_cannot_be_built_is_told_before_it_is_queued(services, shelf, values, told):
    with pytest.raises(BadRequest, match=told):
        build_order(services, shelf, *values)


def test_strangers_index_only_what_they_upload(tmp_path):
    services = index_services(tmp_path, public=True)
    shelf = Shelf.of(services.settings, "ann")
    files = paint(tmp_path / "in", "red")
    for source in ("folder", "gallery"):
        with pytest.raises(BadRequest, match="upload the pictures instead"):
            build_order(services, shelf, "mine", source, str(tmp_path / "in"))
    result = upload(services, files, owner="ann")
    assert result.pictures == 1 and result.index == shelf.real("mine") != "mine"
    assert names(found(services, shelf, text="red")) == ["00-red.png"]
    with pytest.raises(BadRequest, match='no index "mine"'):
        search_request(services, Shelf.of(services.settings, "eve"), "mine", "red", None, {})


def test_the_gallery_is_what_the_app_has_made(services, shelf):
    paint(services.settings.output / "pictures", "red", "blue")
    result = finish(build_order(services, shelf, "gallery", "gallery"), services)
    assert result.pictures == 2 and built(shelf.folder("gallery")).source == "gallery"

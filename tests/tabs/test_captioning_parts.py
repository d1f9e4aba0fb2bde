"""Pictures to caption, what a page shows while they are captioned, heat maps, notes and evaluation."""

import asyncio
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from common.errors import AtelierError, BadRequest
from jobs.queue import JobQueue
from models.families.caption_contract import Caption, Decoding
from pipelines.captioning.request import CaptionRequest
from pipelines.captioning.rows import CaptionResult, CaptionRow, ScoredCaption
from pipelines.steps import Step, Stop
from tabs import captioning_evaluation, captioning_heat, captioning_notes, captioning_stage
from tabs.captioning_pictures import Pictures
from tabs.captioning_thumbnails import thumbnail
from tabs.rooms import App, Parcel
from tabs.watching import View
from tests.tabs.captioning_pack import CAPTIONERS, captioning_services


@pytest.fixture
def app(tmp_path):
    jobs = JobQueue(["cpu"])
    yield App(captioning_services(tmp_path), jobs, tmp_path)
    jobs.close()


@pytest.fixture
def paths(tmp_path):
    for name in ("red", "blue"):
        Image.new("RGB", (300, 200), name).save(tmp_path / f"{name}.png")
    return [str(tmp_path / "red.png"), str(tmp_path / "blue.png")]


@pytest.fixture
def result(app, paths):
    request = CaptionRequest(tuple(paths), ("namer", "contrary"), Decoding(count=2)).resolve(app.services.catalog)
    return list(captioning_stage.start(request, app.services, "cpu"))[-1]


def test_pictures_join_those_that_are_there_once(app, paths):
    with gr.Blocks():
        pictures = Pictures(app, "captioning")
    updates = pictures._with(paths[:1], [*paths, paths[1]])
    assert updates[pictures.paths] == paths
    assert "2 pictures" in updates[pictures.strip] and updates[pictures.strip].count("<figure") == 2
    assert app.receivers[0].take(Parcel(tuple(paths[:1])))[0] == paths[:1]


def test_of_too_many_pictures_the_first_are_taken_and_the_rest_is_told_of(app, paths):
    with gr.Blocks():
        pictures = Pictures(app, "captioning")
    many = [f"{k}.png" for k in range(1000)]
    updates = pictures._with(paths, many, "1 file was left out: notes.txt")
    assert updates[pictures.paths] == [*paths, *many[:998]]
    assert "notes.txt. At most 1,000 pictures fit into one run, so 2 pictures were" in updates[pictures.said].value
    taken, _, said = app.receivers[0].take(Parcel((*many, "one.png")))
    assert taken == many and "1 picture was left out" in said.value


def test_a_thumbnail_is_small_and_a_file_that_is_none_has_none(app, paths, tmp_path):
    settings = app.services.settings
    assert thumbnail(paths[0], settings).startswith("data:image/webp;base64,")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    assert thumbnail(str(tmp_path / "broken.png"), settings) == ""


def test_steps_tell_the_page_what_it_needs_and_stop_is_passed_on(app, paths):
    request = CaptionRequest(tuple(paths), ("namer",)).resolve(app.services.catalog)
    run = captioning_stage.start(request, app.services, "cpu")
    step = next(run)
    assert (
        isinstance(step, Step)
        and step.data["paths"] == tuple(paths)
        and step.data["titles"] == {"namer": "Colour namer"}
    )
    ended = run.send(Stop())
    assert isinstance(ended, CaptionResult) and ended.stopped


def test_the_stage_shows_growing_and_finished_captions(app, paths, result):
    data = {"paths": paths, "titles": result.titles, "rows": result.rows[:1], "drafts": ((1, "contrary", "a <gre"),)}
    view = View("running", step=Step(3, 9, "1 of 2 pictures", data={**data, "left": 4.0}), elapsed=2.0)
    page = captioning_stage.draw(app.services.settings, view)
    assert "a &lt;gre<i></i>" in page and "a red picture" in page and "about 4 s left" in page
    assert page.count('class="line"') == 2 and "width:33%" in page
    assert "before yours" in captioning_stage.draw(app.services.settings, View("waiting", ahead=2))


def test_a_row_without_captions_does_not_stop_the_stage(app, paths, result):
    rows = (replace(result.rows[0], captions=()),)
    view = View("running", step=Step(3, 9, "", data={"paths": paths, "titles": result.titles, "rows": rows}))
    assert 'class="line"' in captioning_stage.draw(app.services.settings, view)


def found(app, request):
    async def collect():
        return [each async for each in captioning_heat.spots(app, "me", request, 0)]

    return asyncio.run(collect())


def test_a_heat_map_is_asked_of_the_queue(app, result):
    news = found(app, captioning_heat.asked(result, 1, "namer", 0, 2))
    assert news[-1].text == "picture" and news[-1].overlay.startswith("data:image/webp")
    assert all(isinstance(each, str) for each in news[:-1])
    with pytest.raises(AtelierError, match="cannot tell where"):
        found(app, captioning_heat.asked(result, 0, "contrary", 0, 0))


@pytest.mark.parametrize("address", [(9, "namer", 0), (0, "nobody", 0), (0, "namer", 7), (0, "namer", "x")])
def test_a_word_that_is_not_there_is_refused(result, address):
    with pytest.raises(BadRequest, match="older run"):
        captioning_heat.asked(result, *address, 0)


def test_notes_name_each_captioner_and_offer_what_is_missing(app):
    assert "Names colours." in captioning_notes.notes(app, ["namer"])
    both = captioning_notes.notes(app, ["namer", "afar"])
    assert "Colour namer: Names colours." in both and "Not on this machine yet, 1.2 GB." in both
    assert captioning_notes.offer(app, ["namer", "afar"]) == {"value": "Fetch Namer elsewhere, 1.2 GB", "visible": True}
    assert captioning_notes.offer(app, ["namer"])["visible"] is False
    public = SimpleNamespace(services=replace(app.services, settings=replace(app.services.settings, public=True)))
    assert captioning_notes.offer(public, ["afar"])["visible"] is False


def test_when_all_captioners_are_elsewhere_the_way_to_them_is_told_but_not_to_strangers(tmp_path):
    elsewhere = [spec for spec in CAPTIONERS if "/" in spec.source]
    for public in (False, True):
        lonely = App(captioning_services(tmp_path, elsewhere, public=public), None)
        said = captioning_notes.notes(lonely, ["afar"])
        assert captioning_notes.NOBODY in said and (captioning_notes.FETCH_ONE in said) is not public


def test_without_any_captioner_the_room_says_so(tmp_path):
    nobody = App(captioning_services(tmp_path, ()), None)
    assert captioning_notes.NONE_KNOWN in captioning_notes.notes(nobody, [])


def scored(text, chosen):
    return ScoredCaption(Caption(text, tuple(text.split()), (1.0,) * len(text.split()), math.log(0.5)), chosen=chosen)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "written.json"
    images = [{"id": 1, "file_name": "train/red.png"}, {"id": 2, "file_name": "train/blue.png"}]
    notes = [{"image_id": 1, "caption": "a rose"}, {"image_id": 2, "caption": "the sea"}]
    path.write_text(json.dumps({"images": images, "annotations": notes}))
    return str(path)


def test_captions_on_the_wall_are_scored_with_their_corrections(written, paths):
    rows = tuple(
        CaptionRow(k, path, path, "namer", (scored("first", False), scored("picked", True)))
        for k, path in enumerate(paths)
    )
    made = CaptionResult(seconds=1, model="", rows=rows, titles={}, pictures=2, captioned=2)
    request = captioning_evaluation.make_request(written, None, (), made, {(1, "namer", 1): "the sea"})
    assert request.candidates == {1: "picked", 2: "the sea"}
    assert request.pictures == {1: paths[0], 2: paths[1]}


def test_the_ranker_of_the_room_is_asked(written, paths):
    rows = tuple(CaptionRow(k, path, path, "namer", (scored("picked", True),)) for k, path in enumerate(paths))
    made = CaptionResult(seconds=1, model="", rows=rows, titles={}, pictures=2, captioned=2)
    assert captioning_evaluation.make_request(written, None, (), made, {}, "tiny-judge").ranker == "tiny-judge"


def test_pictures_of_one_name_are_not_taken_for_each_other(written, paths, tmp_path):
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "red.png"
    Image.new("RGB", (30, 20), "pink").save(twin)
    rows = tuple(CaptionRow(k, p, p, "namer", (scored("picked", True),)) for k, p in enumerate([*paths, str(twin)]))
    made = CaptionResult(seconds=1, model="", rows=rows, titles={}, pictures=3, captioned=3)
    with pytest.raises(BadRequest, match=r"Two pictures are named red\.png"):
        captioning_evaluation.make_request(written, None, (), made, {})
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": 2, "caption": "the sea"}]))
    with pytest.raises(BadRequest, match=r"Two pictures are named red\.png"):
        captioning_evaluation.make_request(written, str(tmp_path / "results.json"), [*paths, str(twin)], None, {})


def test_results_from_a_file_are_scored_with_the_pictures_that_are_there(written, paths, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": 2, "caption": "the sea"}]))
    request = captioning_evaluation.make_request(written, str(tmp_path / "results.json"), paths, None, {})
    assert request.candidates == {2: "the sea"} and request.pictures == {2: paths[1]}


@pytest.mark.parametrize(("captions", "words"), [(None, "nothing to compare with"), ("written", "nothing to score")])
def test_missing_files_are_named(written, captions, words):
    with pytest.raises(BadRequest, match=words):
        captioning_evaluation.make_request(captions and written, None, (), None, {})

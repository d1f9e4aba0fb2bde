"""The view "Image index" as a visitor uses it."""

import json
import shutil
import time
import zipfile

import pytest

import app
from jobs.queue import JobQueue
from tabs.image_index_shelf import NOTES
from tests.browser.conftest import DESKTOP, PHONE
from tests.conftest import Running
from tests.tabs.image_index_pack import OTHER, index_services, paint
from tests.tabs.tiny_pack import make_examples

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The app with two judges of colours."""
    folder = tmp_path_factory.mktemp("library")
    services, jobs = index_services(folder), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=make_examples(folder / "examples"))
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture
def enter(visit, library):
    """`enter(size, dark)`: someone in front of the view."""

    def come(size=DESKTOP, dark=False):
        me = visit(size, dark, library.url)
        tab = me.page.get_by_role("tab", name="Image → prompt")
        if size is PHONE:
            me.page.locator(".overflow-menu > button").first.click()
            tab = me.page.locator(".overflow-dropdown button", has_text="Image → prompt")
        tab.click()
        me.page.get_by_role("tab", name="Image index").click()
        me.page.locator("button.atelier-index-search").wait_for()
        return me

    return come


@pytest.fixture(autouse=True)
def clean(library):
    """No index from the test before."""
    shutil.rmtree(library.services.settings.output / "image_indexes", ignore_errors=True)


def build(me, folder, name="colours"):
    me.page.locator("button.atelier-index-run").wait_for()
    me.page.get_by_label("Name", exact=True).locator("visible=true").fill(name)
    me.page.get_by_label("Folder", exact=True).fill(str(folder))
    me.page.locator("button.atelier-index-run").click()
    me.page.locator(".atelier-index-figures").wait_for()
    me.page.locator(".model-note", has_text="by Tiny judge").wait_for()


def figures(me):
    return dict(
        zip(*(me.page.locator(f".atelier-index-figures {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True)
    )


def search(me, words):
    me.page.get_by_label("Words", exact=True).fill(words)
    me.page.get_by_label("Words", exact=True).press("Enter")
    me.page.locator(".notice", has_text="best first").wait_for()
    me.page.locator(".atelier-index-wall .card").first.wait_for()


def says(me):
    return me.page.locator(".atelier-index-wall .says").all_inner_texts()


def test_a_folder_becomes_an_index_that_answers(enter, tmp_path):
    paint(tmp_path / "in", "red", "blue", "green", "red")
    shutil.copy(tmp_path / "in" / "00-red.png", tmp_path / "in" / "twin.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    me = enter()
    me.page.get_by_text("No index yet").wait_for()
    me.shoot("image-index-empty")
    me.page.locator("button.atelier-index-search").click()
    me.page.get_by_text("There is no index yet. Build one first").wait_for()
    build(me, tmp_path / "in")
    assert figures(me) == {"Added": "4", "Duplicates": "1", "As before": "0", "Vanished": "0", "Unreadable": "1"}
    assert "broken.png is cut off" in me.page.locator(".atelier-index-refused").inner_text()
    me.shoot("image-index-built")
    search(me, "blue")
    assert says(me)[0] == "a blue kite" and len(says(me)) == 4
    me.page.locator(".atelier-index-prompts button", has_text="a red kite").click()
    me.page.locator(".atelier-index-detail .prompt", has_text="a red kite").wait_for()
    assert me.page.locator(".card.chosen .says").inner_text() == "a red kite"
    me.shoot("image-index-detail")
    me.page.get_by_role("button", name="More like this").click()
    me.page.locator(".strip figure").locator("visible=true").wait_for()
    me.page.wait_for_function("document.querySelector('.atelier-index-wall .says')?.innerText === 'a red kite'")
    me.page.get_by_role("button", name="Use this prompt").locator("visible=true").click()
    me.page.wait_for_function("box => box.value === 'a red kite'", arg=me.prompt.element_handle())


def test_a_second_build_does_the_rest_and_the_filters_choose(enter, tmp_path):
    (red, *_) = paint(tmp_path / "in", "red", "blue")
    me = enter()
    build(me, tmp_path / "in")
    red.unlink()
    paint(tmp_path / "in", "green", prompt=False, start=5)
    me.page.locator("button.atelier-index-run").click()
    me.page.wait_for_function("document.querySelector('.atelier-index-figures')?.innerText.includes('As before\\n1')")
    assert figures(me) == {"Added": "1", "Duplicates": "0", "As before": "1", "Vanished": "1", "Unreadable": "0"}
    me.page.get_by_text("Only pictures that").click()
    me.page.get_by_label("carry a prompt").click()
    me.page.get_by_role("option", name="have none").click()
    search(me, "blue")
    assert says(me) == ["05-green.png"]


def test_another_model_is_refused_and_a_button_rebuilds(enter, tmp_path):
    paint(tmp_path / "in", "red", "blue")
    me = enter()
    build(me, tmp_path / "in")
    me.page.get_by_label("Looked at by").click()
    me.page.get_by_role("option", name=OTHER.title).click()
    button = me.page.get_by_role("button", name="Rebuild with this model")
    button.wait_for()
    me.page.locator("button.atelier-index-run").click()
    me.page.locator(".notice.error", has_text="which cannot be compared with Other judge").wait_for()
    me.shoot("image-index-other-model")
    button.click()
    me.page.locator(".model-note", has_text="by Other judge").wait_for()
    button.wait_for(state="hidden")
    search(me, "red")
    assert says(me)[0] == "a red kite"


def test_uploads_zips_export_and_deleting(enter, tmp_path):
    red, blue = paint(tmp_path / "in", "red", "blue")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(blue, "deep/blue.png")
        archive.writestr("notes.txt", "words")
    me = enter(dark=True)
    me.page.get_by_label("Uploads").click()
    me.page.locator(".atelier-index-uploads input[type=file]").set_input_files([red, tmp_path / "more.zip"])
    me.page.locator(".atelier-index-uploads", has_text=".zip").wait_for()  # the page parts a name from its ending
    me.page.locator("button.atelier-index-run").click()
    me.page.locator(".atelier-index-figures").wait_for()
    assert figures(me)["Added"] == "2" and "notes.txt" in me.page.locator(".atelier-index-refused").inner_text()
    me.page.get_by_role("button", name="Export").click()
    me.page.get_by_label("JSONL", exact=True).click()
    me.page.get_by_role("button", name="Make the file").click()
    with me.page.expect_download() as saved:
        me.page.get_by_role("button", name="Download pictures.jsonl").click()
    rows = [json.loads(line) for line in saved.value.path().read_text(encoding="utf-8").splitlines()]
    assert sorted(row["prompt"] for row in rows) == ["a blue kite", "a red kite"]
    me.shoot("image-index-uploads-dark")
    me.page.get_by_role("button", name="Delete this index").click()
    me.page.get_by_role("button", name="Keep it").click()
    me.page.get_by_role("button", name="Delete this index").click()
    me.page.get_by_role("button", name="Yes, delete it").click()
    me.page.get_by_text("pictures is deleted").wait_for()
    me.page.get_by_text("No index yet").wait_for()


def test_a_picture_asks_and_what_cannot_be_read_is_told(enter, tmp_path):
    paint(tmp_path / "in", "red", "blue")
    (asked,) = paint(tmp_path / "asked", "blue", prompt=False)
    (tmp_path / "broken.png").write_text("not a picture")
    me = enter()
    build(me, tmp_path / "in")
    zone = me.page.locator(".atelier-index-drop input[type=file]")
    zone.set_input_files(tmp_path / "broken.png")
    me.page.locator(".notice.error", has_text="broken.png").wait_for()
    zone.set_input_files(asked)
    me.page.locator(".strip figure").locator("visible=true").wait_for()
    search(me, "")
    assert says(me)[0] == "a blue kite"
    me.page.get_by_role("button", name="Remove 00-blue.png").click()
    me.page.locator(".atelier-index-drop").wait_for()


def test_a_build_that_was_cut_off_waits_in_an_open_drawer(enter, tmp_path, library):
    paint(tmp_path / "in", "red")
    build(enter(), tmp_path / "in")
    notes = library.services.settings.output / "image_indexes" / "colours" / NOTES
    notes.write_text(json.dumps(json.loads(notes.read_text()) | {"finished": False}))
    other = enter()
    other.page.locator("button.atelier-index-run").wait_for()
    assert other.page.get_by_text("build again to go on").is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(enter, tmp_path, dark):
    paint(tmp_path / "in", "red", "blue", "green", "yellow")
    me = enter(PHONE, dark)
    build(me, tmp_path / "in")
    search(me, "green")
    me.page.locator(".atelier-index-wall .card").first.click()
    me.page.locator(".atelier-index-detail").wait_for()
    time.sleep(0.3)  # for the scrolling to come to rest
    assert me.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    me.shoot(f"image-index-phone-{'dark' if dark else 'light'}")

"""The captioning room as a visitor uses it."""

import csv
import json
import time

import pytest
from PIL import Image

import app
from jobs.queue import JobQueue
from tests.browser.conftest import DESKTOP, PHONE
from tests.conftest import Running
from tests.pipelines.captioning.tiny import NAMES
from tests.tabs.captioning_pack import captioning_services
from tests.tabs.tiny_pack import make_examples

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def salon(tmp_path_factory):
    """The app with the captioners that name colours."""
    folder = tmp_path_factory.mktemp("salon")
    services, jobs = captioning_services(folder), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=make_examples(folder / "examples"))
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture
def enter(visit, salon):
    """`enter(size, dark)`: someone in the captioning room."""

    def come(size=DESKTOP, dark=False, url=salon.url):
        me = visit(size, dark, url)
        tab = me.page.get_by_role("tab", name="Captioning")
        if size is PHONE:
            me.page.locator(".overflow-menu > button").click()
            tab = me.page.locator(".overflow-dropdown button", has_text="Captioning")
        tab.click()
        me.page.locator(".atelier-drop-captions input[type=file]").wait_for(state="attached")
        return me

    return come


@pytest.fixture
def paint(tmp_path):
    def make(*colours):
        paths = [tmp_path / f"{k}-{colour}.png" for k, colour in enumerate(colours)]
        for path, colour in zip(paths, colours, strict=True):
            Image.new("RGB", (64, 48), NAMES[colour]).save(path)
        return paths

    return make


def bring(me, paths):
    me.page.locator(".atelier-drop-captions input[type=file]").set_input_files(paths)
    count = "1 picture" if len(paths) == 1 else f"{len(paths)} pictures"
    me.page.locator(".strip .count", has_text=count).wait_for()


def choose(me, *titles):
    """Make these the captioners."""
    box = me.page.get_by_label("Captioners")
    for token in range(me.page.locator(".atelier-settings .token").count()):
        del token
        me.page.locator(".atelier-settings .token-remove").first.click()
    for title in titles:
        box.click()
        me.page.get_by_role("option", name=title, exact=True).click()
    me.page.keyboard.press("Escape")


def caption(me):
    me.page.get_by_role("button", name="Caption", exact=True).click()


def words(me):
    """The words of the captions on the wall."""
    me.page.locator(".reading .word").first.wait_for()
    return me.page.locator(".reading .said").all_inner_texts()


def test_a_picture_gets_captions_with_all_that_speaks_for_them(enter, paint):
    me = enter()
    bring(me, paint("blue"))
    caption(me)
    assert words(me)[0].split() == ["a", "blue", "picture"] and len(words(me)) == 3
    first = me.page.locator(".readers li").first
    assert "picked" in first.inner_text()
    for figure in ("log-prob. −0.69", "CLIPScore 2.5", "consensus"):
        assert figure in first.inner_text()
    assert me.page.locator(".word").nth(1).get_attribute("title").startswith("blue: 50 % sure")
    me.page.locator(".numbers-switch").click()
    assert "50 %" in me.page.locator(".said").first.inner_text()
    me.shoot("captioning-one")


def test_a_click_on_a_word_shows_where_it_was_seen(enter, paint):
    me = enter(dark=True)
    bring(me, paint("green"))
    caption(me)
    words(me)
    me.page.locator(".word", has_text="green").first.click()
    me.page.locator(".seen .heat").wait_for()
    assert "where it saw “green”" in me.page.locator(".heat-told").inner_text()
    assert me.page.locator(".word.hot").inner_text().startswith("green")
    me.shoot("captioning-heat-dark")
    me.page.get_by_role("button", name="Hide it").click()
    me.page.locator(".seen .heat").wait_for(state="detached")


def test_captioners_stand_side_by_side_and_one_that_cannot_point_says_so(enter, paint):
    me = enter()
    bring(me, paint("red"))
    choose(me, "Colour namer", "Contrary namer")
    caption(me)
    words(me)
    assert me.page.locator(".readers h3").all_inner_texts() == ["Colour namer", "Contrary namer"]
    assert me.page.locator(".pick p").inner_text() == "a red picture"
    assert me.page.locator(".readers .picked").count() == 1
    me.page.locator(".readers section").nth(1).locator(".word").first.click()
    me.page.get_by_text("cannot tell where it saw a word").wait_for()
    me.shoot("captioning-side-by-side")


def test_a_batch_streams_and_becomes_a_table_to_correct_and_save(enter, paint, tmp_path):
    me = enter()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    bring(me, [*paint("red", "blue", "green"), broken])
    choose(me, "Slow namer")
    caption(me)
    me.page.locator(".growing .draft").nth(2).wait_for()
    me.shoot("captioning-batch-running")
    me.page.locator(".sheet .entry").nth(3).wait_for()
    assert "broken.png is cut off" in me.page.locator(".sheet .refused").inner_text()
    me.shoot("captioning-batch")
    boxes = me.page.locator(".sheet textarea")
    assert [box.input_value() for box in boxes.all()] == ["a red picture", "a blue picture", "a green picture"]
    boxes.nth(1).fill("=the sea")
    with me.page.expect_download() as saved:  # straight from the box to the button
        me.page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(saved.value.path().open(encoding="utf-8-sig", newline="")))
    assert saved.value.suggested_filename == "captions.csv"
    assert [row["caption"] for row in rows] == ["a red picture", "'=the sea", "a green picture"]
    assert [row["edited"] for row in rows] == ["False", "True", "False"]
    me.page.get_by_label("Only the picked caption").click()
    me.page.locator(".sheet textarea").nth(8).wait_for()
    with me.page.expect_download() as saved:
        me.page.get_by_role("button", name="Save as JSONL").click()
    lines = [json.loads(line) for line in saved.value.path().read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 9 and lines[3]["caption"] == "=the sea" and lines[3]["file_name"] == "1-blue.png"


def test_a_long_table_has_pages_and_keeps_what_was_corrected(enter, paint):
    me = enter()
    bring(me, paint(*["red", "blue"] * 7))
    caption(me)
    me.page.locator(".sheet .entry").nth(11).wait_for()
    me.page.locator(".sheet textarea").first.fill("a rose")
    me.page.get_by_role("button", name="Next page").click()
    me.page.locator(".sheet textarea").nth(1).wait_for()
    me.page.wait_for_function("document.querySelectorAll('.sheet textarea').length === 2")
    me.page.get_by_role("button", name="Look at 13-blue.png").click()
    me.page.locator(".seen figcaption", has_text="13-blue.png").wait_for()
    me.page.get_by_role("button", name="Previous page").click()
    me.page.wait_for_function("document.querySelectorAll('.sheet textarea').length === 12")
    assert me.page.locator(".sheet textarea").first.input_value() == "a rose"


def test_stop_keeps_what_is_finished_and_a_refresh_finds_it_again(enter, paint, salon):
    me = enter()
    bring(me, paint(*["red"] * 40))
    choose(me, "Colour namer", "Slow namer")
    caption(me)
    me.page.locator(".growing p:not(.draft)").first.wait_for()
    me.reload()
    me.page.get_by_role("tab", name="Captioning").click()
    me.page.locator(".growing").wait_for()
    me.page.keyboard.press("Escape")
    me.page.get_by_text("Stopped early").wait_for()
    assert words(me)[0].split() == ["a", "red", "picture"]
    assert not salon.jobs.status().running
    chosen = me.page.locator(".atelier-settings .token").all_inner_texts()
    assert [name.strip() for name in chosen] == ["Colour namer", "Slow namer"]  # settings are remembered


def test_methods_show_their_own_settings(enter, paint):
    me = enter()
    me.page.get_by_text("More settings").locator("visible=true").click()
    me.page.get_by_label("number input for Beams").wait_for()
    me.page.get_by_label("How words are chosen").click()
    me.page.get_by_role("option", name="Sampling").click()
    me.page.get_by_label("number input for Top-p").wait_for()
    assert not me.page.get_by_label("number input for Beams").is_visible()
    assert me.page.get_by_label("Seed", exact=True).locator("visible=true").count() == 1
    me.page.get_by_label("How words are chosen").click()
    me.page.get_by_role("option", name="Diverse beams").click()
    me.page.get_by_label("number input for Groups of beams").wait_for()
    bring(me, paint("yellow"))
    caption(me)
    assert words(me)[0].split() == ["a", "yellow", "picture"]


def test_what_is_wrong_is_said_in_a_sentence(enter, tmp_path):
    me = enter()
    caption(me)
    me.page.get_by_text("There is no picture to caption").wait_for()
    text = tmp_path / "notes.png"
    text.write_text("not a picture")
    bring(me, [text])
    caption(me)
    me.page.locator(".notice.error", has_text="notes.png").wait_for()
    me.shoot("captioning-error")


def test_a_captioner_from_elsewhere_offers_to_be_fetched(enter):
    me = enter()
    choose(me, "Namer elsewhere · 1.2 GB to fetch")
    me.page.get_by_role("button", name="Fetch Namer elsewhere, 1.2 GB").wait_for()
    caption(me)  # without pictures, the missing pictures are told of first
    choose(me, "Story teller")
    me.page.get_by_label("A paragraph").wait_for()
    choose(me, "Colour namer")
    me.page.get_by_label("A paragraph").wait_for(state="hidden")


def test_a_folder_brings_its_pictures_and_the_rest_is_told_of(enter, paint, tmp_path):
    me = enter()
    folder = paint("red", "blue")[0].parent
    (folder / "notes.txt").write_text("not a picture")
    me.page.locator(".atelier-sources input[type=file]").first.set_input_files(folder)
    me.page.get_by_text("1 file was left out").wait_for()
    assert me.page.locator(".strip figure").count() == 2


def test_pictures_come_from_other_rooms_the_shelf_and_the_clipboard_and_go_on(enter):
    me = enter()
    me.page.get_by_role("button", name="Take example picture 1").click()
    me.page.locator(".strip figure").wait_for()
    me.page.evaluate(PASTE)
    me.page.locator(".strip figure").nth(1).wait_for()
    me.page.get_by_role("button", name="Remove pasted.png").click()
    me.page.locator(".strip figure").nth(1).wait_for(state="detached")
    caption(me)
    said = words(me)[0].replace("\n", " ")
    me.page.get_by_role("button", name="Use this prompt").locator("visible=true").click()
    me.page.wait_for_function(
        "([box, said]) => box.value === said", arg=[me.prompt.element_handle(), " ".join(said.split())]
    )
    me.page.get_by_role("button", name="Generate").click()
    me.wait_for_pictures(4)
    me.page.get_by_role("button", name="Caption these →").locator("visible=true").click()
    me.page.locator(".strip figure").nth(3).wait_for()


def test_captions_on_the_wall_are_scored_against_what_people_wrote(enter, paint, tmp_path):
    me = enter()
    paths = paint("red", "blue")
    bring(me, paths)
    caption(me)
    me.page.locator(".sheet .entry").nth(1).wait_for()
    written = {
        "images": [{"id": k, "file_name": path.name} for k, path in enumerate(paths)],
        "annotations": [{"image_id": 0, "caption": "a red picture"}, {"image_id": 1, "caption": "a dog on a beach"}],
    }
    (tmp_path / "written.json").write_text(json.dumps(written))
    me.page.get_by_text("Evaluate", exact=True).click()
    me.page.get_by_role("button", name="Score", exact=True).click()
    me.page.get_by_text("There is nothing to compare with").wait_for()
    me.page.locator(".atelier-scored-files input[type=file]").first.set_input_files(tmp_path / "written.json")
    me.page.get_by_text("written.json").wait_for()
    me.page.get_by_role("button", name="Score", exact=True).click()
    table = me.page.locator(".metrics")
    table.wait_for()
    assert "BLEU-4" in table.inner_text() and "CLIPScore" in table.inner_text() and " to " in table.inner_text()
    me.shoot("captioning-evaluation")


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(enter, paint, dark):
    me = enter(PHONE, dark)
    bring(me, paint("red", "blue", "green"))
    choose(me, "Colour namer", "Contrary namer")
    caption(me)
    words(me)
    time.sleep(0.3)  # for the scrolling to come to rest
    width = me.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    me.shoot(f"captioning-phone-{'dark' if dark else 'light'}")


def test_an_app_without_captioners_says_so(visit, atelier, enter):
    me = enter(url=atelier.url)
    me.page.get_by_text("This app knows no captioner").wait_for()


PASTE = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 40 });
  canvas.getContext("2d").fillRect(0, 0, 40, 40);
  const blob = await new Promise((done) => canvas.toBlob(done));
  const carried = new DataTransfer();
  carried.items.add(new File([blob], "pasted.png", { type: "image/png" }));
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carried, bubbles: true }));
}"""

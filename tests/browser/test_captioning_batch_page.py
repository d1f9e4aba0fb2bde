"""Many pictures in the captioning room: streaming, table, folder, evaluation."""

import csv
import json

import pytest

from tests.browser.captioning_room import bring, caption, choose, words
from tests.tabs.tiny_pack import held

pytestmark = pytest.mark.browser


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
    with held():
        me.reload()
        me.page.get_by_role("tab", name="Captioning").click()
        me.page.locator(".growing").wait_for()
        me.page.keyboard.press("Escape")
    me.page.get_by_text("Stopped early").wait_for()
    assert words(me)[0].split() == ["a", "red", "picture"]
    assert not salon.jobs.status().running
    chosen = me.page.locator(".atelier-settings .token").all_inner_texts()
    assert [name.strip() for name in chosen] == ["Colour namer", "Slow namer"]  # settings are remembered


def test_a_folder_brings_its_pictures_and_the_rest_is_told_of(enter, paint, tmp_path):
    me = enter()
    folder = paint("red", "blue")[0].parent
    (folder / "notes.txt").write_text("not a picture")
    me.page.locator(".atelier-sources input[type=file]").first.set_input_files(folder)
    me.page.get_by_text("1 file was left out").wait_for()
    assert me.page.locator(".strip figure").count() == 2


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

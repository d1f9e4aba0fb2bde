"""The view of prompts as a visitor uses it."""

import csv

import pytest

import app
from jobs.queue import JobQueue
from tests.browser.conftest import DESKTOP, PHONE
from tests.conftest import Running
from tests.tabs.prompts_pack import SLOW, prompts_examples, prompts_services

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The app with the encoder that counts words."""
    folder = tmp_path_factory.mktemp("desk")
    services, jobs = prompts_services(folder), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=prompts_examples(folder / "examples"))
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture
def enter(visit, desk):
    """`enter(size, dark)`: someone in the view."""

    def come(size=DESKTOP, dark=False):
        me = visit(size, dark, desk.url)
        tab = me.page.get_by_role("tab", name="Image → prompt")
        if size is PHONE:
            me.page.locator(".overflow-menu > button").first.click()
            tab = me.page.locator(".overflow-dropdown button", has_text="Image → prompt")
        tab.click()
        view = me.page.get_by_role("tab", name="Prompts", exact=True)
        view.click()
        me.page.get_by_label("Explore a file").wait_for()
        return me

    return come


def bring(me, look, *paths):
    """Drop files where this belongs."""
    me.page.locator(f".atelier-data-drop-{look} input[type=file]").set_input_files(paths)
    me.page.locator(".atelier-data-chips", has_text=paths[-1].name).first.wait_for()


def press(me, name):
    me.page.get_by_role("button", name=name, exact=True).locator("visible=true").click()


def test_the_example_is_there_at_first_sight_and_is_explored(enter):
    me = enter()
    me.page.get_by_text("a red fox asleep on a mossy log").first.wait_for()
    me.shoot("prompts-empty")
    press(me, "Explore")
    me.page.get_by_text("82 prompts of prompts.csv explored").wait_for()
    me.shoot("prompts-explored")
    me.page.get_by_role("tab", name="Leaks").click()
    me.page.get_by_role("cell", name="train", exact=True).wait_for()
    me.page.get_by_role("tab", name="Clusters").click()
    me.page.locator("svg text", has_text="Map of the prompts").wait_for()
    with me.page.expect_download() as saved:
        me.page.get_by_text("Download the report").click()
    assert "Leaks between parts" in saved.value.path().read_text(encoding="utf-8")


def test_a_missing_column_lists_those_there_are(enter, tmp_path):
    me = enter()
    (tmp_path / "odd.csv").write_text("words,mood\na cat,happy\na dog,sad\n")
    bring(me, "prompts", tmp_path / "odd.csv")
    me.page.get_by_text('odd.csv has no column of prompts: it has "words", "mood"').wait_for()
    press(me, "Explore")
    me.page.locator(".notice.error", has_text="Say which of them to read").locator("visible=true").first.wait_for()
    me.page.get_by_label("Column of prompts").locator("visible=true").click()
    me.page.get_by_role("option", name="words").click()
    me.page.get_by_role("cell", name="a cat").wait_for()


def test_a_second_file_is_searched_for_leaks_and_stop_keeps_what_is_read(enter, desk, tmp_path):
    me = enter()
    for name in ("one", "two"):
        lines = [f"{SLOW} painted picture number {number}" for number in range(3_000)]
        (tmp_path / f"{name}.jsonl").write_text("".join(f'{{"prompt": "{line}"}}\n' for line in lines))
    bring(me, "prompts", tmp_path / "one.jsonl", tmp_path / "two.jsonl")
    press(me, "Explore")
    me.page.get_by_text("reading the prompts").wait_for()
    press(me, "Stop")
    me.shoot("prompts-running")
    me.page.get_by_text("Stopped early").wait_for()
    assert not desk.jobs.status().running
    me.page.get_by_role("tab", name="Leaks").click()
    row = me.page.locator(".atelier-data-table:visible tbody tr").first
    assert row.inner_text().split()[:4] == ["two.jsonl", "one.jsonl", "3,000", "3,000"]


def test_points_of_the_map_show_their_neighbours(enter):
    me = enter()
    me.page.get_by_label("Map of meanings").click()
    press(me, "Draw the map")
    me.page.get_by_text("72 prompts of truth").wait_for()
    me.page.locator(".atelier-data-points [data-row='3']").click()
    me.page.locator(".atelier-data-near .chosen", has_text="two otters holding hands").wait_for()
    assert me.page.locator(".atelier-data-near li").count() == 8
    nearest = me.page.locator(".atelier-data-near li button span").first.inner_text()
    me.page.locator(".atelier-data-near li button").first.click()
    me.page.locator(".atelier-data-near .chosen", has_text=nearest).wait_for()
    me.shoot("prompts-map")
    me.page.locator(".atelier-results").get_by_label("t-SNE").click()
    me.page.locator("svg text", has_text="Prompts by meaning (t-SNE)").wait_for()
    me.page.get_by_text("Heat map of all cosines").click()
    me.page.locator("svg text", has_text="Cosine of truth (rows)").wait_for()


def test_methods_are_scored_an_entry_is_written_and_a_wrong_one_caught(enter, tmp_path):
    me = enter()
    me.page.get_by_label("Score and submit").click()
    press(me, "Score")
    me.page.get_by_text("2 methods scored on 24 images").wait_for()
    press(me, "Write submission.csv")
    me.page.get_by_text("Nothing is wrong with it").wait_for()
    with me.page.expect_download() as saved:
        me.page.get_by_text("Download submission.csv").locator("visible=true").click()
    rows = list(csv.reader(saved.value.path().open(encoding="utf-8")))
    assert saved.value.suggested_filename == "submission.csv" and len(rows) == 24 * 384 + 1
    me.shoot("prompts-scored")
    wrong = [rows[0], *([name.replace("_", ".png_"), value] for name, value in rows[1:])]
    with (tmp_path / "entry.csv").open("w", newline="") as file:
        csv.writer(file).writerows(wrong)
    bring(me, "predictions", tmp_path / "entry.csv")
    told = 'Row 2 has the id "fox.png_0": it must be "fox_0", without the extension of the file.'
    me.page.locator(".notice.error", has_text=told).locator("visible=true").first.wait_for()
    press(me, "Score")
    me.page.get_by_text("1 submission is not sound").wait_for()
    me.page.locator(".notice.error", has_text=told).locator("visible=true").first.wait_for()
    me.shoot("prompts-wrong-entry")


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(enter, dark):
    me = enter(PHONE, dark)
    look = "dark" if dark else "light"
    me.shoot(f"prompts-phone-{look}-empty")
    for mode, button, told in (
        ("Explore a file", "Explore", "explored in"),
        ("Map of meanings", "Draw the map", "mapped by"),
        ("Score and submit", "Score", "scored on"),
    ):
        me.page.get_by_label(mode).click()
        press(me, button)
        me.page.get_by_text(told).wait_for()
        assert me.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        me.shoot(f"prompts-phone-{look}-{button.split()[0].lower()}")

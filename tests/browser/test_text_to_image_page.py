"""The room text → image as a visitor uses it."""

import re
import shutil

import pytest

from common.errors import ModelUnavailable
from tests.browser.conftest import PHONE
from tests.tabs.tiny_pack import held

pytestmark = pytest.mark.browser


def scores(visitor) -> list[float]:
    captions = visitor.page.locator(".atelier-wall .caption-label").all_inner_texts()
    return [float(re.split(r"\s+·\s+", text)[1]) for text in captions]


def test_a_prompt_gives_ranked_pictures(visit):
    me = visit()
    me.shoot("empty")
    me.generate("a red balloon")
    me.wait_for_pictures(4)
    found = scores(me)
    assert found == sorted(found, reverse=True) and len(set(found)) > 1
    assert me.page.locator(".scores tbody tr").count() == 8  # fast ranking gave four of them up
    assert me.page.get_by_text("4 pictures by Tiny painter").is_visible()
    me.shoot("result")


def test_control_enter_runs_and_escape_stops(visit):
    me = visit()
    me.choose_slow_painter(steps=60)
    me.prompt.fill("a blue bird")
    me.prompt.press("Control+Enter")
    me.page.get_by_text(re.compile(r"Step \d+ of 60")).wait_for()
    with held():
        assert me.page.locator(".board img").count() == 8
        me.shoot("running", full=False)
        me.page.keyboard.press("Escape")
        me.page.get_by_role("button", name="Stopping …").wait_for()
    me.wait_for_pictures(8, timeout=20_000)
    assert me.page.get_by_text("Stopped early").is_visible()
    assert me.page.get_by_role("button", name="Generate").is_visible()


def test_an_empty_prompt_is_one_sentence_and_costs_nothing(visit):
    me = visit()
    me.generate("a red balloon")
    me.wait_for_pictures(4)
    me.generate("")
    me.page.get_by_role("alert").wait_for()
    assert "prompt" in me.page.get_by_role("alert").inner_text().lower()
    assert me.pictures.first.is_visible()
    me.shoot("error")


def test_markup_in_a_prompt_stays_text(visit):
    me = visit()
    me.generate("<img src=x onerror=\"document.title='broken'\"> red")
    me.wait_for_pictures(4)
    assert me.page.title() == "CLIP Atelier"
    assert me.page.locator("img[src=x]").count() == 0


def test_a_picture_brings_all_its_settings_back(visit, tmp_path):
    me = visit()
    me.page.get_by_text("More settings").click()
    me.page.get_by_label("number input for Candidates").fill("2")
    me.page.get_by_label("number input for Steps").fill("5")
    me.page.get_by_label("Negative prompt").fill("rain")
    me.page.get_by_label("Seed", exact=True).fill("77")
    me.generate("a yellow submarine")
    me.wait_for_pictures(2)
    with me.page.expect_download() as download:
        me.page.get_by_role("button", name="Download the best").click()
    best = tmp_path / "best.png"
    download.value.save_as(best)

    other = visit()
    other.page.locator(".atelier-drop input[type=file]").first.set_input_files(best)
    other.page.get_by_text("All settings are restored").wait_for()
    other.page.get_by_text("More settings").click()
    assert other.prompt.input_value() == "a yellow submarine"
    assert other.page.get_by_label("number input for Candidates").input_value() == "2"
    assert other.page.get_by_label("number input for Steps").input_value() == "5"
    assert other.page.get_by_label("Negative prompt").input_value() == "rain"
    assert other.page.get_by_label("Seed", exact=True).input_value() in ("77", "78")


def test_a_picture_dropped_anywhere_on_the_room_counts(visit, atelier):
    me = visit()
    picture = sorted((atelier.services.settings.output.parent / "examples" / "gallery").glob("*.png"))[0]
    me.page.evaluate(
        """async (bytes) => {
            const carried = new DataTransfer();
            carried.items.add(new File([new Uint8Array(bytes)], "kite.png", { type: "image/png" }));
            const desk = document.querySelector(".atelier-desk");
            desk.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
        }""",
        list(picture.read_bytes()),
    )
    me.page.get_by_text("All settings are restored").wait_for()
    assert me.prompt.input_value() == "a red kite" or me.prompt.input_value().startswith("a ")


def test_a_refreshed_page_finds_its_running_job_again(visit):
    me = visit()
    me.choose_slow_painter(steps=24)
    me.generate("a green dragon")
    me.page.get_by_text(re.compile(r"Step \d+ of 24")).wait_for()
    with held():  # or a busy machine has painted all before it shows the page again
        me.reload()
        me.page.get_by_role("button", name="Stop").wait_for()
    assert me.prompt.input_value() == "a green dragon"
    me.wait_for_pictures(4)
    me.reload()  # and the result of one that has ended
    me.wait_for_pictures(4)


def test_dice_and_recycle_set_the_seed(visit):
    me = visit()
    me.page.get_by_label("Seed", exact=True).fill("7")
    me.page.get_by_role("button", name="A new random seed each time").click()
    me.page.wait_for_function(
        "() => document.querySelector('.atelier-seed textarea, .atelier-seed input').value === ''"
    )
    me.generate("a red balloon")
    me.wait_for_pictures(4)
    me.page.get_by_role("button", name="The last seed again").click()
    me.page.wait_for_function(
        "() => document.querySelector('.atelier-seed textarea, .atelier-seed input').value !== ''"
    )
    seed = me.page.get_by_label("Seed", exact=True).input_value()
    assert me.page.locator(".scores tbody").get_by_text(f"seed {seed}").count() == 1


def test_two_visitors_do_not_see_each_other(visit):
    one, two = visit(), visit()
    one.choose_model("Slow painter")
    one.generate("a red fox")
    two.generate("a blue whale")
    two.page.locator(".progress").wait_for()
    one.wait_for_pictures(4)
    two.wait_for_pictures(4)
    assert one.page.get_by_text("by Slow painter").count() == 1
    assert two.page.get_by_text("by Tiny painter").count() == 1
    assert one.pictures.first.get_attribute("src") != two.pictures.first.get_attribute("src")


def test_an_example_shows_its_result_at_once(visit):
    me = visit()
    me.page.locator(".atelier-shelf button").nth(1).click()
    me.wait_for_pictures(3)
    assert me.prompt.input_value() == "a blue whale"
    assert scores(me) == [0.9, 0.8, 0.7]


def test_a_model_that_is_elsewhere_is_offered_with_its_size_and_never_fetched_by_surprise(visit):
    me = visit()
    me.choose_model("Painter elsewhere")
    me.page.get_by_text("Never fetched in tests.").wait_for()
    assert me.page.get_by_role("button", name="Fetch 1.2 GB").is_visible()
    me.generate("a red balloon")
    me.page.get_by_role("alert").wait_for()
    assert "models.fetch" in me.page.get_by_role("alert").inner_text()


def test_a_model_is_fetched_on_request(visit, atelier, monkeypatch):
    folder = atelier.services.settings.hub_folder / "nobody--nowhere"
    tries = []

    def fetch(spec, settings, report):
        tries.append(spec.name)
        if len(tries) == 1:
            raise ModelUnavailable("The hub cannot be reached.")
        folder.mkdir()
        (folder / "weights").touch()

    monkeypatch.setattr("models.fetch.fetch", fetch)
    me = visit()
    me.choose_model("Painter elsewhere")
    me.page.get_by_role("button", name="Fetch 1.2 GB").click()
    me.page.get_by_text("The hub cannot be reached.").wait_for()
    me.page.get_by_role("button", name="Try again").click()
    me.page.get_by_role("button", name="Try again").wait_for(state="hidden")
    try:
        me.generate("a red balloon")
        me.wait_for_pictures(8)  # one step leaves nothing to give up
        assert me.page.get_by_text("by Painter elsewhere").is_visible()
    finally:
        shutil.rmtree(folder)
    assert tries == ["tiny-hub"] * 2


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_scrolls_in_one_direction_only(visit, dark):
    me = visit(PHONE, dark)
    button = me.page.get_by_role("button", name="Generate").bounding_box()
    assert button["y"] + button["height"] <= PHONE["height"]
    me.shoot(f"phone-{'dark' if dark else 'light'}-empty", full=False)
    me.generate("a red balloon")
    me.wait_for_pictures(4)
    assert me.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    me.shoot(f"phone-{'dark' if dark else 'light'}-result")

"""The view "Picture(s)" of the room image → prompt as a visitor uses it."""

import csv
import json
import shutil
from contextlib import suppress

import pytest
from PIL import Image

import app
from jobs.queue import JobQueue
from pipelines.prompt_data.submission import read_submission
from safeguards.recipe import Recipe, stamp_png
from tests.browser.conftest import DESKTOP, PHONE
from tests.conftest import Running
from tests.pipelines.captioning.tiny import NAMES
from tests.tabs.image_to_prompt_pack import colour_list, prompt_services
from tests.tabs.tiny_pack import make_examples

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """The app with a ranker that sees colours, and an example found earlier."""
    folder = tmp_path_factory.mktemp("studio")
    services, jobs = prompt_services(folder), JobQueue(["cpu"])
    examples = make_examples(folder / "examples")
    rows = [{"picture": 0, "name": "kite-1.png", "method": "interrogator", "prompt": "a scarlet kite", "cosine": 0.5}]
    listed = [{"file": "gallery/kite-1.png", "rows": rows}]
    (examples / "image_to_prompt.json").write_text(json.dumps(listed), encoding="utf-8")
    page, url = app.launch(services, jobs, examples=examples)
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture
def enter(visit, studio):
    """`enter(size, dark)`: someone in the view."""

    def come(size=DESKTOP, dark=False):
        me = visit(size, dark, studio.url)
        tab = me.page.get_by_role("tab", name="Image → prompt")
        if size is PHONE:
            me.page.locator(".overflow-menu > button").first.click()
            tab = me.page.locator(".overflow-dropdown button", has_text="Image → prompt")
        tab.click()
        me.page.get_by_role("button", name="Find the words").wait_for()
        return me

    return come


@pytest.fixture
def paint(tmp_path):
    def make(*colours):
        paths = [tmp_path / f"{colour}.png" for colour in colours]
        for path, colour in zip(paths, colours, strict=True):
            Image.new("RGB", (64, 48), NAMES[colour]).save(path)
        return paths

    return make


def bring(me, paths):
    me.page.locator(".atelier-drop-captions input[type=file]").first.set_input_files(paths)
    count = "1 picture" if len(paths) == 1 else f"{len(paths)} pictures"
    me.page.locator(".strip .count", has_text=count).locator("visible=true").wait_for()


def bring_words(me, tmp_path):
    """A list of colours, by the drop zone for lists of one's own."""
    me.page.locator(".atelier-settings .label-wrap", has_text="Words").click()
    me.page.locator(".atelier-prompt-files input[type=file]").set_input_files(colour_list(tmp_path))
    me.page.locator(".notice", has_text="colours.txt: 5 phrases").wait_for()


def find(me):
    me.page.get_by_role("button", name="Find the words").click()


def cards(me):
    """The methods on the wall with their prompts."""
    me.page.locator(".prompts:not(.live) .prompt-card").first.wait_for()
    return me.page.locator(".prompts:not(.live) .prompt-card")


def drawer(me, title):
    """A drawer below the wall, opened."""
    me.page.locator(".atelier-inputs > .label-wrap", has_text=title).click()
    return me.page.locator(".atelier-inputs", has=me.page.locator(".label-wrap", has_text=title))


def test_a_prompt_grows_and_shows_what_each_phrase_is_worth(enter, paint, tmp_path):
    me = enter()
    me.shoot("image-to-prompt-empty")
    bring(me, paint("red"))
    bring_words(me, tmp_path)
    me.page.get_by_label("Begin with").fill("a green thing")
    find(me)
    card = cards(me).first
    assert card.locator(".start").inner_text() == "a green thing"
    assert "red" in card.locator(".term").first.inner_text()
    assert "of 77 tokens" in card.locator(".meter").inner_text()
    assert card.locator(".worth tbody tr").count() == card.locator(".term").count()
    me.shoot("image-to-prompt-one")
    me.page.get_by_role("button", name="Use this prompt").click()
    me.prompt.wait_for()
    me.page.wait_for_function("box => box.value.startsWith('a green thing, ')", arg=me.prompt.element_handle())


def test_methods_side_by_side_one_in_use_and_all_compared(enter, paint, tmp_path):
    from playwright.sync_api import TimeoutError

    me = enter()
    bring(me, paint("red", "blue"))
    bring_words(me, tmp_path)
    me.page.get_by_label("Captioners", exact=True).first.check()
    me.page.get_by_label("Ensemble", exact=True).check()
    me.page.get_by_label("Weights of the ensemble").wait_for()
    find(me)
    assert cards(me).count() == 3
    used = me.page.locator(".prompt-card.used", has_text="Colour namer")
    for _ in range(6):  # on a busy machine the cards may just be drawn anew under the click
        if not used.is_visible():
            me.page.get_by_role("button", name="Use this one").first.click()
            with suppress(TimeoutError):
                used.wait_for(timeout=20_000)
    assert used.is_visible()
    me.page.get_by_role("button", name="Next picture").click()
    me.page.locator(".seen figcaption", has_text="blue.png").wait_for()
    truth = tmp_path / "truth.csv"
    truth.write_text("id,prompt\nred,a red picture\nblue,a blue picture\n", encoding="utf-8")
    compare = drawer(me, "Compare")
    compare.locator("input[type=file]").first.set_input_files(truth)
    compare.get_by_text("truth.csv").first.wait_for()
    compare.get_by_role("button", name="Compare", exact=True).last.click()
    compare.locator(".side-by-side tbody tr").nth(1).wait_for()
    assert "1.000" in compare.locator(".compared").first.inner_text()
    assert compare.locator(".prompt-plot svg").count() >= 5
    compare.get_by_role("button", name="Fit them to the truth").click()
    compare.get_by_role("button", name="Use these weights").click()
    me.page.wait_for_function(
        "() => [...document.querySelectorAll('.atelier-settings textarea')].some(b => b.value.includes('namer = '))"
    )
    me.shoot("image-to-prompt-compare")


def choose_mode(me, title):
    me.page.get_by_label("Mode of the interrogator").click()
    me.page.get_by_role("option", name=title).click()


def test_analyse_shows_each_list_and_negative_what_is_not_there(enter, paint, tmp_path):
    me = enter()
    bring(me, paint("red"))
    bring_words(me, tmp_path)
    choose_mode(me, "Analyse")
    find(me)
    palettes = cards(me).first.locator(".found section", has_text="palettes")  # which has the colours, too
    assert "red" in palettes.locator("li").first.inner_text()
    me.page.get_by_label("Captioners", exact=True).first.check()
    choose_mode(me, "Negative")
    find(me)
    card = me.page.locator(".prompt-card", has_text="A negative prompt").locator("visible=true")
    card.wait_for()
    assert "red" not in card.locator(".prompt-words").inner_text()
    assert "used" in me.page.locator(".prompt-card", has_text="Colour namer").first.get_attribute("class")
    compare = drawer(me, "Compare")
    compare.get_by_role("button", name="Compare", exact=True).last.click()
    compare.locator(".side-by-side tbody tr").first.wait_for()
    assert "Interrogator" not in compare.locator(".compared").first.inner_text()


def test_nearest_from_a_column_the_zero_image_head_and_a_submission(enter, paint, tmp_path):
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("id,words\n1,a red barn\n2,a blue lake\n3,green moss\n", encoding="utf-8")
    me = enter()
    bring(me, paint("red", "blue"))
    bring_words(me, tmp_path)
    for method in ("Nearest prompts", "Zero-image head", "Ensemble"):
        me.page.get_by_label(method, exact=True).check()
    choose_mode(me, "Fast")
    me.page.locator(".atelier-prompt-prompts input[type=file]").set_input_files(prompts)
    me.page.locator(".atelier-prompt-prompts", has_text="prompts.csv").wait_for()
    find(me)
    me.page.locator(".prompt-card", has_text="no column of prompts").or_(
        me.page.locator(".notice.error", has_text="no column of prompts")
    ).first.wait_for(timeout=120_000)
    me.page.locator(".atelier-settings").get_by_label("Column of prompts").click()
    me.page.get_by_role("option", name="words").click()
    find(me)
    assert cards(me).count() == 4
    nearest = cards(me).filter(has_text="Nearest prompts")
    assert "a red barn" in nearest.locator(".prompt-words").inner_text()
    assert "A vector is no sentence" in cards(me).filter(has_text="Zero-image head").inner_text()
    submit = me.page.locator(".atelier-results .atelier-data-submit").locator("visible=true")
    submit.get_by_role("button", name="Write submission.csv").click()
    me.page.locator(".notice", has_text="The vectors of ensemble: 2 pictures with 384 rows each").wait_for()
    with me.page.expect_download() as waiting:
        submit.get_by_text("Download submission.csv").click()
    found = read_submission(shutil.copy(waiting.value.path(), tmp_path / "submission.csv"))
    assert found.ids == ("red", "blue")
    me.shoot("image-to-prompt-submission")


def test_the_preset_fills_in_captioners_and_weights(enter):
    me = enter()
    me.page.get_by_role("button", name="Preset: BLIP + CoCa").click()
    me.page.wait_for_function(
        "() => [...document.querySelectorAll('.atelier-settings textarea')].some("
        "b => b.value === 'caption:blip-large = 0.5, caption:coca-vit-l-14-coco = 0.5')"
    )
    assert me.page.get_by_label("Ensemble", exact=True).is_checked()
    assert not me.page.get_by_label("Interrogator", exact=True).is_checked()


def test_lists_on_this_machine_load_by_their_path(enter, paint, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "flavors.txt").write_text("a red glow\na blue glow\n", encoding="utf-8")
    me = enter()
    bring(me, paint("red"))
    me.page.locator(".atelier-settings .label-wrap", has_text="Words").click()
    box = me.page.get_by_label("Lists on this machine")
    box.fill(str(tmp_path / "gone"))
    box.blur()
    me.page.locator(".notice.error", has_text="gone is no file or folder on this machine").wait_for()
    box.fill(str(data))
    box.blur()
    me.page.locator(".notice", has_text="flavors.txt: 2 phrases").wait_for()
    choose_mode(me, "Fast")
    find(me)
    assert "a red glow" in cards(me).first.inner_text()


def test_the_exact_prompt_comes_first(enter, tmp_path):
    path = tmp_path / "moss.png"
    recipe = Recipe("text_to_image", "x", settings={"prompt": "moss  on a\nstone"})
    stamp_png(Image.new("RGB", (64, 48), NAMES["green"]), recipe, path)
    me = enter(dark=True)
    bring(me, [path])
    find(me)
    first = cards(me).first
    assert first.locator(".prompt-words").inner_text() == "moss  on a\nstone"
    assert first.locator(".exact").count() == 1
    assert "★ in use" in first.inner_text()
    me.shoot("image-to-prompt-exact-dark")


def test_prompts_are_painted_and_ranked_by_likeness(enter, paint):
    me = enter()
    bring(me, paint("blue"))
    find(me)
    cards(me)
    trip = drawer(me, "Round trip")
    trip.get_by_label("Further prompts").fill("a blue lake\na red barn")
    trip.get_by_role("button", name="Paint and compare").click()
    trip.locator(".round-trip li.used img").first.wait_for(timeout=120_000)
    ranked = trip.locator(".round-trip .prompt-words").all_inner_texts()
    assert set(ranked[:2]) == {"a blue picture", "a blue lake"} and ranked[2] == "a red barn"
    trip.get_by_role("button", name="Use this one").last.click()
    trip.locator(".round-trip li.used").last.wait_for()
    me.shoot("image-to-prompt-round-trip")


def test_a_folder_becomes_a_table_and_goes_on_where_it_ended(enter, paint, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for path in paint("red", "green"):
        path.rename(pictures / path.name)
    me = enter()
    folder = drawer(me, "A folder into a table")
    folder.get_by_role("button", name="Begin, or go on").click()
    folder.locator(".notice.error", has_text="There is no folder").wait_for()
    folder.get_by_label("Folder with pictures").fill(str(pictures))
    folder.get_by_label("Table to write").fill(str(tmp_path / "made.csv"))
    folder.get_by_role("button", name="Begin, or go on").click()
    folder.locator(".notice", has_text="2 of 2 pictures have their rows in made.csv").wait_for()
    with open(tmp_path / "made.csv", encoding="utf-8-sig", newline="") as file:
        assert sorted(row["file"] for row in csv.DictReader(file)) == ["green.png", "red.png"]
    (picture,) = paint("blue")
    picture.rename(pictures / "blue.png")
    folder.get_by_role("button", name="Begin, or go on").click()
    folder.locator(".notice", has_text="3 of 3 pictures have their rows in made.csv, 2 of them from before").wait_for()
    me.shoot("image-to-prompt-folder")


def test_a_head_is_trained_on_the_pictures_above_and_can_be_chosen(enter, paint, tmp_path):
    me = enter()
    bring(me, paint("red", "blue", "green"))
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("file,prompt\nred.png,a red barn\nblue.png,a lake\ngreen.png,moss\n", encoding="utf-8")
    heads = drawer(me, "Train a head")
    heads.get_by_role("button", name="Train", exact=True).click()
    heads.locator(".notice.error", has_text="no file of prompts").wait_for()
    heads.locator("input[type=file]").set_input_files(prompts)
    heads.get_by_text("prompts.csv").first.wait_for()
    heads.get_by_label("Name").fill("mine")
    heads.get_by_role("button", name="Train", exact=True).click()
    heads.locator(".notice", has_text="The head mine was trained on 3 pictures").wait_for(timeout=120_000)
    me.page.get_by_label("Regression head", exact=True).check()
    me.page.get_by_label("Head", exact=True).click()
    me.page.get_by_role("option", name="mine").click()
    find(me)
    assert "Regression head" in cards(me).nth(1).inner_text()


def test_errors_are_sentences_and_what_hung_there_stays(enter, paint, tmp_path):
    me = enter()
    find(me)
    me.page.locator(".notice.error", has_text="There is no picture yet").wait_for()
    bring(me, paint("red"))
    me.page.locator(".notice.error").wait_for(state="hidden")  # there is one now
    find(me)
    cards(me)
    me.page.get_by_label("Interrogator", exact=True).uncheck()
    find(me)
    me.page.locator(".notice.error", has_text="No method is chosen").wait_for()
    assert cards(me).count() == 1
    me.page.locator(".atelier-settings .label-wrap", has_text="Words").click()
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n", encoding="utf-8")
    me.page.locator(".atelier-prompt-files input[type=file]").set_input_files(empty)
    me.page.locator(".notice.error", has_text="empty.txt has no phrases").wait_for()


def test_an_example_shows_its_prompt_at_once_and_everything_fits_a_phone(enter):
    me = enter(PHONE)
    me.page.locator(".prompt-shelf button", has_text="a scarlet kite").click()
    assert "a scarlet kite" in cards(me).first.inner_text()
    me.page.locator(".strip .count", has_text="1 picture").wait_for()
    assert me.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    me.shoot("image-to-prompt-phone")


def test_a_stop_keeps_the_best_so_far_and_a_reload_finds_it_again(enter, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(16)]
    for path in paths:
        Image.new("RGB", (64, 48), NAMES["red"]).save(path)
    me = enter()
    bring(me, paths)
    me.page.get_by_label("Captioners", exact=True).last.click()
    me.page.get_by_role("option", name="Slow namer").click()
    me.page.keyboard.press("Escape")
    find(me)
    me.page.get_by_role("button", name="Stop").click()
    me.page.locator(".notice", has_text="Stopped early").wait_for()
    me.reload()
    me.page.get_by_role("tab", name="Image → prompt").click()
    me.page.locator(".notice", has_text="Stopped early").wait_for()

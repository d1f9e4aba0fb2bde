"""The room image → prompt where strangers can reach it: what is shut is shut, and all the rest works."""

import pytest
from PIL import Image

import app
from jobs.queue import JobQueue
from tests.browser.conftest import PHONE
from tests.conftest import Running
from tests.pipelines.captioning.tiny import NAMES
from tests.tabs.image_to_prompt_pack import prompt_services

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """The app with the tiny models, open to strangers."""
    folder = tmp_path_factory.mktemp("street")
    services, jobs = prompt_services(folder, public=True), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=folder)
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture
def enter(visit, street):
    """`enter(view)`: a stranger in a view of the room."""

    def come(view="Picture(s)", **more):
        me = visit(url=street.url, **more)
        tab = me.page.get_by_role("tab", name="Image → prompt")
        if more.get("size") is PHONE:
            me.page.locator(".overflow-menu > button").first.click()
            tab = me.page.locator(".overflow-dropdown button", has_text="Image → prompt")
        tab.click()
        me.page.get_by_role("tab", name=view).click()
        return me

    return come


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in ("red", "blue", "green")]
    for path in paths:
        Image.new("RGB", (64, 48), NAMES[path.stem]).save(path)
    return paths


def drawer(me, title):
    me.page.locator(".atelier-inputs > .label-wrap", has_text=title).click()
    return me.page.locator(".atelier-inputs", has=me.page.locator(".label-wrap", has_text=title))


def test_no_path_of_the_machine_can_be_named(enter):
    me = enter(size=PHONE, dark=True)
    me.page.get_by_role("button", name="Find the words").wait_for()
    me.page.locator(".atelier-settings .label-wrap", has_text="Words").click()
    me.page.get_by_label("Begin with").wait_for()
    assert not me.page.get_by_label("Lists on this machine").is_visible()
    folder = drawer(me, "A folder into a table")
    folder.get_by_text("open to strangers").wait_for()
    assert folder.locator("input:visible, textarea:visible").count() == 0
    heads = drawer(me, "Train a head")
    heads.get_by_label("Name").wait_for()
    assert not heads.get_by_label("Folder with pictures").is_visible()
    assert heads.get_by_text("Zero-image head, from prompts alone").locator("visible=true").count() == 0
    assert me.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    me.shoot("image-to-prompt-public-phone-dark")


def test_words_are_found_and_a_head_belongs_to_who_trained_it(enter, files, tmp_path):
    me = enter()
    me.page.locator(".atelier-drop-captions input[type=file]").first.set_input_files(files)
    me.page.locator(".strip .count", has_text="3 pictures").locator("visible=true").wait_for()
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("file,prompt\nred.png,a red barn\nblue.png,a lake\ngreen.png,moss\n", encoding="utf-8")
    heads = drawer(me, "Train a head")
    heads.locator("input[type=file]").set_input_files(prompts)
    heads.get_by_text("prompts.csv").first.wait_for()
    heads.get_by_label("Name").fill("mine")
    heads.get_by_role("button", name="Train", exact=True).click()
    heads.locator(".notice", has_text="The head mine was trained on 3 pictures").wait_for()
    me.page.get_by_label("Regression head", exact=True).check()
    me.page.get_by_label("Head", exact=True).click()
    me.page.get_by_role("option", name="mine", exact=True).click()
    me.page.get_by_role("button", name="Find the words").click()
    me.page.locator(".prompts:not(.live) .prompt-card").nth(1).wait_for()
    other = enter()
    other.page.get_by_label("Regression head", exact=True).check()
    other.page.get_by_text("Train one first, below").wait_for()


def test_an_index_is_built_from_uploads_and_nobody_else_sees_it(enter, files):
    me = enter("Image index")
    me.page.locator("button.atelier-index-run").wait_for()
    assert not me.page.get_by_label("Folder", exact=True).is_visible()
    me.page.locator(".atelier-index-uploads input[type=file]").set_input_files(files)
    me.page.locator(".atelier-index-uploads", has_text=".png").first.wait_for()
    me.page.locator("button.atelier-index-run").click()
    me.page.locator(".atelier-index-figures").wait_for()
    me.page.get_by_label("Words", exact=True).fill("blue")
    me.page.get_by_label("Words", exact=True).press("Enter")
    me.page.locator(".notice", has_text="best first").wait_for()
    assert me.page.locator(".atelier-index-wall .says").first.inner_text() == "blue.png"
    me.page.locator(".atelier-index-wall .card").first.click()
    me.page.locator(".atelier-index-detail").wait_for()
    assert "/" not in me.page.locator(".atelier-index-detail").inner_text().replace(" / ", "")
    me.shoot("image-index-public")
    other = enter("Image index")
    other.page.get_by_text("No index yet").first.wait_for()

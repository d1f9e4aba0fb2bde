"""The captioning room as a visitor uses it."""

import time

import pytest

from tests.browser.captioning_room import bring, caption, choose, words
from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser


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
    me.page.locator(".notice.error").wait_for(state="hidden")  # there is one now
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


def test_pictures_go_on_to_have_their_prompts_found(enter, paint):
    me = enter()
    bring(me, paint("red", "blue"))
    caption(me)
    words(me)
    me.page.get_by_role("button", name="Find their prompts →").locator("visible=true").click()
    there = me.page.locator(".strip figure").locator("visible=true")
    me.page.get_by_role("tab", name="Image → prompt", selected=True).wait_for()
    there.nth(1).wait_for()
    assert [figure.get_attribute("title") for figure in there.all()] == ["0-red.png", "1-blue.png"]


def test_to_say_more_takes_more_tokens(enter):
    me = enter()
    me.page.get_by_text("More settings").locator("visible=true").click()
    tokens = me.page.get_by_label("number input for Most tokens")
    assert tokens.input_value() == "30"
    choose(me, "Story teller")
    me.page.get_by_label("A paragraph").click()
    me.page.wait_for_function("box => box.value === '160'", arg=tokens.element_handle())
    choose(me, "Colour namer")
    me.page.wait_for_function("box => box.value === '30'", arg=tokens.element_handle())


def test_captioners_of_different_talents_are_compared_all_the_same(enter, paint):
    me = enter()
    bring(me, paint("red"))
    choose(me, "Story teller", "Colour namer")
    me.page.get_by_label("A paragraph").click()
    caption(me)
    assert len(words(me)) == 6
    me.page.get_by_text("Colour namer has no detail").locator("visible=true").wait_for()
    assert me.page.locator(".notice.error").count() == 0


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

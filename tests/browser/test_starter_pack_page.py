"""The page with the real starter models, as `make run` serves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.settings import Settings
from tests.browser.captioning_room import bring, caption, words

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """The address of an app with the starter pack."""
    import app

    settings = Settings(models="starter", device="cpu", port=0, output=tmp_path_factory.mktemp("outputs"))
    services, jobs = app.build(settings)
    if not any(spec.pack == "starter" for spec in services.catalog.all("text_to_image")):
        jobs.close()
        pytest.skip("the starter pack's text to image model is not in weights/")
    page, url = app.launch(services, jobs)
    yield url
    page.close()
    jobs.close()


@pytest.mark.parametrize("prompt", ["pizza", "a red car"])
def test_a_newcomer_gets_ranked_pictures(visit, starter, prompt):
    me = visit(url=starter)
    me.generate(prompt)
    me.wait_for_pictures(8)
    assert me.page.locator(".scores tbody tr").count() == 8
    me.shoot(f"starter-{prompt.replace(' ', '-')}")


def test_a_newcomer_paints_over_a_draft_and_gets_its_film(visit, starter):
    me = visit(url=starter)
    me.page.get_by_role("tab", name="VQGAN+CLIP").click()
    me.page.get_by_label("Prompts", exact=True).fill("a red heart")
    me.page.get_by_label("number input for Steps").locator("visible=true").fill("8")
    me.page.get_by_role("button", name="Paint", exact=True).click()
    me.wait_for_pictures(1)
    me.page.wait_for_function("() => [...document.querySelectorAll('video')].some(v => v.offsetParent && v.videoWidth)")
    assert me.page.locator(".losses figcaption").locator("visible=true").inner_text() == "Loss by prompt, steps 1 to 8"
    me.shoot("starter-vqgan")


def test_a_newcomer_gets_captions_and_sees_where_a_word_was_seen(visit, starter):
    me = visit(url=starter)
    me.page.get_by_role("tab", name="Captioning").click()
    bring(me, [EXAMPLES / "gallery" / "a-sunflower-1.png", EXAMPLES / "gallery" / "a-red-car-1.png"])
    caption(me)
    assert all(len(said.split()) >= 3 for said in words(me))
    me.page.locator(".reading .word").last.click()
    me.page.locator(".seen .heat").wait_for()
    me.shoot("starter-captions")

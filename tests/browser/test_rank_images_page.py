"""The room rank images as a visitor uses it."""

import pytest
from PIL import Image

pytestmark = pytest.mark.browser


def test_uploads_are_ranked_and_the_threshold_marks_what_fails(visit, atelier, tmp_path):
    paths = []
    for name, colour in (("sea.png", (30, 60, 220)), ("rose.png", (220, 40, 40)), ("leaf.png", (40, 160, 70))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / name)
        paths.append(tmp_path / name)
    me = visit()
    me.page.get_by_role("tab", name="Rank images").click()
    me.page.get_by_label("What should they show?").fill("red")
    me.page.locator(".atelier-uploads input[type=file]").set_input_files(paths)
    me.page.locator(".atelier-uploads img").nth(2).wait_for()
    me.page.get_by_label("Threshold, cosine").locator("visible=true").fill("0.5")
    me.page.get_by_role("button", name="Rank", exact=True).click()
    me.wait_for_pictures(3)
    first = me.page.locator(".atelier-wall .caption-label").locator("visible=true").first.inner_text()
    assert "rose.png" in first and "below" not in first
    assert me.page.locator(".scores td.bad").locator("visible=true").count() == 2
    # Archives named after uploads would be shared by two visitors who both upload a rose.png.
    archives = [path.name for path in (atelier.services.settings.output / "zips").iterdir()]
    assert archives and all(name.startswith("clip-atelier-") for name in archives)
    me.shoot("rank-images")


def test_results_are_sent_on_with_their_prompt(visit):
    me = visit()
    me.generate("a red balloon")
    me.wait_for_pictures(4)
    me.page.get_by_role("button", name="Rank these").click()
    me.page.locator(".atelier-uploads img").nth(3).wait_for()
    assert me.page.get_by_label("What should they show?").input_value() == "a red balloon"
    me.page.get_by_role("button", name="Rank", exact=True).click()
    me.wait_for_pictures(4)

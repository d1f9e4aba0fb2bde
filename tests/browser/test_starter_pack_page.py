"""The page with the real starter models, as `make run` serves it."""

from __future__ import annotations

import pytest

from common.settings import Settings

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
    me.wait_for_pictures(4, timeout=120_000)
    assert me.page.locator(".scores tbody tr").count() == 8
    me.shoot(f"starter-{prompt.replace(' ', '-')}")

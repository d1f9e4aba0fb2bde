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
    missing = [
        spec.title
        for spec in services.catalog.all()
        if spec.pack == "starter" and not services.catalog.is_available(spec)
    ]
    if missing or not services.catalog.all("text_to_image"):
        jobs.close()
        pytest.skip(f"starter models are not here: {', '.join(missing) or 'none listed'}")
    page, url = app.launch(services, jobs)
    yield url
    page.close()
    jobs.close()


@pytest.mark.parametrize("prompt", ["pizza", "a red car"])
def test_a_newcomer_gets_ranked_pictures(visit, starter, prompt):
    me = visit(url=starter)
    me.generate(prompt)
    me.wait_for_pictures(4, timeout=120_000)
    assert me.page.locator(".scores tbody tr").count() == 4
    me.shoot(f"starter-{prompt.replace(' ', '-')}")

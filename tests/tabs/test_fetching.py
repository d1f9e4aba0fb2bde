import asyncio
import sys
import threading
from types import ModuleType, SimpleNamespace

import pytest

from common.errors import ModelUnavailable
from tabs import fetching
from tests.tabs.tiny_pack import SPECS

HUB = next(spec for spec in SPECS if spec.pack == "hub")
APP = SimpleNamespace(services=SimpleNamespace(settings=None), fetching=set())


@pytest.fixture
def downloads(monkeypatch):
    """Stand-in for the network: `downloads(function)` makes it what fetches."""

    def be(function):
        module = ModuleType("models.fetch")
        module.fetch = function
        monkeypatch.setitem(sys.modules, "models.fetch", module)

    monkeypatch.setattr(fetching, "FRAME_SECONDS", 0.01)
    return be


async def collect(spec):
    return [text async for text in fetching.fetched(APP, spec)]


def test_a_note_tells_licence_and_size():
    assert "1.2 GB" in fetching.note(HUB, False) and "MIT" in fetching.note(HUB, False)
    assert "1.2 GB" not in fetching.note(HUB, True)
    assert "&lt;b&gt;" in fetching.note(HUB, False, "<b>")


@pytest.mark.parametrize(
    ("is_here", "public", "visible"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_the_button_is_there_only_for_what_is_elsewhere_and_never_for_strangers(is_here, public, visible):
    services = SimpleNamespace(
        catalog=SimpleNamespace(is_available=lambda spec: is_here), settings=SimpleNamespace(public=public)
    )
    offer = fetching.offer(SimpleNamespace(services=services), HUB)
    assert offer == {"value": "Fetch 1.2 GB", "visible": visible}


def test_progress_is_told_until_the_files_are_here(downloads):
    gate = threading.Event()

    def fetch(spec, settings, report):
        report(0.5, "model.safetensors")
        gate.wait(5)

    downloads(fetch)

    async def watch():
        told = []
        async for text in fetching.fetched(APP, HUB):
            told.append(text)
            if "50 %" in text:
                gate.set()
        return told

    assert "Fetching, 50 %" in asyncio.run(watch())
    assert HUB.name not in APP.fetching


def test_a_failure_is_raised_and_may_be_tried_again(downloads):
    def fetch(spec, settings, report):
        raise ModelUnavailable("The line is dead.")

    downloads(fetch)
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="The line is dead"):
            asyncio.run(collect(HUB))


def test_nobody_fetches_twice_at_the_same_time(downloads):
    gate = threading.Event()
    downloads(lambda spec, settings, report: gate.wait(5))

    async def both():
        first = asyncio.create_task(collect(HUB))
        await asyncio.sleep(0.05)
        with pytest.raises(fetching.BadRequest, match="already"):
            await collect(HUB)
        gate.set()
        await first

    asyncio.run(both())

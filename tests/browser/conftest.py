"""A headless Chromium of the system, driven by playwright; without one these tests skip and say so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120_000  # ms; a busy machine may take half a minute to paint a page for the first time
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium here (looked for {', '.join(NAMES)})")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visitor:
    """Someone at a browser of their own, in front of the page."""

    def __init__(self, context: Any, url: str) -> None:
        self.complaints: list[str] = []
        context.set_default_timeout(PATIENCE)
        self.page = context.new_page()
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        self.prompt.wait_for()
        self.page.wait_for_function("window.atelierIsReady")

    @property
    def prompt(self) -> Any:
        return self.page.get_by_label("Prompt", exact=True)

    @property
    def pictures(self) -> Any:
        return self.page.locator(".atelier-wall button img").locator("visible=true")

    def generate(self, prompt: str) -> None:
        self.prompt.fill(prompt)
        self.page.get_by_role("button", name="Generate").click()

    def wait_for_pictures(self, count: int, timeout: float = PATIENCE) -> None:
        """Until `count` ranked pictures are really painted."""
        self.pictures.nth(count - 1).wait_for(timeout=timeout)
        self.page.wait_for_function(
            """count => {
                const shown = [...document.querySelectorAll(".atelier-wall button img")].filter(i => i.offsetParent);
                return shown.length === count && shown.every(i => i.complete && i.naturalWidth > 0);
            }""",
            arg=count,
            timeout=timeout,
        )

    def reload(self) -> None:
        """Press F5. Gradio's client calls the streams that this cuts off an error, which nobody gets to see."""
        self.page.reload()
        self.prompt.wait_for()
        cut_off = ("signal is aborted", "Connection errored out")
        self.complaints[:] = [text for text in self.complaints if not any(words in text for words in cut_off)]

    def choose_model(self, title: str) -> None:
        """Choose a model and wait until its note has come."""
        before = self.page.locator(".model-note").inner_text()
        self.page.get_by_label("Model", exact=True).click()
        self.page.get_by_role("option", name=title).click()
        self.page.wait_for_function("old => document.querySelector('.model-note').innerText !== old", arg=before)

    def choose_slow_painter(self, steps: int) -> None:
        """Choose the model that takes its time, and set its steps once its own limits have come."""
        self.page.get_by_text("More settings").click()
        scheduler = self.page.get_by_label("Scheduler")
        scheduler.wait_for()
        self.choose_model("Slow painter")
        self.page.wait_for_function("box => box.value === 'DDIM'", arg=scheduler.element_handle())
        self.page.get_by_label("number input for Steps").fill(str(steps))

    def shoot(self, name: str, full: bool = True) -> None:
        """Save a screenshot for people to look at."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full)


@pytest.fixture
def visit(chromium: Any, atelier: Any) -> Iterator[Callable[..., Visitor]]:
    """`visit(size=DESKTOP, dark=False)` opens the page in a fresh browser; no console may complain until the end."""
    contexts, visitors = [], []

    def arrive(size: dict[str, int] = DESKTOP, dark: bool = False, url: str = atelier.url) -> Visitor:
        contexts.append(chromium.new_context(viewport=size, color_scheme="dark" if dark else "light"))
        visitors.append(Visitor(contexts[-1], url))
        return visitors[-1]

    yield arrive
    complaints = [text for visitor in visitors for text in visitor.complaints]
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture(scope="session")
def salon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The app with the captioners that name colours."""
    import app
    from jobs.queue import JobQueue
    from tests.conftest import Running
    from tests.tabs.captioning_pack import captioning_services
    from tests.tabs.tiny_pack import make_examples

    folder = tmp_path_factory.mktemp("salon")
    services, jobs = captioning_services(folder), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=make_examples(folder / "examples"))
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture
def enter(visit: Any, salon: Any) -> Callable[..., Visitor]:
    """`enter(size, dark)`: someone in the captioning room."""

    def come(size: Any = DESKTOP, dark: bool = False, url: str = salon.url) -> Visitor:
        me = visit(size, dark, url)
        tab = me.page.get_by_role("tab", name="Captioning")
        if size is PHONE:
            me.page.locator(".overflow-menu > button").click()
            tab = me.page.locator(".overflow-dropdown button", has_text="Captioning")
        tab.click()
        me.page.locator(".atelier-drop-captions input[type=file]").wait_for(state="attached")
        return me

    return come


@pytest.fixture
def paint(tmp_path: Path) -> Callable[..., list[Path]]:
    """`paint("red", "blue")`: files that show these colours."""
    from PIL import Image

    from tests.pipelines.captioning.tiny import NAMES as COLOURS

    def make(*colours: str) -> list[Path]:
        paths = [tmp_path / f"{k}-{colour}.png" for k, colour in enumerate(colours)]
        for path, colour in zip(paths, colours, strict=True):
            Image.new("RGB", (64, 48), COLOURS[colour]).save(path)
        return paths

    return make

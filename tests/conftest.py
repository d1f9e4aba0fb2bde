"""What all tests share: the repository on the path, quick tests first, settings and specs of tiny models, and one
running app with the tiny pack."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from common.settings import Settings
    from models.catalog import Catalog
    from models.spec import LoadContext, ModelSpec

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # Read when torch is imported: workers that all count on every core slow each other down.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A mistake shows after seconds, not after the browser tests; of those the longest files go first, so that no
    worker is left alone with one."""
    lengths = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[bool, bool, int]:
        is_browser = bool(item.get_closest_marker("browser"))
        return bool(item.get_closest_marker("slow")), is_browser, -lengths[item.path] if is_browser else 0

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("browser"):
            # A click can be lost while a busy machine redraws the page, and gradio 6.31 loses an event that begins just
            # as the one before it ends (404). What fails twice is no accident; what needed a second try is listed at
            # the end.
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError", "Unexpected error 404"]))


@dataclass(frozen=True)
class Running:
    """An app that is being served, and what it stands on."""

    url: str
    page: Any
    services: Any
    jobs: Any


@pytest.fixture(scope="session")
def atelier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The app with the tiny models, served on a free port."""
    import app
    from jobs.queue import JobQueue
    from tests.tabs.tiny_pack import make_examples, tiny_services, tiny_settings

    folder = tmp_path_factory.mktemp("atelier")
    services, jobs = tiny_services(tiny_settings(folder)), JobQueue(["cpu"])
    page, url = app.launch(services, jobs, examples=make_examples(folder / "examples"))
    yield Running(url, page, services, jobs)
    page.close()
    jobs.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The CPU, full precision, 1 GB for models, and every folder inside the test's own."""
    from common.settings import Settings

    return Settings(
        models="starter",
        device="cpu",
        precision="fp32",
        max_memory_gb=1.0,
        output=tmp_path / "outputs",
        weights=tmp_path / "weights",
        hub_folder=tmp_path / "hub",
    )


def _load_linear(context: LoadContext) -> Any:
    from torch import nn

    return nn.Linear(4, 4)


@pytest.fixture
def make_spec() -> Callable[..., ModelSpec]:
    """`make_spec(name, **changes)`: a starter ranker of 100 MB that loads as a small `nn.Linear`."""
    from models.spec import ModelSpec

    def make(name: str, **changes: Any) -> ModelSpec:
        facts = {"name": name, "title": name.title(), "role": "ranker", "pack": "starter", "source": name}
        facts |= {"revision": None, "licence": "MIT", "download_mb": 10, "memory_mb": 100, "load": _load_linear}
        return ModelSpec(**{**facts, **changes})

    return make


@pytest.fixture
def tiny_catalog(settings: Settings, make_spec: Callable[..., ModelSpec]) -> Catalog:
    """Three small models of 400 MB each, of which two fit into the memory of `settings`."""
    from models.catalog import Catalog

    return Catalog([make_spec(name, memory_mb=400) for name in ("apple", "banana", "cherry")], settings)

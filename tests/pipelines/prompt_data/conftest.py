"""The seven pictures of the competition, the real sentence encoder, and how a run is driven to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pipelines.services import Services
from pipelines.steps import Step, Stop

FIXTURES = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "sd-image-to-prompts"


def finish(run: Any, stop_at: int | None = None) -> tuple[list[Step], Any]:
    """Drive a run; say stop at the step of this number."""
    events, event = [], next(run)
    while True:
        events.append(event)
        try:
            event = run.send(Stop() if isinstance(event, Step) and event.number == stop_at else None)
        except StopIteration:
            return events[:-1], events[-1]


def drawn(svg: str) -> ElementTree.Element:
    """The drawing, when it is sound XML."""
    return ElementTree.fromstring(svg)


@pytest.fixture(scope="session")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """Services with all-MiniLM-L6-v2 as its package ships it, loaded once."""
    from common.settings import Settings
    from models.catalog import Catalog
    from models.clip_scorer import ClipScorer
    from models.families import sentence
    from models.pool import ModelPool

    settings = Settings(device="cpu", precision="fp32", output=tmp_path_factory.mktemp("outputs"))
    catalog = Catalog(sentence.SPECS, settings)
    pool = ModelPool(catalog, settings)
    return Services(settings, catalog, pool, ClipScorer(pool))


@pytest.fixture
def competition() -> Path:
    """The folder with the seven public pictures' prompts; skips where it is not here."""
    if not FIXTURES.is_dir():
        pytest.skip("the competition's seven public pictures are not beside the project")
    return FIXTURES

"""Services over the colour namers, and pictures of one colour each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models.catalog import Catalog
from models.clip_scorer import ClipScorer
from models.families.caption_contract import Decoding
from models.pool import ModelPool
from pipelines.captioning.request import CaptionRequest
from pipelines.services import Services
from pipelines.steps import Result, Step, Stop
from tests.pipelines.captioning.tiny import NAMES, SPECS


@pytest.fixture
def namers(settings: Any) -> Callable[..., Services]:
    """`namers(without=())`: services that know the tiny captioners, the ranker and the sentence encoder."""

    def make(without: tuple[str, ...] = ()) -> Services:
        for spec in SPECS:
            if not spec.source.startswith("pip:"):
                (settings.weights / spec.source).mkdir(parents=True, exist_ok=True)
                (settings.weights / spec.source / "made-of-code").touch()
        catalog = Catalog([spec for spec in SPECS if spec.role not in without], settings)
        pool = ModelPool(catalog, settings)
        return Services(settings, catalog, pool, ClipScorer(pool))

    return make


@pytest.fixture
def services(namers: Callable[..., Services]) -> Services:
    return namers()


@pytest.fixture
def paint(tmp_path: Path) -> Callable[..., str]:
    """`paint(name, colour, size)`: the path of a picture of one colour."""

    def make(name: str, colour: str = "red", size: tuple[int, int] = (40, 30)) -> str:
        Image.new("RGB", size, NAMES[colour]).save(tmp_path / name)
        return str(tmp_path / name)

    return make


@pytest.fixture
def paths(paint: Callable[..., str]) -> list[str]:
    """A red, a blue, a green and a yellow picture."""
    return [paint(f"{k}.png", colour) for k, colour in enumerate(("red", "blue", "green", "yellow"))]


def ask(paths: Sequence[Any], *captioners: str, **decoding: Any) -> CaptionRequest:
    """A request to caption the pictures, by the first captioner where none is named."""
    return CaptionRequest(tuple(paths), captioners or ("namer",), Decoding(**decoding))


def collect(run: Any, stop_when: Callable[[Step], bool] = lambda step: False) -> tuple[list[Step], Result]:
    """The steps and the result of a run, which is asked to stop after the first step of which `stop_when` is true."""
    events, command = [], None
    while True:
        try:
            event = run.send(command)
        except StopIteration:
            return events[:-1], events[-1]
        events.append(event)
        command = Stop() if isinstance(event, Step) and stop_when(event) else None

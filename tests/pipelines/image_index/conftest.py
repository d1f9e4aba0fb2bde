"""Pictures to index, and how a run is driven to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.image_index import build, search
from pipelines.image_index.request import BuildIndexRequest, BuildIndexResult, SearchImagesRequest, SearchImagesResult
from pipelines.steps import Step, Stop
from safeguards.recipe import Recipe, stamp_png

RANKER = "clip-vit-b-32"


def picture(number: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A picture that differs for every number from 0 to 999."""
    shape = Image.linear_gradient("L").resize(size).rotate(37 * number)
    red, green = shape.point(lambda value: (value * (1 + number % 7)) % 256), shape.rotate(11 * number)
    made = Image.merge("RGB", (red, green, shape.rotate(90)))
    made.putpixel((0, 0), (number % 256, number // 256, 7))
    return made


def save(folder: Path, number: int, prompt: str = "", name: str = "", **more: Any) -> Path:
    """`picture(number)` as a PNG, with a recipe of ours when there is a prompt."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{number:03}.png")
    made = picture(number, **more)
    if prompt:
        return stamp_png(made, Recipe("text_to_image", "sd-turbo", settings={"prompt": prompt}), path)
    made.save(path)
    return path


def finish(run: Any, stop_at: int | None = None) -> tuple[list[Step], Any]:
    """Drive a run; say stop at the step of this number."""
    events, event = [], next(run)
    while True:
        events.append(event)
        try:
            event = run.send(Stop() if isinstance(event, Step) and event.number == stop_at else None)
        except StopIteration:
            return events[:-1], events[-1]


@pytest.fixture
def build_index(services: Any) -> Callable[..., BuildIndexResult]:
    """`build_index(folder, **fields of the request)`"""

    def make(folder: Path | str = "", **more: Any) -> BuildIndexResult:
        request = BuildIndexRequest(folder=folder, **{"index": "mine", "ranker": RANKER, **more})
        return finish(build.run(request, services))[1]

    return make


@pytest.fixture
def find(services: Any) -> Callable[..., SearchImagesResult]:
    """`find(**fields of the request)`"""

    def make(**more: Any) -> SearchImagesResult:
        return finish(search.run(SearchImagesRequest(**{"index": "mine", **more}), services))[1]

    return make

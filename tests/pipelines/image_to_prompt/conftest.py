"""Services over colour namers, a ranker that sees colours and a painter; pictures of one colour each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.image_to_prompt.request import ImageToPromptRequest
from tests.pipelines.captioning.conftest import collect, namers, paint, paths, services  # noqa: F401 (fixtures)


@pytest.fixture
def phrases(tmp_path: Path) -> Callable[..., Path]:
    """`phrases(name, *lines)`: the path of a list of phrases."""

    def make(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return make


@pytest.fixture
def ask(phrases: Callable[..., Path]) -> Callable[..., ImageToPromptRequest]:
    """`ask(paths, **changes)`: a request with a list of colours alone."""
    colours = phrases("colours.txt", "red", "green", "blue", "yellow", "white")

    def make(pictures: Any, **changes: Any) -> ImageToPromptRequest:
        given = {"lists": (), "files": (colours,), "captioners": ("namer",), **changes}
        return ImageToPromptRequest(tuple(pictures), **given)

    return make


__all__ = ["collect"]

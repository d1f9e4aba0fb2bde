"""An app's services for image → prompt: the colour namers, a ranker that sees colours, a painter, sentence vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families.sentence import SPECS as SENTENCE
from tests.tabs.captioning_pack import CAPTIONERS, captioning_services

if TYPE_CHECKING:
    from pipelines.services import Services

COLOURS = ("red", "green", "blue", "yellow", "white")


def prompt_services(folder: Path, **more: Any) -> Services:
    """The services of an app that knows the tiny models, these captioners and the real sentence encoder."""
    return captioning_services(folder, (*CAPTIONERS, *SENTENCE), **more)


def colour_list(folder: Path) -> Path:
    """A list of phrases that the ranker understands."""
    path = folder / "colours.txt"
    path.write_text("\n".join(COLOURS) + "\n", encoding="utf-8")
    return path

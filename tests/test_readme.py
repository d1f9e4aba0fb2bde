"""The README keeps up with the code."""

from __future__ import annotations

from pathlib import Path

from common.settings import Settings
from models.catalog import Catalog

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_model_and_its_licence_is_listed():
    for spec in Catalog.scan(Settings()).all():
        row = next((line for line in README.splitlines() if line.startswith(f"| `{spec.name}`")), "")
        assert spec.licence in row, f"README's models table lacks {spec.name} or its licence"


def test_the_space_pins_a_gradio_that_the_requirements_allow():
    version = next(line.split()[1] for line in README.splitlines() if line.startswith("sdk_version"))
    assert version.startswith("6.")

"""An app's services with two judges of colours, and folders of coloured pictures to index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from models.catalog import Catalog
from pipelines.image_index.request import BuildIndexResult
from safeguards.recipe import Recipe, stamp_png
from tabs.image_index_request import Order, build_order, start_build
from tabs.image_index_shelf import Shelf
from tests.tabs import tiny_pack

if TYPE_CHECKING:
    from pipelines.services import Services

JUDGE = next(spec for spec in tiny_pack.SPECS if spec.role == "ranker")
OTHER = replace(JUDGE, name="other-judge", title="Other judge", source="other-judge")
COLOURS = {name: tuple(round(255 * c) for c in colour) for name, colour in tiny_pack.COLOURS.items()}


def index_services(folder: Path, **more: Any) -> Services:
    """The services of an app that knows the tiny models and one more judge."""
    from models.clip_scorer import ClipScorer
    from models.pool import ModelPool
    from pipelines.services import Services

    settings = tiny_pack.tiny_settings(folder, **more)
    (settings.weights / OTHER.source).mkdir(parents=True, exist_ok=True)
    (settings.weights / OTHER.source / "made-of-code").touch()
    catalog = Catalog([*tiny_pack.SPECS, OTHER], settings)
    pool = ModelPool(catalog, settings, ("cpu",))
    return Services(settings, catalog, pool, ClipScorer(pool))


def paint(folder: Path, *colours: str, prompt: bool = True, start: int = 0) -> list[Path]:
    """A picture for each colour that differs from all others; with its prompt in the file, or none."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k, name in enumerate(colours, start):
        path = folder / f"{k:02}-{name}.png"
        picture = Image.new("RGB", (48, 40), COLOURS[name])
        picture.putpixel((0, 0), (k, 7, 7))
        if prompt:
            stamp_png(picture, Recipe("text_to_image", "tiny", settings={"prompt": f"a {name} kite"}), path)
        else:
            picture.save(path)
        paths.append(path)
    return paths


def finish(order: Order, services: Services) -> BuildIndexResult:
    """Drive a build to its end."""
    *_, result = start_build(order, services, "cpu")
    return result


def build(services: Services, folder: Path, name: str = "mine", owner: str = "", **more: Any) -> BuildIndexResult:
    """Build an index of a folder."""
    shelf = Shelf.of(services.settings, owner)
    return finish(build_order(services, shelf, name, "folder", str(folder), **more), services)


def upload(services: Services, files: Sequence[Path], name: str = "mine", owner: str = "") -> BuildIndexResult:
    """Build an index of uploads."""
    shelf = Shelf.of(services.settings, owner)
    return finish(build_order(services, shelf, name, "uploads", "", [str(path) for path in files]), services)

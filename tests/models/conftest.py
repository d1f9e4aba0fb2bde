"""A folder of tiny checkpoints in the published layouts, made once, and a pool that finds them there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.settings import Settings
from models.catalog import Catalog
from models.pool import ModelPool
from tests.models import tiny_hub


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder, and by model name the pipeline objects that were saved there."""
    folder = tmp_path_factory.mktemp("hub")

    def place(source: str) -> Path:
        return tiny_hub.hub_path(folder, source)

    saved = {
        "sd-turbo": tiny_hub.save_stable_diffusion(place("stabilityai/sd-turbo")),
        "stable-diffusion-1.5": tiny_hub.save_stable_diffusion(
            place("stable-diffusion-v1-5/stable-diffusion-v1-5"), variant=None
        ),
        "sdxl-turbo": tiny_hub.save_sdxl(place("stabilityai/sdxl-turbo")),
        "ldm-text2im-large-256": tiny_hub.save_ldm(place("CompVis/ldm-text2im-large-256")),
    }
    tiny_hub.save_open_clip(place("laion/CLIP-ViT-B-32-laion2B-s34B-b79K"))
    tiny_hub.save_open_clip(place("timm/ViT-B-16-SigLIP"), siglip=True)
    return folder, saved


@pytest.fixture
def hub_pool(hub: tuple[Path, dict[str, Any]], settings: Any) -> Callable[..., Any]:
    """`hub_pool(**changes of settings)`: a pool over the whole catalog, with the tiny checkpoints as its hub."""
    from models.catalog import Catalog
    from models.pool import ModelPool

    def make(**changes: Any) -> ModelPool:
        mine = dataclasses.replace(settings, **{"hub_folder": hub[0], "max_memory_gb": 20.0, **changes})
        return ModelPool(Catalog.scan(mine), mine)

    return make


@pytest.fixture
def pool(tiny_catalog: Catalog, settings: Settings) -> ModelPool:
    """A pool of apple, banana and cherry, of which two fit."""
    return ModelPool(tiny_catalog, settings)


@pytest.fixture
def pool_of(settings: Settings) -> Callable[..., ModelPool]:
    """`pool_of(*specs)`, for 1,024 MB on each device."""
    return lambda *specs, devices=("cpu",): ModelPool(Catalog(specs, settings), settings, devices)


@pytest.fixture
def loaded() -> Callable[[ModelPool], list[str]]:
    """`loaded(pool)`: the names of what it holds."""
    return lambda pool: [status.name for status in pool.status()]

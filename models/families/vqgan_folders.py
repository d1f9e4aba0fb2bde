"""Folders with a diffusers `VQModel`: what their config says, and those that nobody wrote a `ModelSpec` for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common.settings import Settings
from models.spec import LoadContext, ModelSpec, Range

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model*"
LARGEST_CONFIG = 2**16


def read_config(folder: Path) -> dict[str, Any] | None:
    """The config of the `VQModel` in `folder`, or None when there is none."""
    path = folder / CONFIG
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            return None
        config = json.loads(path.read_text(encoding="utf-8"))
        levels = len(config["block_out_channels"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # not there, or of something else
        return None
    return config if config.get("_class_name") == "VQModel" and 1 <= levels <= 10 else None


def factor_of(config: dict[str, Any]) -> int:
    """Pixels per latent cell, each way: every level but the first halves the size."""
    return 2 ** (len(config["block_out_channels"]) - 1)


def size_controls(factor: int, default: int, largest: int = 2048) -> dict[str, Range]:
    """`width` and `height` in pixels, in steps of the factor."""
    smallest = max(64, factor)
    size = Range(smallest, max(smallest, largest // factor * factor), factor, max(smallest, default // factor * factor))
    return {"width": size, "height": size}


def found_specs(settings: Settings, load: Callable[[LoadContext], Any]) -> Iterator[ModelSpec]:
    """A spec for every folder right inside the hub folder or the weights folder that holds a `VQModel`."""
    for place in (settings.hub_folder, settings.weights):
        for folder in sorted(_folders(place)):
            config = read_config(folder)
            if config is not None and next(folder.glob(WEIGHTS), None):
                yield _spec(folder, config, load)


def _folders(place: Path | None) -> Iterator[Path]:
    try:
        for path in place.iterdir() if place else ():
            if path.is_dir() and not path.name.startswith("."):  # such as a half-written one
                yield path
    except OSError:  # a folder that is not there holds no models
        return


def _spec(folder: Path, config: dict[str, Any], load: Callable[[LoadContext], Any]) -> ModelSpec:
    size_mb = sum(path.stat().st_size for path in folder.glob(WEIGHTS)) / 1e6
    factor, trained = factor_of(config), config.get("sample_size")
    usual = isinstance(trained, int) and 64 <= trained <= 1024
    return ModelSpec(
        name=folder.name,
        title=folder.name,
        role="vqgan",
        pack="hub",
        source=folder.name,
        revision=_origin(folder),
        licence="that of its source",
        download_mb=size_mb,
        memory_mb=size_mb,
        load=load,
        controls=size_controls(factor, trained if usual else 256),
        note=f"Found in its folder: f{factor}, {config.get('num_vq_embeddings', 256)} codes.",
        files=(CONFIG, WEIGHTS),
    )


def _origin(folder: Path) -> str:
    """The start of the source checkpoint's SHA-256 where it was converted here, else "main"."""
    try:
        return str(json.loads((folder / "source.json").read_text(encoding="utf-8"))["sha256"])[:12]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return "main"

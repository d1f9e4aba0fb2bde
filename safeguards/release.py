"""Finished pictures on their way to people: checked, stamped with their recipe, saved."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import AtelierError, Blocked
from safeguards import quota
from safeguards.recipe import Recipe, stamp_png

if TYPE_CHECKING:
    from PIL import Image

    from common.settings import Settings
    from models.catalog import Catalog
    from models.pool import ModelPool
    from models.spec import ModelSpec

UNCHECKED = "These pictures were not looked at by a safety model, because none is installed."


def release(
    images: Sequence[Image.Image],
    recipes: Sequence[Recipe],
    folder: Path,
    settings: Settings,
    pool: ModelPool | None = None,
    device: str | None = None,
) -> list[Path | None]:
    """Save each picture with its recipe as a PNG in `folder` and return the paths, in the same order.

    With a `pool`, pictures of the hub's models are first shown to the catalog's safety model on `device` (the pool's
    first), if one is installed; see `safety_note` for when it is not. A picture it objects to is not saved and has
    None in place of its path.
    Afterwards the oldest outputs are deleted until all of them fit into `settings.output_quota_gb`.
    Raises Blocked when no picture is left, and AtelierError when the disk takes no more.
    """
    if len(images) != len(recipes):
        raise ValueError(f"{len(images)} images and {len(recipes)} recipes")
    withheld = _withheld(images, recipes, pool, device)
    if images and all(withheld):
        raise Blocked("The safety model objected to every picture, so none is shown. Please try other words.")
    saved: list[Path | None] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for image, recipe, unsafe in zip(images, recipes, withheld, strict=True):
            saved.append(None if unsafe else stamp_png(image, recipe, quota.output_path(folder, ".png", recipe.seed)))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else "the output folder cannot be written to"
        raise AtelierError(
            f"The picture was made but could not be saved: {reason}. Whoever runs this app can make room "
            "or choose another folder with --output."
        ) from error
    root = settings.output if folder.resolve().is_relative_to(settings.output.resolve()) else folder
    quota.keep_within(root, settings.output_quota_gb * 1e9, [path for path in saved if path])
    return saved


def safety_note(model: str, catalog: Catalog) -> str:
    """What to tell people about the safety check of pictures that the model of this name made; "" for nothing.

    The starter pack was trained on pictograms alone and needs no check.
    """
    return UNCHECKED if catalog.get(model).pack == "hub" and _checker(catalog) is None else ""


def _checker(catalog: Catalog) -> ModelSpec | None:
    return next((spec for spec in catalog.all("safety") if catalog.is_available(spec)), None)


def _withheld(
    images: Sequence[Image.Image], recipes: Sequence[Recipe], pool: ModelPool | None, device: str | None
) -> list[bool]:
    """For each picture whether a safety model objects to it.

    A model of the role "safety" offers `unsafe(images: list[Image]) -> list[bool]`.
    """
    withheld = [False] * len(images)
    doubtful = [k for k, recipe in enumerate(recipes) if pool and pool.catalog.get(recipe.model).pack == "hub"]
    spec = _checker(pool.catalog) if doubtful else None
    if spec is not None:
        with pool.use(spec.name, device) as model:
            objections = model.unsafe([images[k] for k in doubtful])
        for k, objection in zip(doubtful, objections, strict=True):
            withheld[k] = bool(objection)
    return withheld

"""Finished pictures and films on their way to people: checked, stamped with their recipe, saved."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import AtelierError, Blocked
from common.ffmpeg import VideoError
from common.video_source import frames, probe
from safeguards import quota
from safeguards.recipe import Recipe, stamp_png
from safeguards.stamp_video import stamp_video

if TYPE_CHECKING:
    from PIL import Image

    from common.settings import Settings
    from common.video import Sound
    from models.catalog import Catalog
    from models.pool import ModelPool
    from models.spec import ModelSpec

UNCHECKED = (
    "These pictures were not looked at by a safety model, because none is installed. "
    "Get one with: python -m models.fetch sd-safety-checker"
)


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
        raise not_saved("picture", error) from error
    _make_room(folder, settings, [path for path in saved if path])
    return saved


def release_video(
    film: Path,
    recipe: Recipe,
    form: str,
    settings: Settings,
    pool: ModelPool | None = None,
    device: str | None = None,
    sound: Sound | None = None,
) -> tuple[Path, str]:
    """Bring the film that a closed `VideoWriter` left at `film` into its last form, with its recipe inside.

    `form` is "mp4", "gif" or "webp"; the new file lies beside `film` under the same name, which `film` gives up. With a
    `pool`, eight frames of a hub model's film are shown to the safety model as `release` shows pictures. Returns the
    path and a sentence about the sound, "" when it is as it should be.
    Raises Blocked when the safety model objects (the film is then deleted) and AtelierError when it cannot be saved.
    """
    looked_at = _samples(film) if pool and _needs_check(recipe, pool.catalog) else []
    if any(_withheld(looked_at, [recipe] * len(looked_at), pool, device)):
        film.unlink(missing_ok=True)
        raise Blocked("The safety model objected to this film, so it is not shown. Please try other words.")
    path, note = film.with_suffix(f".{form}"), ""
    try:
        try:
            stamp_video(film, recipe, path, sound)
        except VideoError:
            if sound is None:
                raise
            note = "The sound of the video could not be copied, so this film is silent."
            stamp_video(film, recipe, path)
    except (VideoError, OSError) as error:
        raise not_saved("film", error) from error
    if path != film:
        film.unlink(missing_ok=True)
    _make_room(path.parent, settings, [path])
    return path, note


def not_saved(what: str, error: Exception) -> AtelierError:
    """The error for a picture or film that was made but could not be written."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    reason = "the disk is full" if full else "the output folder cannot be written to"
    return AtelierError(
        f"The {what} was made but could not be saved: {reason}. Whoever runs this app can make room "
        "or choose another folder with --output."
    )


def _make_room(folder: Path, settings: Settings, new: list[Path]) -> None:
    root = settings.output if folder.resolve().is_relative_to(settings.output.resolve()) else folder
    quota.keep_within(root, settings.output_quota_gb * 1e9, new)


def _samples(film: Path, count: int = 8) -> list[Image.Image]:
    """Frames of a film at even distances, its first among them."""
    from PIL import Image

    info = probe(film, "mov")
    return [Image.fromarray(frame) for frame in frames(info, fps=count / info.seconds, limit=count)]


def safety_note(recipe: Recipe, catalog: Catalog) -> str:
    """What to tell people about the safety check of pictures made by this recipe; "" for nothing."""
    return UNCHECKED if _needs_check(recipe, catalog) and _checker(catalog) is None else ""


def _needs_check(recipe: Recipe, catalog: Catalog) -> bool:
    """Whether a hub model had a hand in it, be it by a draft. The starter pack knows but pictograms."""
    makers = (recipe.model, recipe.settings.get("draft_model"))
    return any(catalog.get(name).pack == "hub" for name in makers if name)


def _checker(catalog: Catalog) -> ModelSpec | None:
    return next((spec for spec in catalog.all("safety") if catalog.is_available(spec)), None)


def _withheld(
    images: Sequence[Image.Image], recipes: Sequence[Recipe], pool: ModelPool | None, device: str | None
) -> list[bool]:
    """For each picture whether a safety model objects to it.

    A model of the role "safety" offers `unsafe(images: list[Image]) -> list[bool]`.
    """
    withheld = [False] * len(images)
    doubtful = [k for k, recipe in enumerate(recipes) if pool and _needs_check(recipe, pool.catalog)]
    spec = _checker(pool.catalog) if doubtful else None
    if spec is not None:
        with pool.use(spec.name, device) as model:
            objections = model.unsafe([images[k] for k in doubtful])
        for k, objection in zip(doubtful, objections, strict=True):
            withheld[k] = bool(objection)
    return withheld

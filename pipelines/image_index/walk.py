"""Finding the picture files, and what one of them tells before it is looked at by a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import BadRequest
from common.hashing import sha256_file
from common.images import content_hash
from pipelines.image_index.card import FOLDER
from pipelines.image_index.rows import SeenFile
from safeguards.admit import Admitted, admit
from safeguards.recipe import Recipe, read
from safeguards.wording import file_name, refuse

if TYPE_CHECKING:
    from common.settings import Settings

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"))
MAX_FILES = 1_000_000


@dataclass(frozen=True)
class Walk:
    """The picture files found, by path with size and time of change; `unread` folders could not be opened."""

    files: Mapping[str, tuple[int, int]]
    unread: tuple[str, ...] = ()


def walk(folder: Path) -> Walk:
    """All picture files in and below `folder`, without those hidden or in indexes. Links to folders are not followed.

    Raises BadRequest when the folder is not there.
    """
    if not folder.is_dir():
        raise refuse(folder, "is not there or not a folder. Choose the folder with the pictures.")
    found: dict[str, tuple[int, int]] = {}
    unread: list[str] = []
    for here, folders, names in os.walk(folder, onerror=lambda error: unread.append(plain_path(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != FOLDER)
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                found |= look(Path(here, name))
        if len(found) > MAX_FILES:
            raise refuse(folder, f"holds more than {MAX_FILES:,} pictures; index parts of it one after the other.")
    return Walk(found, tuple(unread))


def look(path: Path) -> dict[str, tuple[int, int]]:
    """`{path: (bytes, time of change in nanoseconds)}`, empty when the file is not there."""
    try:
        about = path.stat()
    except OSError:
        return {}
    return {plain_path(path): (about.st_size, about.st_mtime_ns)}


def sha256(path: str) -> str:
    """64 hex digits of the file's bytes. Raises BadRequest when it cannot be read."""
    try:
        return sha256_file(path)
    except OSError:
        raise refuse(path, "is missing or cannot be read.") from None


def meet(path: str, about: tuple[int, int], digest: str, settings: Settings) -> tuple[SeenFile, Admitted]:
    """What is known about a file after its picture was decoded. Raises BadRequest for one that is not admitted."""
    admitted = admit(path, settings)
    prompt, program = prompt_in(path)
    return SeenFile(path, *about, digest, content_hash(admitted.image), prompt, program), admitted


def prompt_in(path: str | Path) -> tuple[str, str]:
    """The prompt that the program which made the picture left in the file, and that program's name; "" for none.

    A recipe that is unsound counts as none: the picture itself may be sound.
    """
    try:
        recipe = read(path)
    except BadRequest:
        return "", ""
    if recipe is None:
        return "", ""
    if isinstance(recipe, Recipe):
        # VQGAN+CLIP paints after several prompts, written as one text.
        said = (recipe.settings.get(name) for name in ("prompt", "prompts"))
        prompt = next((each.strip() for each in said if isinstance(each, str) and each.strip()), "")
        return (prompt, "CLIP Atelier") if prompt else ("", "")
    return (recipe.prompt, recipe.source) if recipe.prompt else ("", "")


def plain_path(path: str | Path) -> str:
    """`path` from the root on, with forward slashes: how files are named in an index."""
    return Path(os.path.abspath(path)).as_posix()


def named(paths: Sequence[str]) -> str:
    """The first few of some files in words: "a.png, b.png and 3 more"."""
    names = ", ".join(file_name(path) for path in paths[:3])
    return names + (f" and {len(paths) - 3:,} more" if len(paths) > 3 else "")

"""The recipe of a picture or a film: everything that is needed to make it again, carried inside its file.

A recipe read back may have been forged, so a `Recipe` checks itself when made, whoever makes it. A sound recipe is
still only a claim of the file's author: it fills controls, which check their values again, and is never run.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from safeguards import carriers, provenance, strict_json
from safeguards.foreign import ForeignRecipe, read_foreign
from safeguards.infotext import write_infotext
from safeguards.wording import DamagedFileError, refuse, shown

if TYPE_CHECKING:
    from PIL import Image

FORMAT = "1"  # rises when a recipe of the new kind can no longer be understood by older readers
TASKS = ("text_to_image", "rank_images", "vqgan_clip", "caption", "image_to_prompt")
KEYWORD = "clip-atelier"
MAX_BYTES = 64 * 1024  # of the JSON text; an honest recipe has one or two thousand
MAX_PARENTS = 64


def now() -> str:
    """The present moment in UTC, ISO 8601 to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Recipe:
    """How one picture or film was made.

    `task` is one of TASKS; `model` and `revision` say what made it (`revision` "" where there is none). `settings`
    holds every control by its name in the task's request ("prompt", "negative", "steps", "guidance", "scheduler",
    "width", "height", ...) and `scores` what was measured; both are plain JSON data, tuples become lists. `seed` is
    None or a whole number from 0 to 2**63 - 1, `version` the format of the recipe, `created` an ISO 8601 moment, and
    `parents` the hashes or names (never paths) of pictures it was made from.

    Raises BadRequest, with one sentence, for any value that is not so.
    """

    task: str
    model: str
    revision: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    version: str = FORMAT
    created: str = field(default_factory=now)
    parents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            self._check()
        except ValueError as error:
            raise BadRequest(f"This recipe cannot be used: {error}.") from None

    def _check(self) -> None:
        _check_version(self.version)
        if self.task not in TASKS:
            raise ValueError(f"task is {shown(self.task)}, known tasks are {', '.join(TASKS)}")
        strict_json.check_text(self.model, "model", 200)
        strict_json.check_text(self.revision, "revision", 200)
        if self.seed is not None and (type(self.seed) is not int or not 0 <= self.seed <= strict_json.MAX_WHOLE):
            raise ValueError(f"seed is {shown(self.seed)}, it must be a whole number from 0 to {strict_json.MAX_WHOLE}")
        _check_moment(self.created)
        for name in ("settings", "scores"):
            table = getattr(self, name)
            if not isinstance(table, Mapping):
                raise ValueError(f"{name} is {shown(table)}, it must be a table of names and values")
            object.__setattr__(self, name, strict_json.check(dict(table), name))
        object.__setattr__(self, "parents", _check_parents(self.parents))

    def to_json(self) -> str:
        """The recipe as one line of ASCII JSON. Raises BadRequest when that is longer than MAX_BYTES."""
        table = {item.name: getattr(self, item.name) for item in fields(self)}
        text = json.dumps(table, allow_nan=False, separators=(",", ":"))
        if len(text) > MAX_BYTES:
            raise BadRequest(
                f"This recipe has {len(text):,} bytes, at most {MAX_BYTES:,} are allowed; shorten the prompt."
            )
        return text

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe that `to_json` wrote. Raises BadRequest, with one sentence, for any other text."""
        try:
            if not isinstance(text, str) or len(text) > MAX_BYTES:
                raise ValueError(f"it is not a text of at most {MAX_BYTES:,} bytes")
            table = strict_json.parse(text)
            if not isinstance(table, dict):
                raise ValueError("it is not a table of names and values")
            _check_names(table, [item.name for item in fields(cls)])
        except ValueError as error:
            raise BadRequest(f"This recipe cannot be used: {error}.") from None
        return cls(**table)


def _check_names(table: dict[str, Any], names: Iterable[str]) -> None:
    # The version speaks first: a newer format may well have other names, and that is the reason worth telling.
    _check_version(table.get("version", FORMAT))
    if wrong := sorted(set(table) ^ set(names)):
        kind = "has an unknown" if wrong[0] in table else "lacks the"
        raise ValueError(f"it {kind} entry {shown(wrong[0])}")


def _check_version(version: Any) -> None:
    if version != FORMAT:
        raise ValueError(
            f"its format is version {shown(version)}, this program reads version {FORMAT}; "
            "a newer release of CLIP Atelier may read it"
        )


def _check_moment(created: Any) -> None:
    strict_json.check_text(created, "created", 40)
    try:
        datetime.fromisoformat(created.removesuffix("Z"))
    except ValueError:
        raise ValueError(f"created is {shown(created)}, it must be a moment like 2026-01-31T12:00:00+00:00") from None


def _check_parents(parents: Any) -> tuple[str, ...]:
    if not isinstance(parents, (list, tuple)) or len(parents) > MAX_PARENTS:
        raise ValueError(f"parents is {shown(parents)}, it must be a list of at most {MAX_PARENTS} names")
    return tuple(strict_json.check_text(parent, "a name in parents", 200) for parent in parents)


def stamp_png(image: Image.Image, recipe: Recipe, path: str | Path) -> Path:
    """Save the picture as a PNG that carries its recipe and says that it was made by a machine.

    The file is there whole or not at all: it is written beside its place under another name and moved. Four texts go
    in: our JSON, the same in the words that other programs of this field read ("parameters"), an XMP packet and a
    C2PA-style assertion (see `provenance`). Returns `path`. Raises OSError as `open` does.
    """
    from PIL import Image, PngImagePlugin

    path = Path(path)
    texts = PngImagePlugin.PngInfo()
    texts.add_text(KEYWORD, recipe.to_json())
    texts.add_text("parameters", write_infotext(recipe))
    texts.add_text("Software", provenance.SOFTWARE)
    texts.add_text(provenance.ASSERTION_KEYWORD, provenance.assertion(recipe.created, recipe.model))
    texts.add_itxt(provenance.XMP_KEYWORD, provenance.xmp(recipe.created))
    # A new canvas, because PIL would also save whatever an image brought along in its `info`.
    clean = Image.new("RGB", image.size)
    clean.paste(image.convert("RGB"))
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        clean.save(part, format="PNG", pnginfo=texts)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read(path: str | Path) -> Recipe | ForeignRecipe | None:
    """The recipe inside a picture or a film: ours, or the prompt and seed that another program left in it, or None.

    Looks into PNG, JPEG, WebP, GIF and MP4 files by their content; any other file gives None. Nothing is decoded, and
    no text above its limit is read or unpacked. Raises BadRequest when the file cannot be read or its recipe is
    unsound.
    """
    if not Path(path).is_file():  # a pipe or a device would be waited for without end
        raise refuse(path, "cannot be read: it is missing or not a file. Choose it again.")
    try:
        with open(path, "rb") as file:
            head = file.read(12)
            ours = carriers.recipes(file, head, KEYWORD, MAX_BYTES)
            return _believed(ours, path) if ours else read_foreign(file, head)
    except DamagedFileError as error:
        raise refuse(path, f"{error}, so no recipe can be read from it.") from None
    except OSError:
        raise refuse(path, "cannot be read. Choose it again.") from None


def _believed(ours: list[str], path: str | Path) -> Recipe:
    try:
        if len(ours) > 1:
            raise BadRequest("This recipe cannot be used: there are two of them.")
        return Recipe.from_json(ours[0])
    except BadRequest as error:
        reason = str(error).removeprefix("This recipe cannot be used: ")
        raise refuse(path, f"carries a recipe that cannot be used: {reason} Please set the controls by hand.") from None

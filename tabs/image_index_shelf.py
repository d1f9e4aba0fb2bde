"""The image indexes that somebody may see, and what is known about each of them.

On a public page every visitor has indexes of their own: their names on disk begin with a mark of the visitor, which the
page never shows. Uploaded pictures are kept in a hidden folder beside the indexes, for an index lasts longer than an
upload.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError, BadRequest
from pipelines.image_index.card import CARD, FOLDER, Card, index_folder, index_names, read_card, revision_of
from safeguards.wording import shown
from tabs.image_to_prompt_owned import MARK, mark, shown_name

if TYPE_CHECKING:
    from common.settings import Settings
    from models.catalog import Catalog

UPLOADS = ".pictures"  # hidden, so that no walk through the output folder takes them for pictures of the app
NOTES = "built.json"
LONGEST = 40  # characters of a name on a public page, where the visitor's mark comes before it
SOURCES = ("folder", "uploads", "gallery")
_MARKED = re.compile(rf"v[0-9a-f]{{{MARK}}}-.+")
_VISITORS_SHARE = 0.5  # of the output folder's quota may be indexes of visitors


@dataclass(frozen=True)
class Built:
    """How an index was built last: from where, and whether that build came to its end."""

    source: str = "folder"
    folder: str = ""
    finished: bool = True


@dataclass(frozen=True)
class About:
    """What a page tells about an index. `trouble` is why it cannot be searched, one sentence, "" when it can."""

    name: str
    card: Card
    pictures: int
    built: Built
    trouble: str = ""


@dataclass(frozen=True)
class Shelf:
    """The indexes of one visitor on a public page, otherwise all. Names here are those that people see.

    `mark` is what the names on disk begin with, "" when all share all.
    """

    settings: Settings
    mark: str

    @classmethod
    def of(cls, settings: Settings, owner: str) -> Shelf:
        """The shelf of a visitor."""
        return cls(settings, mark(owner) if settings.public else "")

    @classmethod
    def holding(cls, settings: Settings, real: str) -> tuple[Shelf, str]:
        """The shelf on which an index stands that has this name on disk, and the name that its owner sees."""
        name = shown_name(settings, real)
        return cls(settings, real.removesuffix(name)), name

    def names(self) -> list[str]:
        """In the order of the alphabet."""
        found = index_names(self.settings)
        return [name.removeprefix(self.mark) for name in found if name.startswith(self.mark)]

    def chosen(self, name: str | None) -> str | None:
        """The index of this name where there is one, else the first; None where there is none at all."""
        names = self.names()
        return name if name in names else next(iter(names), None)

    def real(self, name: Any) -> str:
        """The name on disk. Raises BadRequest for a name that is not allowed."""
        index_folder(self.settings, name)
        if self.mark and len(name) > LONGEST:
            raise BadRequest(f"The name of the index is {shown(name)}; allowed are at most {LONGEST} characters.")
        return self.mark + name

    def folder(self, name: Any) -> Path:
        """Where the index lies."""
        return index_folder(self.settings, self.real(name))

    def uploads(self, name: Any) -> Path:
        """Where the pictures lie that were uploaded for the index."""
        return self.settings.output / FOLDER / UPLOADS / self.real(name)

    def about(self, name: str, catalog: Catalog) -> About:
        """What is known about an index; counts its rows. Raises BadRequest when it is not there or damaged."""
        from pipelines.image_index.store import ImageIndex

        with self.plain_words():
            index = ImageIndex.open(self.folder(name))
            return About(
                name, index.card, len(index), built(self.folder(name)), self.trouble(name, index.card, catalog)
            )

    def trouble(self, name: str, card: Card, catalog: Catalog, ranker: str = "") -> str:
        """Why an index with this card cannot be used with `ranker` ("" for its own), "" when it can."""
        try:
            spec = catalog.get(ranker or card.ranker)
            revision = revision_of(spec, self.settings)
            card.check(Card(spec.name, spec.title, revision, card.dimension), name)
        except AtelierError as error:
            return str(error)
        return ""

    def card(self, name: str) -> Card | None:
        """The card of an index that is there, None for one that is not. Raises BadRequest for one that is damaged."""
        folder = self.folder(name)
        return read_card(folder) if (folder / CARD).is_file() else None

    def delete(self, name: str) -> None:
        """Delete an index and the pictures uploaded for it. Raises BadRequest while it is being built."""
        from pipelines.image_index.store import building

        with self.plain_words():
            folder = self.folder(name)
            if not (folder / CARD).is_file():
                raise BadRequest(f"There is no index {shown(name)}, so there is nothing to delete.")
            with building(folder):
                (folder / CARD).unlink(missing_ok=True)  # without its card it is gone for everybody
        _remove(folder, self.uploads(name))

    @contextmanager
    def plain_words(self) -> Iterator[None]:
        """Errors from inside name indexes as their owner knows them."""
        try:
            yield
        except AtelierError as error:
            error.args = (self.plain(str(error)),)
            raise

    def plain(self, text: str) -> str:
        """A text without the mark of the visitor."""
        return text.replace(self.mark, "") if self.mark else text

    def make_room(self) -> None:
        """On a public page: delete the indexes of visitors that were left alone longest, until they fit."""
        if not self.settings.public:
            return
        root, limit = self.settings.output / FOLDER, _VISITORS_SHARE * self.settings.output_quota_gb * 1e9
        aged = sorted(_visitors(root))
        used = sum(size for _, size, _ in aged)
        for _, size, name in aged:
            if used <= limit:
                return
            if not name.startswith(self.mark):
                _remove(root / name, root / UPLOADS / name)
                used -= size


def built(folder: Path) -> Built:
    """How the index in `folder` was built last, as far as it was noted."""
    try:
        table = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        source = table["source"] if table["source"] in SOURCES else "folder"
        return Built(source, str(table["folder"]), bool(table["finished"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Built()


def note(folder: Path, how: Built) -> None:
    """Remember how the index in `folder` is being built."""
    part = folder / f".{NOTES}.part"
    part.write_text(json.dumps(vars(how)), encoding="utf-8")
    os.replace(part, folder / NOTES)


def _visitors(root: Path) -> Iterator[tuple[float, int, str]]:
    """(last change, bytes, name) of each index or heap of uploads that a visitor has."""
    places = [*root.glob("v*-*"), *(root / UPLOADS).glob("v*-*")]
    for name in {place.name for place in places if _MARKED.fullmatch(place.name)}:
        files = [file for place in (root / name, root / UPLOADS / name) for file in place.rglob("*") if file.is_file()]
        facts = [file.stat() for file in files]
        yield max((each.st_mtime for each in facts), default=0.0), sum(each.st_size for each in facts), name


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)

"""Which model an index was made with, and where indexes are kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from models.sources import require
from safeguards.wording import shown

if TYPE_CHECKING:
    from common.settings import Settings
    from models.spec import ModelSpec
    from pipelines.services import Services

FOLDER = "image_indexes"  # inside the output folder
CARD = "index.json"
FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_EDGE = 1_000_000  # bytes of a weight file's start and end that tell it from another


class OtherModelError(BadRequest):
    """An index holds the vectors of another model. The message offers to rebuild it."""


@dataclass(frozen=True)
class Card:
    """What made the vectors of an index: the ranker's name and title in the catalog, its revision, and their length."""

    ranker: str
    title: str
    revision: str
    dimension: int

    @property
    def key(self) -> str:
        """12 hex digits that differ where vectors cannot be compared."""
        words = f"{self.ranker}\n{self.revision}\n{self.dimension}"
        return hashlib.blake2b(words.encode(), digest_size=6).hexdigest()

    def check(self, asked: Card, name: str) -> None:
        """Raises OtherModelError when vectors of `asked` cannot be compared with this index's."""
        if self.key != asked.key:
            raise OtherModelError(
                f"The index {shown(name)} was made with {self._words()}, which cannot be compared with "
                f"{asked._words()}: choose the first, or rebuild the index with the second."
            )

    def _words(self) -> str:
        revision = f", revision {self.revision[:12]}" if self.revision else ""
        return f"{self.title} ({self.ranker}{revision}, {self.dimension} numbers a picture)"


def card_of(ranker: str, services: Services, device: str | None = None) -> Card:
    """The card that an index made now with this ranker would have; loads the ranker."""
    spec = services.catalog.get(ranker)
    dimension = services.scorer.text_vectors(ranker, ["a picture"], device).shape[-1]
    return Card(spec.name, spec.title, revision_of(spec, services.settings), dimension)


def revision_of(spec: ModelSpec, settings: Settings) -> str:
    """The commit a model is pinned to, or a fingerprint of its weight files and configs where it is pinned to none.

    A starter model that was trained again keeps its name, and a branch keeps its own while its files change; vectors
    from before and after must not be mixed.
    """
    if spec.revision not in (None, "", "main"):
        return str(spec.revision)
    folder = require(spec, settings)
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted((*folder.rglob("*.safetensors"), *folder.rglob("*config.json"))):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder).as_posix()} {size}\n".encode())
        with open(file, "rb") as handle:
            digest.update(handle.read(_EDGE))
            handle.seek(max(0, size - _EDGE))
            digest.update(handle.read())
    return digest.hexdigest()


def index_folder(settings: Settings, name: Any) -> Path:
    """Where the index of this name lies. Raises BadRequest for a name that is not allowed."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadRequest(
            f"The name of the index is {shown(name)}; allowed are 1 to 60 letters, digits, - and _ (the first a letter "
            "or a digit)."
        )
    return settings.output / FOLDER / name


def index_names(settings: Settings) -> tuple[str, ...]:
    """The indexes there are, in the order of the alphabet."""
    return tuple(sorted(card.parent.name for card in (settings.output / FOLDER).glob(f"*/{CARD}")))


def read_card(folder: Path) -> Card:
    """The card of the index in `folder`. Raises BadRequest when there is no index or its card cannot be read."""
    try:
        table = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if table.pop("format") != FORMAT:
            raise BadRequest(f"The index {shown(folder.name)} is of another release of this app; delete and build it.")
        return Card(str(table["ranker"]), str(table["title"]), str(table["revision"]), int(table["dimension"]))
    except FileNotFoundError:
        raise BadRequest(f"There is no index {shown(folder.name)}; build it first.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadRequest(f"The index {shown(folder.name)} is damaged: delete it and build it again.") from None


def write_card(folder: Path, card: Card) -> None:
    """Make `card` that of the index, in one stroke: a reader sees the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{CARD}.part"
    part.write_text(json.dumps({"format": FORMAT, **asdict(card)}, indent=1), encoding="utf-8")
    os.replace(part, folder / CARD)

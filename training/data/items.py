"""The item that a source lists, and the helpers all listings share."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Item:
    """One picture to render: where it lies and what is known about it."""

    id: str
    source: str
    style: str
    path: Path
    name: str
    keywords: list[str]
    concept: str
    group: str | None
    licence: str


@dataclass
class Listing:
    """Items of one source and style, and how many files were left out for which reason."""

    items: list[Item]
    dropped: Counter[str] = field(default_factory=Counter)


def stable_unit(text: str) -> float:
    """A number in [0, 1) that depends on the text only; the same on every machine and version."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12


def slug(text: str) -> str:
    """Lower-case ASCII words joined by '-': "Men’s room" -> "mens-room"."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"['.!,]", "", plain.replace("&", " and "))
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")

"""Whose a thing with a name is: on a page open to strangers the names of each visitor's things begin with a mark."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from common.errors import BadRequest

if TYPE_CHECKING:
    from common.settings import Settings

MARK = 16  # hex digits


def mark(owner: str) -> str:
    """What the names of a visitor's things begin with; it does not tell who the visitor is."""
    return f"v{hashlib.blake2b(owner.encode(), digest_size=MARK // 2).hexdigest()}-"


def owned(settings: Settings, owner: str, name: str) -> str:
    """The full name of a visitor's thing; where no strangers come, the name itself."""
    return f"{mark(owner)}{name}" if settings.public and name else name


def mine(settings: Settings, owner: str, name: str) -> bool:
    """Whether a full name is one that this visitor may see."""
    return not settings.public or name.startswith(mark(owner))


def shown_name(settings: Settings, name: str) -> str:
    """A full name as its owner knows it."""
    return name[MARK + 2 :] if settings.public else name


def check_owned(settings: Settings, owner: str, *names: str | None) -> None:
    """Raises BadRequest when one of these full names is that of somebody else's thing."""
    for name in names:
        if name and not mine(settings, owner, name):
            raise BadRequest("What was chosen there is not yours, or is gone; choose again.")

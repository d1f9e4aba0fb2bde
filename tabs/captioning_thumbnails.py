"""Pictures small enough to stand inside the page itself, whatever kind of file they come from."""

from __future__ import annotations

import base64
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from common.errors import BadRequest
from safeguards.admit import admit

if TYPE_CHECKING:
    from PIL import Image

    from common.settings import Settings

SMALL, LARGE = 112, 720  # pixels of the longer side: in lists, and where one picture is looked at
KEPT = 1024  # small pictures have about 3 kB, large ones 50


def data_uri(picture: Image.Image, quality: int = 75) -> str:
    """A picture of any mode as a WebP that HTML can hold."""
    file = BytesIO()
    picture.save(file, "webp", quality=quality, method=1)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def thumbnail(path: str, settings: Settings, side: int = SMALL) -> str:
    """The picture at `path`, at most `side` pixels large, as a data URI; "" when it cannot be read."""
    return (_small if side <= SMALL else _large)(str(path), settings, side)


@lru_cache(maxsize=KEPT)
def _small(path: str, settings: Settings, side: int) -> str:
    return _drawn(path, settings, side)


@lru_cache(maxsize=KEPT // 32)
def _large(path: str, settings: Settings, side: int) -> str:
    return _drawn(path, settings, side)


def _drawn(path: str, settings: Settings, side: int) -> str:
    try:
        picture = admit(path, settings).image
    except BadRequest:
        return ""
    picture.thumbnail((side, side))
    return data_uri(picture)

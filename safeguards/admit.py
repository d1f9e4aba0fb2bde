"""Uploaded pictures: each is brought into one plain form, or refused with a sentence that helps."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from safeguards import pixels, png_chunks
from safeguards.kinds import ALLOWED, kind_of, why_not
from safeguards.wording import megabytes, refuse

if TYPE_CHECKING:
    from PIL import Image

    from common.settings import Settings

MAX_SIDE = 30_000
# Models scale the short side to a fixed size; the long side of a hair's breadth would then grow without bound.
MAX_RATIO = 20

# What the decoder of a PNG gets to see: the picture, its palette, colour space and orientation. Texts stay outside.
_PNG_PARTS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"eXIf"))


@dataclass(frozen=True)
class Admitted:
    """A picture that may be worked on.

    `image` is mode RGB, 8 bits, upright, without any metadata, `width` x `height` pixels. `note` says in plain words
    what was changed on the way ("" when nothing was), `name` is the own name of the file and `kind` what it was by its
    content ("PNG", ...).
    """

    image: Image.Image
    note: str
    width: int
    height: int
    name: str = ""
    kind: str = ""


def admit(path: str | Path, settings: Settings) -> Admitted:
    """Read an uploaded PNG, JPEG, WebP, GIF, BMP or TIFF picture.

    The limits are `settings.max_upload_mb` for the file and `settings.max_upload_megapixels` for the picture. The
    latter is compared with the size that the file's header tells, before anything is decoded, and without touching the
    limit that PIL keeps for the whole process. Of several frames or pages the first is taken; transparent parts are
    put on white.
    Raises BadRequest with one sentence that names the file (never its folder), what is wrong, and what is allowed.
    """
    data = _contents(Path(path), settings)
    kind = kind_of(data[:512])
    if kind is None:
        raise refuse(path, why_not(data[:512]))
    notes: list[str] = []
    with _readable(path, kind):
        if kind == "PNG":
            moving = any(chunk.kind == b"acTL" for chunk in png_chunks.walk(BytesIO(data)))
            notes += [pixels.ANIMATED] if moving else []
            data = png_chunks.keep(data, _PNG_PARTS)
        elif kind == "WEBP":
            # The library that reads WebP sets aside memory for all pixels as soon as it opens the file.
            _check_size(path, _webp_size(data), settings)
        picture = _opener(kind)(BytesIO(data))
        _check_size(path, picture.size, settings)
        _check_tiles(picture)
        notes += pixels.frames_note(picture)
        image, changes = pixels.plain_rgb(picture)
    note = "; ".join(notes + changes)
    return Admitted(image, note, image.width, image.height, name=Path(path).name, kind=kind)


def _contents(path: Path, settings: Settings) -> bytes:
    """The bytes of the file, if it is one and not too large."""
    limit = settings.max_upload_mb * 1e6
    try:
        if not path.is_file():
            raise refuse(path, "is missing or not a file. Choose a picture.")
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            if size > limit:
                raise refuse(
                    path, f"has {megabytes(size)}; at most {megabytes(limit)} are allowed. Please save it smaller."
                )
            file.seek(0)
            data = file.read(int(limit) + 1)
    except (OSError, ValueError):
        raise refuse(path, "cannot be read. Choose it again.") from None
    if not data:
        raise refuse(path, f"is empty (0 bytes); {ALLOWED}. Perhaps it was not copied whole.")
    return data


@contextmanager
def _readable(path: str | Path, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong while the picture is read into one sentence about it."""
    try:
        yield
    except (BadRequest, MemoryError):
        raise
    except png_chunks.DamagedPngError as error:
        raise refuse(
            path, f"{error}. Please open it in a picture program and save it again, or choose another."
        ) from error
    except pixels.NotAPictureError as error:
        raise refuse(path, str(error)) from error
    except Exception as error:  # decoders meet broken data with a dozen unrelated kinds of exception
        raise refuse(
            path,
            f"looks like a {kind} picture but cannot be read to its end: it is damaged, cut off or of a rare sort. "
            "Please open it in a picture program and save it again as PNG or JPEG.",
        ) from error


def _opener(kind: str) -> Any:
    """PIL's reader of one kind, called directly: `Image.open` applies a limit that any code can change for all."""
    from PIL import (
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    return {
        "PNG": PngImagePlugin.PngImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
    }[kind]


def _check_size(path: str | Path, size: tuple[int, int], settings: Settings) -> None:
    width, height = size
    picture = f"has {width:,} x {height:,} pixels"
    if width < 1 or height < 1:
        raise refuse(path, f"{picture}: there is nothing in it. Choose another picture.")
    limit = settings.max_upload_megapixels
    if width * height > limit * 1e6:
        raise refuse(path, f"{picture}; at most {limit:g} million pixels are allowed. Please scale it down.")
    if max(size) > MAX_SIDE:
        raise refuse(path, f"{picture}; at most {MAX_SIDE:,} on a side are allowed. Please crop or scale it.")
    if max(size) > MAX_RATIO * min(size):
        raise refuse(path, f"{picture}; the longer side may be at most {MAX_RATIO} times the shorter. Please crop it.")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that a WebP file tells in its first chunk, which is one of three kinds."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", body[6:10])
    return width & 0x3FFF, height & 0x3FFF


def _check_tiles(picture: Any) -> None:
    """Refuse a TIFF whose tiles or strips are far larger than the picture: each is decoded as a whole."""
    tags = getattr(picture, "tag_v2", {})
    width, height = int(tags.get(322, 0)), int(tags.get(323, 0))
    if width * height > 4 * max(picture.width * picture.height, 512 * 512):
        raise pixels.NotAPictureError(
            f"has tiles of {width:,} x {height:,} pixels, larger than itself. Please save it again."
        )

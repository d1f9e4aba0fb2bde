"""Texts inside moving GIF and WebP pictures: written into finished files, and read without decoding a frame."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from safeguards.wording import DamagedFileError

CHUNK = b"CLAT"  # the RIFF chunk for our recipe; the WebP standard lets readers pass over those they do not know
_MAX_PARTS = 100_000
_XMP_FLAG = 0x04


class DamagedAnimationError(DamagedFileError):
    """The parts are not those of a whole file. The message is the rest of a sentence that begins with the file."""


def add_gif_comments(path: Path, texts: list[str]) -> None:
    """Put comments (ASCII) into a GIF, before its first picture, so that a reader need not pass over any."""
    with open(path, "rb") as file, tempfile.TemporaryFile(dir=path.parent) as rest:
        start = file.read(_gif_start(file.read(13)) - file.seek(0))
        shutil.copyfileobj(file, rest)
        rest.seek(0)
        with open(path, "wb") as new:
            new.write(start + b"".join(b"\x21\xfe" + _in_blocks(text.encode("ascii")) for text in texts))
            shutil.copyfileobj(rest, new)


def gif_comments(file: BinaryIO, limit: int) -> list[str]:
    """The comments before the first picture of a GIF. DamagedAnimationError for one of more than `limit` bytes."""
    file.seek(0)
    file.seek(_gif_start(file.read(13)))
    found = []
    for _ in range(_MAX_PARTS):
        head = file.read(2)
        if head[:1] != b"\x21" or len(head) < 2:
            break
        data = _from_blocks(file, limit)
        if head[1:] == b"\xfe":
            found.append(data.decode("latin-1"))
    return found


def _gif_start(head: bytes) -> int:
    """Where the parts of a GIF begin: after its head and, if it has one, its palette."""
    if len(head) < 13:
        raise DamagedAnimationError("is cut off: the beginning of the GIF is missing")
    return 13 + (3 << (head[10] & 7) + 1 if head[10] & 0x80 else 0)


def _in_blocks(data: bytes) -> bytes:
    parts = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _from_blocks(file: BinaryIO, limit: int) -> bytes:
    data = bytearray()
    while size := file.read(1):
        if size == b"\0":
            return bytes(data)
        data += file.read(size[0])
        if len(data) > limit:
            raise DamagedAnimationError(f"carries a comment of more than {limit:,} bytes, the most that is read")
    raise DamagedAnimationError("is cut off: the end of a comment is missing")


def add_webp_texts(path: Path, size: tuple[int, int], recipe: str, xmp: str) -> None:
    """Put our recipe (a chunk of its own) and an XMP packet at the end of a WebP of `size` (width, height).

    A film in which nothing moves has become a plain picture, which gets the head that a WebP with texts must have.
    """
    data = path.read_bytes()
    if data[12:16] != b"VP8X":
        sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
        data = data[:12] + b"VP8X" + (10).to_bytes(4, "little") + b"\0\0\0\0" + sides + data[12:]
    for kind, text in ((b"XMP ", xmp.encode()), (CHUNK, recipe.encode("ascii"))):
        data += kind + len(text).to_bytes(4, "little") + text + b"\0" * (len(text) % 2)
    flags = bytes([data[20] | _XMP_FLAG])
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:20] + flags + data[21:])


def webp_recipes(file: BinaryIO, limit: int) -> list[str]:
    """What stands in chunks of ours. Raises DamagedAnimationError for one of more than `limit` bytes."""
    found = []
    for start, length in _webp_chunks(file, CHUNK):
        if length > limit:
            raise DamagedAnimationError(f"carries a recipe of {length:,} bytes; at most {limit:,} are read")
        file.seek(start)
        found.append(file.read(length).decode("latin-1"))
    return found


def _webp_chunks(file: BinaryIO, kind: bytes) -> Iterator[tuple[int, int]]:
    position = 12
    for _ in range(_MAX_PARTS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            break
        length = int.from_bytes(head[4:], "little")
        if head[:4] == kind:
            yield position + 8, length
        position += 8 + length + length % 2

"""The boxes of an MP4 file (ISO 14496-12), read without decoding a frame and without trusting any length in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from safeguards.wording import DamagedFileError

MAX_BOXES = 100_000  # at one level; a film that was never finished has two a frame, and its index comes before them
XMP = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")  # the box that Adobe's XMP specification (part 3) names
_COMMENT = (b"moov", b"udta", b"meta", b"ilst", b"\xa9cmt", b"data")


class DamagedMp4Error(DamagedFileError):
    """The boxes are not those of a whole MP4. The message is the rest of a sentence that begins with the file."""


@dataclass(frozen=True)
class Box:
    """One box: its four-letter type, and where its contents begin and end in the file."""

    kind: bytes
    start: int
    end: int


def is_mp4(head: bytes) -> bool:
    """True for a file that begins with these bytes (12 or more) and is an MP4 or a QuickTime film."""
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"pnot")


def walk(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes between two places of the file. Raises DamagedMp4Error where one runs over the end."""
    for _ in range(MAX_BOXES):
        if start >= end:
            return
        file.seek(start)
        head = file.read(16)
        size, skipped = int.from_bytes(head[:4], "big"), 8
        if size == 1:  # a size that needs 64 bits follows
            size, skipped = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:  # the last box, up to the end whatever it is
            size = end - start
        if size < skipped or start + size > end or len(head) < 8:
            raise DamagedMp4Error("is cut off or damaged: a part of the MP4 is missing")
        yield Box(head[4:8], start + skipped, start + size)
        start += size
    raise DamagedMp4Error(f"is not a sound MP4: it has more than {MAX_BOXES:,} parts")


def comments(file: BinaryIO, limit: int) -> list[str]:
    """The comments in the film's description, where video programs keep them (moov/udta/meta/ilst/©cmt).

    Only the first description counts, as it does for players. Raises DamagedMp4Error for a comment of more than
    `limit` bytes and for boxes that do not fit into each other.
    """
    file.seek(0, 2)
    index = next((box for box in walk(file, 0, file.tell()) if box.kind == _COMMENT[0]), None)
    found = [index] if index else []
    for kind in _COMMENT[1:]:
        # A "meta" box has four bytes of version and flags before the boxes inside.
        inside = [(box.start + 4 * (box.kind == b"meta"), box.end) for box in found]
        found = [box for start, end in inside for box in walk(file, start, end) if box.kind == kind]
    return [_text(file, box, limit) for box in found]


def _text(file: BinaryIO, box: Box, limit: int) -> str:
    """The contents of a "data" box: kind of data and language in four bytes each, then the text in UTF-8."""
    length = box.end - box.start - 8
    if length > limit:
        raise DamagedMp4Error(f"carries a comment of {length:,} bytes; at most {limit:,} are read")
    file.seek(box.start + 8)
    return file.read(max(length, 0)).decode("utf-8", "replace")


def append(path: Path, kind: uuid.UUID, data: bytes) -> None:
    """Add a box of a kind of its own at the end of an MP4, where it moves nothing and players pass it over."""
    with open(path, "ab") as file:
        file.write((24 + len(data)).to_bytes(4, "big") + b"uuid" + kind.bytes + data)

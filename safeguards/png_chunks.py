"""The chunks of a PNG file, read without decoding the picture and without trusting any length in it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from safeguards.wording import DamagedFileError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 200_000
TEXT_TYPES = (b"tEXt", b"zTXt", b"iTXt")


class DamagedPngError(DamagedFileError):
    """The chunks are not those of a whole PNG. The message is the rest of a sentence that begins with the file."""


class OversizeTextError(DamagedPngError):
    """A text in the PNG is larger, stored or unpacked, than it may be."""


@dataclass(frozen=True)
class Chunk:
    """One chunk: its four-letter type, where its data begins in the file, and how many bytes of data there are."""

    kind: bytes
    start: int
    length: int


def walk(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks from the first to IEND, skipping over their data. Raises DamagedPngError when IEND does not come."""
    file.seek(0, 2)
    end = file.tell()
    position = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            raise DamagedPngError("is cut off: the end of the PNG is missing")
        length, kind = struct.unpack(">I4s", head)
        if position + 12 + length > end:
            raise DamagedPngError("is cut off: the end of the PNG is missing")
        yield Chunk(kind, position + 8, length)
        if kind == b"IEND":
            return
        position += 12 + length
    raise DamagedPngError(f"is not a sound PNG: it has more than {MAX_CHUNKS:,} parts")


def texts(file: BinaryIO, wanted: dict[str, int]) -> dict[str, list[str]]:
    """The text chunks with one of the `wanted` keywords, each keyword with the most bytes that its text may have.

    Texts with other keywords are not read at all, however long. Raises OversizeTextError for a wanted text that is
    longer (stored or unpacked) and DamagedPngError for one whose checksum or packing is wrong.
    """
    found: dict[str, list[str]] = {}
    for chunk in walk(file):
        if chunk.kind not in TEXT_TYPES:
            continue
        file.seek(chunk.start)
        keyword = file.read(min(chunk.length, 80)).split(b"\0", 1)[0].decode("latin-1")
        if keyword not in wanted:
            continue
        limit = wanted[keyword]
        if chunk.length > limit + 1024:
            raise OversizeTextError(f'carries a text "{keyword}" of {chunk.length:,} bytes; at most {limit:,} are read')
        file.seek(chunk.start)
        data, checksum = file.read(chunk.length), file.read(4)
        if zlib.crc32(chunk.kind + data).to_bytes(4, "big") != checksum:
            raise DamagedPngError(f'is damaged: the checksum of its text "{keyword}" is wrong')
        found.setdefault(keyword, []).append(_text(chunk.kind, data, keyword, limit))
    return found


def _text(kind: bytes, data: bytes, keyword: str, limit: int) -> str:
    """The text of one chunk's data, by the three layouts that the PNG standard gives (section 11.3.3)."""
    body = data[len(keyword) + 1 :]
    if kind == b"tEXt":
        return body.decode("latin-1")
    if kind == b"zTXt":
        return _unpack(body[1:], keyword, limit).decode("latin-1")
    packed, rest = body[:1] == b"\1", body[2:]
    _language, _, rest = rest.partition(b"\0")
    _translated, _, content = rest.partition(b"\0")
    return (_unpack(content, keyword, limit) if packed else content).decode("utf-8", "replace")


def _unpack(data: bytes, keyword: str, limit: int) -> bytes:
    """Unpack at most `limit` bytes, so that a bomb costs no more memory than an honest text."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, limit + 1)
    except zlib.error:
        raise DamagedPngError(f'is damaged: its text "{keyword}" cannot be unpacked') from None
    if len(text) > limit:
        raise OversizeTextError(
            f'carries a text "{keyword}" that unpacks to more than {limit:,} bytes, the most that is read'
        )
    if not unpacker.eof:
        raise DamagedPngError(f'is damaged: its text "{keyword}" is cut off')
    return text


def keep(data: bytes, kinds: frozenset[bytes]) -> bytes:
    """The same PNG with only the chunks of these kinds, so that a decoder never meets the others.

    Raises DamagedPngError like `walk`. Checksums are passed on unread: the decoder tests them.
    """
    parts = [SIGNATURE]
    parts += [data[c.start - 8 : c.start + c.length + 4] for c in walk(BytesIO(data)) if c.kind in kinds]
    return b"".join(parts)

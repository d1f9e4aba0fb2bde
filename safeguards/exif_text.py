"""Texts that programs leave in the EXIF of JPEG and WebP pictures, read without decoding the picture."""

from __future__ import annotations

from typing import Any, BinaryIO

MAX_EXIF = 1024 * 1024
_MAX_PARTS = 1000
_USER_COMMENT, _MODEL, _MAKE, _EXIF_IFD = 0x9286, 0x0110, 0x010F, 0x8769


def texts(file: BinaryIO, head: bytes) -> dict[str, str]:
    """The texts by the keywords they would have in a PNG: "parameters" (UserComment) and "prompt" (ComfyUI's graph)."""
    if head.startswith(b"\xff\xd8"):
        data = _jpeg_exif(file)
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        data = _webp_exif(file)
    else:
        data = b""
    return _tags(data) if data else {}


def _jpeg_exif(file: BinaryIO) -> bytes:
    """The first EXIF segment. Segments come before the picture's data, each with its length in two bytes."""
    position = 2
    for _ in range(_MAX_PARTS):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):
            break
        length = int.from_bytes(head[2:], "big")
        data = file.read(max(length - 2, 0)) if head[1] == 0xE1 else b""
        if data.startswith(b"Exif\0\0"):
            return data
        position += 2 + length
    return b""


def _webp_exif(file: BinaryIO) -> bytes:
    position = 12
    for _ in range(_MAX_PARTS):
        file.seek(position)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if len(head) < 8:
            break
        if head[:4] == b"EXIF":
            return file.read(length) if length <= MAX_EXIF else b""
        position += 8 + length + length % 2
    return b""


def _tags(data: bytes) -> dict[str, str]:
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(data)
        comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT) or exif.get(_USER_COMMENT)
        others = [exif.get(_MODEL), exif.get(_MAKE)]
    except Exception:  # a broken EXIF makes the reader fail in many ways, and all of them mean that it says nothing
        return {}
    found = {"parameters": _decode(comment)}
    graphs = [text.removeprefix("prompt:") for text in map(_decode, others) if text.startswith("prompt:")]
    found["prompt"] = graphs[0] if graphs else ""
    return {keyword: text for keyword, text in found.items() if text.strip()}


def _decode(value: Any) -> str:
    """A text of EXIF, whose first 8 bytes may name its encoding."""
    if not isinstance(value, bytes):
        return value.rstrip("\0") if isinstance(value, str) else ""
    code, body = value[:8], value[8:]
    if code == b"UNICODE\0":
        # The byte order is not said. Such texts are mostly ASCII, and only in the right order do they look like it.
        orders = (body.decode("utf-16-be", "replace"), body.decode("utf-16-le", "replace"))
        text = max(orders, key=lambda text: sum(c < "\x80" for c in text))
        return text.lstrip("\ufeff").rstrip("\0")
    body = body if code in (b"ASCII\0\0\0", b"\0" * 8) else value
    return body.decode("utf-8", "replace").rstrip("\0")

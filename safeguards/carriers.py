"""Where each kind of file carries our recipe."""

from __future__ import annotations

from typing import BinaryIO

from safeguards import animations, mp4_boxes, png_chunks


def recipes(file: BinaryIO, head: bytes, keyword: str, limit: int) -> list[str]:
    """The texts in an open PNG, MP4, GIF or WebP file that call themselves a recipe of ours, not yet believed.

    `head` are the first 12 bytes or more. A text has at most `limit` bytes; a longer one raises DamagedFileError, as
    does a file that is not whole. Any other kind of file has none.
    """
    if head.startswith(png_chunks.SIGNATURE):
        return png_chunks.texts(file, {keyword: limit}).get(keyword, [])
    mark = f"{keyword}:"
    # Comments of other programs may be longer than a recipe, and are none of our business here.
    if mp4_boxes.is_mp4(head):
        found = mp4_boxes.comments(file, 1024 * 1024)
    elif head.startswith((b"GIF87a", b"GIF89a")):
        found = animations.gif_comments(file, 1024 * 1024)
    else:
        webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
        return animations.webp_recipes(file, limit) if webp else []
    return [text.removeprefix(mark) for text in found if text.startswith(mark)]

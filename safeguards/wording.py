"""How values and files are named in messages to people."""

from __future__ import annotations

from pathlib import PurePath

from common.errors import BadRequest


class DamagedFileError(ValueError):
    """A file is not whole or not sound. The message is the rest of a sentence that begins with the file's name."""


def printable(text: str) -> str:
    """`text` with every character that a screen cannot show (controls, lone surrogates) written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def shown(value: object, length: int = 40) -> str:
    """`value` as a short piece of one line: strings in quotes, long ones cut with an ellipsis."""
    # A number of a million digits or a list of a million items must not be written out only to be cut again.
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    if isinstance(value, (list, tuple, dict)):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value):,} values"
    text = value if isinstance(value, str) else str(value)
    cut = printable(text[:length]) + ("…" if len(text) > length else "")
    return f'"{cut}"' if isinstance(value, str) else cut


def file_name(path: object) -> str:
    """The own name of a file, for messages: never the folders it lies in, which are nobody's business."""
    name = PurePath(str(path)).name or "the file"
    return printable(name if len(name) <= 60 else f"{name[:40]}…{name[-15:]}")


def megabytes(size: float) -> str:
    """A number of bytes in megabytes, as people write it: "0.3 MB", "12.5 MB", "20 MB"."""
    value = size / 1e6
    return "less than 0.1 MB" if value < 0.05 else f"{value:,.1f}".removesuffix(".0") + " MB"


def refuse(path: object, reason: str) -> BadRequest:
    """The error for a file that is not taken: its name, then the reason as the rest of the sentence."""
    return BadRequest(f"{file_name(path)} {reason}")


def plural(count: int, one: str, several: str = "") -> str:
    """A number and what it counts: 1 prompt, 1,200 prompts."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"

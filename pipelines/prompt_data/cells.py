"""Cells of a CSV file that a spreadsheet may open: none of them can be taken for a formula."""

from __future__ import annotations

_COULD_RUN = tuple("=+-@\t\r＝＋－＠")  # what a spreadsheet may take for the beginning of a formula


def cell(text: str) -> str:
    """`text` as a cell: with an apostrophe before it where it could be taken for a formula."""
    return f"'{text}" if text.lstrip("' \n").startswith(_COULD_RUN) else text


def uncell(text: str) -> str:
    """The inverse of `cell`."""
    return text[1:] if text.startswith("'") and cell(text[1:]) == text else text

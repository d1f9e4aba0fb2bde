"""Which column of a file holds the prompts: a dropdown that offers those there are, for every part that reads files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from common.errors import BadRequest
from pipelines.prompt_data.prompts_file import columns_of
from tabs.captioning_pictures import QUIET

if TYPE_CHECKING:
    from pathlib import PurePath

    from tabs.prompt_data_files import Files

ANY_COLUMN = ("Found by its name", "")
LOOKED_AT = 30_000_000  # bytes of a file that is looked into before anybody asks


def column_choices(box: gr.Dropdown, *files: Files) -> None:
    """Let a dropdown offer the columns there are in the files."""

    async def on_files(*paths: list[str]) -> gr.Dropdown:
        """Reads the first lines of the files; fills the choices."""
        return gr.Dropdown(choices=await asyncio.to_thread(columns, [path for part in paths for path in part]))

    gr.on([each.paths.change for each in files], on_files, [each.paths for each in files], box, **QUIET)


def uploaded_columns(box: gr.Dropdown, zone: gr.File) -> None:
    """Let a dropdown offer the columns there are in what was dropped on a zone."""

    async def on_files(paths: str | list[str] | None) -> gr.Dropdown:
        """Reads the first lines of the files; fills the choices."""
        found = [paths] if isinstance(paths, str) else paths or []
        return gr.Dropdown(choices=await asyncio.to_thread(columns, found), value="")

    zone.change(on_files, zone, box, **QUIET)


def columns(paths: Sequence[str]) -> list[tuple[str, str]]:
    """The columns of all files that can be read, for a dropdown."""
    found: dict[str, None] = {}
    for path in paths:
        try:
            found |= dict.fromkeys(columns_of(path)) if is_small(path) else {}
        except BadRequest:
            continue  # the first look says what is wrong with it
    return [ANY_COLUMN, *((name, name) for name in found if name)]


def column_box(label: str, info: str, paths: Sequence[str]) -> gr.Dropdown:
    """A dropdown of columns, in which another name can be typed, too."""
    return gr.Dropdown(columns(paths), value="", label=label, info=info, allow_custom_value=True)


def is_small(path: str | PurePath) -> bool:
    """Whether a file is looked into before anybody asks."""
    try:
        return Path(path).suffix.lower() == ".parquet" or Path(path).stat().st_size <= LOOKED_AT
    except OSError:
        return True  # whoever reads it says that it is gone

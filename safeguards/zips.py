"""Several files as one to download."""

from __future__ import annotations

import os
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

from common.errors import BadRequest
from safeguards.wording import file_name


def zip_files(paths: Sequence[str | Path], out: str | Path) -> Path:
    """Put the files, in this order and under their own names, into the zip file `out`, and return its path.

    Two files of one name become "cat.png" and "cat-2.png"; no folder names go in. Pictures are stored as they are,
    because they do not shrink further. The zip is there whole or not at all.
    Raises BadRequest when there are no files or one of them is gone, and OSError as `open` does.
    """
    paths, out = [Path(path) for path in paths], Path(out)
    if not paths:
        raise BadRequest("There is nothing to download yet: make some pictures first.")
    for path in paths:
        if not path.is_file():
            raise BadRequest(f"{file_name(path)} is no longer there, so it cannot be downloaded. Please make it again.")
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            for path, name in zip(paths, _names(paths), strict=True):
                archive.write(path, name)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return out


def _names(paths: Sequence[Path]) -> list[str]:
    names: list[str] = []
    taken: set[str] = set()
    for path in paths:
        name, count = path.name, 1
        while name.casefold() in taken:  # Windows and macOS would unpack Cat.png over cat.png
            count += 1
            name = f"{path.stem}-{count}{path.suffix}"
        taken.add(name.casefold())
        names.append(name)
    return names

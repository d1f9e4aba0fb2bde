"""The output folder: how its files are named, and how it is kept from filling the disk."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

# Only files with a name of ours are ever counted or deleted: people point --output at folders with things of their own.
_OURS = re.compile(r"clip-atelier-\d{8}-\d{6}-(\d+-)?[0-9a-f]{8}(-[a-z]+)?\.(png|mp4|webp|gif|zip|safetensors)")
_UNFINISHED = re.compile(r"\.clip-atelier-.+\.part")
_UNFINISHED_AGE = 3600  # seconds; a file under way is written in far less
_ROOM = 0.9  # of the quota is left filled, so that not every new file needs a look at all of them

_lock = threading.Lock()
_used: dict[Path, float] = {}  # bytes by folder, as far as this process knows


def output_path(folder: Path, suffix: str, seed: int | None = None) -> Path:
    """A new name in `folder` for something made now, which `keep_within` knows as ours. `suffix` such as ".png"."""
    number = "" if seed is None else f"{seed}-"
    return folder / f"clip-atelier-{time.strftime('%Y%m%d-%H%M%S')}-{number}{uuid.uuid4().hex[:8]}{suffix}"


def keep_within(root: Path, limit: float, new: Iterable[Path] = ()) -> None:
    """Delete the oldest of our files under `root` until all of them together have at most `limit` bytes.

    `new` are those just written: they are counted in and stay whatever happens. Nothing is deleted, and the folder not
    even searched, before the files written by this process could exceed the limit.
    """
    root, spared = root.resolve(), {path.resolve() for path in new}
    with _lock:
        if root in _used:
            _used[root] += sum(_size(path) for path in spared)
            if _used[root] <= limit:
                return
        files = sorted(_find(root))
        used = sum(size for _, size, _ in files)
        for _, size, path in files if used > limit else ():
            if used <= limit * _ROOM:
                break
            if path not in spared:
                with contextlib.suppress(OSError):  # somebody else deleted it, or may not be allowed to
                    path.unlink()
                    used -= size
        _used[root] = used


def _find(root: Path) -> Iterator[tuple[float, int, Path]]:
    """Time, size and path of every file of ours; what a crash left unfinished is swept up on the way."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                if _OURS.fullmatch(name) and not path.is_symlink():
                    about = path.stat()
                    yield about.st_mtime, about.st_size, path
                elif _UNFINISHED.fullmatch(name) and time.time() - path.stat().st_mtime > _UNFINISHED_AGE:
                    path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0

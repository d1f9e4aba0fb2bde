"""Which files of a published checkpoint are needed, and whether they arrived sound."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from common.errors import AtelierError

WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".msgpack", ".h5", ".onnx"}
UNUSED = ("non_ema", "openvino", "flax")
UNREADABLE = 99


def choose_files(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The files of a repository to fetch: those that match a pattern, with one format of the weights per folder.

    Half-size safetensors go before full ones, and those before pickles, which are read by a restricted unpickler.
    """
    wanted = [
        name
        for name in names
        if any(fnmatch(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)
    ]
    ranks = {name: _rank(name) for name in wanted if PurePosixPath(name).suffix in WEIGHTS}
    best: dict[str, int] = {}
    for name, rank in ranks.items():
        folder = str(PurePosixPath(name).parent)
        best[folder] = min(rank, best.get(folder, rank))
    return sorted(
        name
        for name in wanted
        if name not in ranks or ranks[name] == best[str(PurePosixPath(name).parent)] < UNREADABLE
    )


def _rank(name: str) -> int:
    if any(word in name for word in UNUSED):
        return UNREADABLE
    half = ".fp16" in name
    return {".safetensors": 0 if half else 1, ".bin": 2 if half else 3}.get(PurePosixPath(name).suffix, UNREADABLE)


def verify(folder: Path, sizes: Mapping[str, int]) -> None:
    """Check that every file is there with its size in bytes (0: unknown) and opens as what its name says.

    A damaged file is deleted, so that fetching again repairs it. Raises AtelierError that names it.
    """
    for name, size in sizes.items():
        path = folder / name
        problem = _problem(path, size)
        if problem:
            path.resolve().unlink(missing_ok=True)  # in the cache the file is a link to its content
            path.unlink(missing_ok=True)
            raise AtelierError(f"{name} {problem}. It was deleted; run the same command again to repair it.")


def _problem(path: Path, size: int) -> str:
    """What is wrong with a file, as the rest of a sentence; "" for nothing."""
    if not path.is_file():
        return "did not arrive"
    if size and path.stat().st_size != size:
        return f"has {path.stat().st_size:,} bytes and should have {size:,}"
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="numpy") as file:
                file.keys()
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".bin" and not zipfile.is_zipfile(path):
            return "is not a file of PyTorch weights"
    except Exception as error:
        return f"cannot be read ({type(error).__name__})"
    return ""

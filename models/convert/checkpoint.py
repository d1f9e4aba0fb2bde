"""Opens a checkpoint of weights: torch's zip files, its older plain files, and safetensors.

Nothing is read before it is asked for, so the few tensors wanted out of a file of many gigabytes cost no more than
themselves.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from common.errors import AtelierError, BadRequest
from models.convert.unpickling import RestrictedUnpickler, Storage, Stored

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_PICKLE = 64 * 2**20  # the descriptions of an 8 GB checkpoint's tensors take less than 2 MB
OLD_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickle of a magic number, before there were zip files


@dataclass(frozen=True)
class Checkpoint:
    """The state dict of a checkpoint: the shape of every tensor in it, and `read(name)` for its values, float32."""

    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], Tensor]


@contextmanager
def open_checkpoint(path: Path) -> Iterator[Checkpoint]:
    """The state dict inside `path`, which is the entry "state_dict" where there is one, else the file's whole content.

    Raises BadRequest, in one sentence, for a file that is missing, damaged, hostile or something else; the same when
    it shows only while values are read inside the block.
    """
    if not path.is_file():
        raise BadRequest(f"There is no file {path.name} to convert.")
    with path.open("rb") as file, _plain_errors(path.name):
        start = file.read(16)
        file.seek(0)
        if path.suffix == ".safetensors":
            yield _open_safetensors(path)
        elif start.startswith(b"PK"):
            with zipfile.ZipFile(file) as archive:
                yield _open_zip(archive, path.name)
        elif start.startswith(OLD_START):
            yield _open_old(file, path.name)
        else:
            raise BadRequest(f"{path.name} is not a checkpoint written by PyTorch, nor safetensors.")


@contextmanager
def _plain_errors(name: str) -> Iterator[None]:
    try:
        yield
    except AtelierError:
        raise
    except Exception as error:  # what a damaged file can cause has no end; none of it is worth a traceback
        raise BadRequest(
            f"{name} is damaged or is not a checkpoint of weights ({type(error).__name__}). Get it again, and compare "
            "its size with the published one."
        ) from error


def _open_safetensors(path: Path) -> Checkpoint:
    from safetensors import safe_open

    file = safe_open(path, framework="pt")
    shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    return Checkpoint(shapes, lambda name: file.get_tensor(name).float())


def _open_zip(archive: zipfile.ZipFile, name: str) -> Checkpoint:
    """Records are `ROOT/data.pkl` and, one a storage, `ROOT/data/KEY`."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    roots = [
        entry.removesuffix("data.pkl") for entry in entries if entry.count("/") == 1 and entry.endswith("/data.pkl")
    ]
    if len(roots) != 1:
        raise BadRequest(f"{name} is a zip file, but not one of PyTorch weights.")
    root = roots[0]
    if f"{root}constants.pkl" in entries:
        raise BadRequest(f"{name} is a TorchScript program; the checkpoint it was made from is needed.")
    # Torch stores without compressing. An entry that is packed could be far larger than the file.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise BadRequest(f"{name} holds compressed entries, which PyTorch never writes.")
    if entries[f"{root}data.pkl"].file_size > LARGEST_PICKLE:
        raise BadRequest(f"{name} describes its tensors in more than {LARGEST_PICKLE // 2**20} MB, which none needs.")
    if f"{root}byteorder" in entries and archive.read(f"{root}byteorder") != b"little":
        raise BadRequest(f"{name} was written on a big-endian machine; save it again on an ordinary one.")

    def values(storage: Storage) -> bytes:
        return archive.read(f"{root}data/{storage.key}")

    return _state(RestrictedUnpickler(io.BytesIO(archive.read(f"{root}data.pkl")), name).load(), values, name)


def _open_old(file: BinaryIO, name: str) -> Checkpoint:
    """Five pickles (magic number, version, machine, the content, keys of storages), then the storages one by one."""
    seen: dict[str, Storage] = {}

    class Noting(RestrictedUnpickler):
        def persistent_load(self, pid: Any) -> Any:
            found = super().persistent_load(pid)
            if isinstance(found, Storage):
                seen[found.key] = found
            return found

    _, _, machine, content, keys = (Noting(file, name).load() for _ in range(5))
    if not machine.get("little_endian", True):
        raise BadRequest(f"{name} was written on a big-endian machine; save it again on an ordinary one.")
    places: dict[str, int] = {}
    for key in keys:
        file.seek(8, io.SEEK_CUR)  # the count again
        places[key] = file.tell()
        file.seek(seen[key].count * seen[key].size, io.SEEK_CUR)

    def values(storage: Storage) -> bytes:
        file.seek(places[storage.key])
        return file.read(storage.count * storage.size)

    return _state(content, values, name)


def _state(content: Any, values: Callable[[Storage], bytes], name: str) -> Checkpoint:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    tensors = content.items() if isinstance(content, dict) else ()
    state = {key: value for key, value in tensors if isinstance(key, str) and isinstance(value, Stored)}
    if not state:
        raise BadRequest(f"{name} holds no state dict: there are no named tensors in it.")
    return Checkpoint({key: stored.shape for key, stored in state.items()}, lambda key: _tensor(state[key], values))


def _tensor(stored: Stored, values: Callable[[Storage], bytes]) -> Tensor:
    """A copy of the view, float32. Its last value must lie inside its storage, and the storage inside the file."""
    import torch

    storage, offset, shape, stride = stored
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if math.prod(shape) and last >= storage.count:
        raise ValueError("a tensor reaches past the end of its storage")
    raw = values(storage)
    if len(raw) < storage.count * storage.size:
        raise ValueError("a storage is cut short")
    if not math.prod(shape):
        return torch.zeros(shape)
    flat = torch.frombuffer(bytearray(raw), dtype=getattr(torch, storage.dtype))
    return flat.as_strided(shape, stride, offset).float().clone(memory_format=torch.contiguous_format)

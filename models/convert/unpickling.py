"""Reads the pickle inside a PyTorch checkpoint without ever running what it names.

A pickle is a small program: it may name any function of any module and call it. Here three names give what a state
dict needs, as plain records, and every other name gives an inert class that swallows whatever is done to it, so that
the callbacks and settings which training frameworks leave in a checkpoint are passed over.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

from common.errors import BadRequest

# By torch's names for storages: the name of the dtype, and bytes per value.
STORAGES = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}
# No training framework leaves these in a checkpoint. Ignoring them would be safe; saying so is better.
RUNS_CODE = {"os", "posix", "nt", "subprocess", "commands", "sys", "shutil", "socket", "pty", "runpy", "ctypes"}
RUNS_CODE |= {"importlib", "marshal", "pickle", "_pickle", "timeit", "pdb", "cProfile", "pip", "urllib", "webbrowser"}
RUNS_CODE_BUILTINS = {"eval", "exec", "execfile", "compile", "__import__", "open", "input", "breakpoint"}


class Storage(NamedTuple):
    """Where values lie in a checkpoint: under `key`, `count` values of `dtype`, each of `size` bytes."""

    key: str
    dtype: str
    size: int
    count: int


class Stored(NamedTuple):
    """A tensor that has not been read yet: a strided view of a storage, all in values."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Inert:
    """What every other name stands for; may be made, called, filled and given a state, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Inert:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Inert:
        return self

    def __setstate__(self, *_: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass

    def append(self, *_: Any) -> None:
        """Items of a list."""

    extend = add = update = append


class _Allowed:
    """A function that a pickle may call. Its slots leave a pickle nothing to alter that would outlive its reading."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)


class _Kind(NamedTuple):
    dtype: str
    size: int


def _view(storage: Any, offset: int, shape: tuple, stride: tuple, *_: Any) -> Stored | Inert:
    if not isinstance(storage, Storage):  # of a kind that weights do not have
        return Inert()
    if not all(type(number) is int and number >= 0 for number in (offset, *shape, *stride)):
        raise pickle.UnpicklingError("a tensor is not described by whole numbers")
    return Stored(storage, offset, tuple(shape), tuple(stride))


# The unpickler in Python, not the one in C: it keeps what is memorised in a dict, while the other one can be made to
# reserve tens of gigabytes by a pickle of ten bytes. State dicts are small enough for it.
class RestrictedUnpickler(pickle._Unpickler):
    """Reads one pickle of `file`. Tensors come out as `Stored`; `name` is the file's, for messages."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self._name = name
        self._known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch", "Size"): tuple,
            ("torch._utils", "_rebuild_tensor"): _Allowed(_view),
            ("torch._utils", "_rebuild_tensor_v2"): _Allowed(_view),
            ("torch._utils", "_rebuild_parameter"): _Allowed(lambda tensor, *_: tensor),
        }

    def find_class(self, module: str, name: str) -> Any:
        """What a name of the pickle stands for; never the thing itself. Raises BadRequest for what runs commands."""
        if (module, name) in self._known:
            return self._known[module, name]
        if module in ("torch", "torch.storage") and name in STORAGES:
            return _Kind(*STORAGES[name])
        root = module.partition(".")[0]
        if root in RUNS_CODE or (root in ("builtins", "__builtin__") and name in RUNS_CODE_BUILTINS):
            raise BadRequest(
                f"{self._name} asks to run {module}.{name} while it is read, which weights never do. It was not "
                "converted and nothing was run; get the checkpoint from another place."
            )
        return type(name, (Inert,), {})

    def persistent_load(self, pid: Any) -> Any:
        """A storage, by ("storage", kind, key, device, count) and in old files what it is a view of."""
        if pid[0] != "storage" or not isinstance(pid[1], _Kind):  # old files keep the source code of modules here
            return Inert()
        kind, key, _, count, *view = pid[1:]
        if type(count) is not int or count < 0 or any(view):
            raise pickle.UnpicklingError("a storage is not described by its count")
        return Storage(str(key), kind.dtype, kind.size, count)

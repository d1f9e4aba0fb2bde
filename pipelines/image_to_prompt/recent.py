"""What was made lately and may be wanted again: a small store in memory with a limit to its weight."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Keeps values by key, the latest used, while their weights together are at most `limit`; for several threads."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, tuple[Value, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value of this key, None where there is none (any more)."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, key: Hashable, value: Value, weight: float) -> Value:
        """Keep a value, unless it alone weighs too much, and return it."""
        with self._lock:
            self._kept.pop(key, None)
            if weight <= self._limit:
                self._kept[key] = (value, weight)
            while sum(each for _, each in self._kept.values()) > self._limit:
                self._kept.popitem(last=False)
        return value


def look(path: str | Path) -> tuple[str, int, int] | None:
    """The path from the root on, bytes and time of change of a file, which differ where it changed; None: not there."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return os.path.abspath(path), about.st_size, about.st_mtime_ns

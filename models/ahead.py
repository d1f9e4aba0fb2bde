"""The heavy libraries, imported while a visitor still types: on a slow machine they take longer than the models."""

from __future__ import annotations

import contextlib
import importlib
import threading

LIBRARIES = ("torch", "open_clip", "diffusers.schedulers", "diffusers.models.unets.unet_2d_condition")
_guard = threading.Lock()
_threads: list[threading.Thread] = []  # one at most


def import_ahead() -> None:
    """Begin to import them in a thread of its own, once in the life of a process."""
    with _guard:
        if not _threads:
            _threads.append(threading.Thread(target=_import, name="imports", daemon=True))
            _threads[0].start()


def wait() -> None:
    """Until they are there, if somebody has begun: two threads that import the same circle see halves of modules."""
    for thread in _threads:
        thread.join()


def _import() -> None:
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):  # who needs it says so
            importlib.import_module(name)

"""A model's place in memory, as the pool keeps it and as the page shows it."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass
from typing import Any

from models.spec import ModelSpec


@dataclass(frozen=True)
class ModelStatus:
    """What the page shows about a model in memory.

    `state` is "loading" or "ready"; `progress` is in [0, 1] and `note` says what the loader is at; `users` counts those
    who use the model or wait for it.
    """

    name: str
    title: str
    state: str
    progress: float
    note: str
    memory_mb: float
    users: int
    device: str


class Residency:
    """A model on a device: "loading", "ready", "leaving", and then "gone", with the `error` if loading failed.

    Only `ModelPool` changes it, with its lock held.
    """

    def __init__(self, spec: ModelSpec, device: str) -> None:
        self.spec, self.device = spec, device
        self.state, self.progress, self.note = "loading", 0.0, ""
        self.model: Any = None
        self.error: BaseException | None = None
        self.loader = threading.get_ident()
        self.reserved_mb = 0.0  # what it takes of the budget; nothing until room has been made
        self.users = 0
        self.last_use = 0

    @property
    def idle(self) -> bool:
        """True when nobody would miss it."""
        return self.state == "ready" and self.users == 0

    def status(self) -> ModelStatus:
        """A copy of what is shown."""
        spec = self.spec
        return ModelStatus(
            spec.name, spec.title, self.state, self.progress, self.note, spec.memory_mb, self.users, self.device
        )

    def fail(self, error: BaseException) -> None:
        """Keep `error` for those who waited. A copy has no traceback, whose frames would keep what was half loaded."""
        try:
            self.error = copy.copy(error)
        except Exception:  # an exception with arguments of its own cannot always be copied
            self.error = RuntimeError(f"{type(error).__name__}: {error}")

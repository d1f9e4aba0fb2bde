"""How long a run will still take, from how far it came since its real work began."""

from __future__ import annotations

import time


class Clock:
    """Counts from `begin`, so that what comes but once, such as loading models, does not make the rest look long."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._first = 0

    def begin(self, done: int) -> None:
        """The work begins, of which so much is done from before; only the first call counts."""
        if self._began is None:
            self._began, self._first = time.monotonic(), done

    def left(self, done: int, total: int) -> float | None:
        """Seconds that are left when `done` of `total` is done; None as long as nobody can tell."""
        if self._began is None or done <= self._first:
            return None
        return (time.monotonic() - self._began) / (done - self._first) * max(0, total - done)

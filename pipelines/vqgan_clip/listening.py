"""What is said to a run between its steps: stop, pause, go on, change something."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from common.errors import AtelierError
from pipelines.steps import Command, Step, Stop
from pipelines.vqgan_clip.steering import Pause, Resume, Steer

LONGEST_PAUSE = 600  # seconds, for the device serves others too
NAP = 0.1


class Listener:
    """Does what is said to a run: `steer` changes its settings, `paused()` is the step to show while it waits.

    `hint` is what to show beside the next steps, `note` what to tell at the end; "" is nothing.
    """

    def __init__(self, steer: Callable[[Steer], None], paused: Callable[[], Step]) -> None:
        self._change, self._paused = steer, paused
        self.hint, self.note = "", ""

    def heard(self, command: Command | None) -> Generator[Step, Command | None, bool]:
        """Do what was said; while paused, wait and listen on. Returns whether to stop."""
        paused, until = False, time.monotonic() + LONGEST_PAUSE
        while True:
            if isinstance(command, Stop):
                return True
            if isinstance(command, Steer):
                self._steer(command)
            paused = isinstance(command, Pause) or (paused and not isinstance(command, Resume))
            if not paused:
                return False
            if time.monotonic() > until:
                self.note = f"The run was paused for {LONGEST_PAUSE // 60} minutes and ended there."
                return True
            time.sleep(NAP)
            command = yield self._paused()

    def _steer(self, change: Steer) -> None:
        try:
            self._change(change)
            self.hint = ""
        except AtelierError as error:  # a change that does not fit is refused, the run goes on
            self.hint = str(error)

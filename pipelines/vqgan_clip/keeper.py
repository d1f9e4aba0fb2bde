"""The checkpoints that a run leaves on its way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.services import Services
from pipelines.vqgan_clip import checkpoint
from pipelines.vqgan_clip.optimisation import Optimisation
from safeguards import quota

TIMES = 8  # checkpoints of a whole run
FAILED = "A checkpoint could not be written, so this run cannot be gone on with: the disk may be full."


class Keeper:
    """Saves a run of so many `steps` in even distances and whenever asked. `kept` are the files by step.

    A disk that takes no more does not end the run; `note` then says so.
    """

    def __init__(self, steps: int, services: Services, folder: Path) -> None:
        self.kept: dict[int, Path] = {}
        self.note = ""
        self._settings, self._folder = services.settings, folder
        self._due = {math.ceil(steps * part / TIMES) for part in range(1, TIMES + 1)}

    def watch(self, canvases: Optimisation) -> None:
        """Save if it is time to."""
        if canvases.step_number in self._due:
            self.keep(canvases)

    @contextmanager
    def rescuing(self, canvases: Optimisation) -> Iterator[None]:
        """Around steps: when they break off, by a failure or because their owner went away, a checkpoint is left."""
        try:
            yield
        except BaseException:
            if canvases.step_number and canvases.z.isfinite().all():
                self.keep(canvases)
            raise

    def keep(self, canvases: Optimisation) -> None:
        """Save now, if this step is not saved yet."""
        if canvases.step_number in self.kept or self.note:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = quota.output_path(self._folder, ".safetensors", canvases.begun.seed)
            self.kept[canvases.step_number] = checkpoint.save(path, canvases)
        except OSError:
            self.note = FAILED
            return
        quota.keep_within(self._settings.output, self._settings.output_quota_gb * 1e9, [path])

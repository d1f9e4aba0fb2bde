"""What a run tells while it goes: loss curves, pace, and a look at the canvases a few times a second."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError
from common.images import to_pil
from pipelines.steps import Step

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from pipelines.vqgan_clip.optimisation import Moment, Optimisation

EVERY = 0.25  # seconds between two looks
SHARE = 0.05  # of the run's time that looking may take
LARGEST = 512  # pixels of a preview's longer side
POINTS = 120  # of a curve
RECENT = 20  # steps from which the pace is told


class Progress:
    """Follows one run of `total` steps."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._waiting: list[tuple[int, Tensor, tuple[str, ...]]] = []  # losses still on the device
        self._at: list[int] = []
        self._curves: dict[str, list[float | None]] = {}
        self._latest: dict[str, list[float]] = {}
        self._every = 1  # of how many steps one is a point of the curves
        self._pace: deque[float] = deque(maxlen=RECENT)
        self._began = time.monotonic()
        self._looked = -math.inf
        self.spent = 0.0  # seconds that looking took
        self.scores: dict[int, float] = {}  # by canvas, the judge's last ones

    def step(self, canvases: Optimisation, moment: Moment, seconds: float, note: str = "") -> Step:
        """The `Step` to yield after a step of the optimisation that took `seconds`.

        Raises AtelierError when the losses are no numbers any more, which is noticed at the next look.
        """
        self._pace.append(seconds)
        if (moment.step - 1) % self._every == 0:
            self._waiting.append((moment.step, moment.table, moment.labels))
        previews = self._look(moment) if self._is_time(moment.step) else ()
        return Step(moment.step, self.total, note, previews, self._data(canvases))

    def paused(self, canvases: Optimisation) -> Step:
        """The `Step` to yield while the run is paused."""
        return Step(canvases.step_number, self.total, "paused", (), {**self._data(canvases), "paused": True})

    @property
    def pace(self) -> float:
        """Seconds a step, over the last ones."""
        return sum(self._pace) / max(len(self._pace), 1)

    @property
    def curves(self) -> dict[str, list[float | None]]:
        """Mean loss over the canvases by label, a value for each step of `at`, None where a prompt did not pull."""
        return self._curves

    @property
    def at(self) -> list[int]:
        """The steps of the curves' points."""
        return self._at

    def _is_time(self, step: int) -> bool:
        now = time.monotonic()
        due = now - self._looked >= EVERY and self.spent <= SHARE * (now - self._began)
        return due or step in (1, self.total)

    def _look(self, moment: Moment) -> tuple[Image, ...]:
        """Fetch what waits on the device: the losses since the last look, and the canvases, small."""
        import torch.nn.functional as F

        began = self._looked = time.monotonic()
        self._latest = moment.losses
        if not all(map(math.isfinite, moment.total)):
            raise AtelierError(
                f"The losses are no numbers any more at step {moment.step}, so the run ended. Take a lower learning "
                "rate, or start the app with --precision fp32; the last checkpoint is kept."
            )
        for step, table, labels in self._waiting:
            self._add(step, dict(zip(labels, table.mean(0).tolist(), strict=True)))
        self._waiting.clear()
        pixels = moment.pixels
        if (scale := LARGEST / max(pixels.shape[-2:])) < 1:
            pixels = F.interpolate(pixels, scale_factor=scale, mode="area")
        previews = tuple(to_pil(pixels))
        self.spent += time.monotonic() - began
        return previews

    def _add(self, step: int, means: dict[str, float]) -> None:
        """Append a point to the curves; when they are full, only every second one stays."""
        if (step - 1) % self._every:
            return
        for label in means:
            self._curves.setdefault(label, [None] * len(self._at))
        self._at = [*self._at, step]  # a new list: a `Step` that was sent holds the old one
        self._curves = {label: [*values, means.get(label)] for label, values in self._curves.items()}
        if len(self._at) > POINTS:
            self._every *= 2
            kept = [k for k, step in enumerate(self._at) if (step - 1) % self._every == 0]
            self._at = [self._at[k] for k in kept]
            self._curves = {label: [values[k] for k in kept] for label, values in self._curves.items()}

    def _data(self, canvases: Optimisation) -> dict[str, Any]:
        each = self.pace
        done = canvases.step_number
        return {
            "losses": self._latest,
            "curves": self._curves,
            "at": self._at,
            "rate": canvases.request.rate,
            "cuts": canvases.eye.count(max(done - 1, 0)),
            "prompts": canvases.request.prompts,
            "seeds": list(canvases.seeds),
            "seconds_per_step": each,
            "left": each * (self.total - done),
            "scores": self.scores,
            "changes": len(canvases.log),
            "log": tuple(canvases.log),
            "planned_mb": canvases.plan.peak_mb if canvases.plan else None,
        }

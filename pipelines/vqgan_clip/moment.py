"""What one step of an optimisation saw."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Moment:
    """What one step saw, before it moved.

    `step` counts from 1; `pixels` is (B, 3, H, W) float32 in [0, 1], detached, of the step's own forward pass; `table`
    (B, L) are the losses as they are on the device, one column for each of the L `labels`.
    """

    def __init__(self, step: int, pixels: Tensor, table: Tensor, labels: tuple[str, ...]) -> None:
        self.step, self.pixels, self.table, self.labels = step, pixels, table, labels

    @cached_property
    def losses(self) -> dict[str, list[float]]:
        """By prompt and regulariser one weighted value per canvas. Waits for the device, so ask when it is needed."""
        return dict(zip(self.labels, self.table.T.tolist(), strict=True))

    @property
    def total(self) -> list[float]:
        """The sum of the losses, per canvas."""
        return [sum(values) for values in zip(*self.losses.values(), strict=True)]

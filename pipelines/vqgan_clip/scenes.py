"""What happens from one frame of a film to the next: cuts, and how much changes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

GLANCE = 16  # pixels a side of the small copies that are compared: motion inside a scene hardly shows in them
RECENT = 6
SUDDEN = 3.0  # a cut changes so many times what the frames before it changed; a quick pan goes on for longer


class CutDetector:
    """Tells where a new scene begins.

    `threshold` is the mean change of a pixel, from 0 to 1, from which on a cut is possible; 0 finds none.
    """

    def __init__(self, threshold: float = 0.12) -> None:
        self.threshold = threshold
        self._last: Tensor | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)

    def is_cut(self, frame: Tensor) -> bool:
        """Whether a scene begins with this frame (1, 3, H, W) in [0, 1]. The first frame of all is no cut."""
        import torch.nn.functional as F

        small = F.adaptive_avg_pool2d(frame, GLANCE)
        last, self._last = self._last, small
        if last is None or self.threshold <= 0:
            return False
        change = float((small - last).abs().mean())
        usual = sum(self._recent) / len(self._recent) if self._recent else 0.0
        self._recent.append(change)  # that of a cut, too: what changes as much in every frame is no cut
        return change > self.threshold and change > SUDDEN * usual


class Change:
    """The mean change of a pixel from one frame to the next, over a film without its cuts; the measure of flicker."""

    def __init__(self) -> None:
        self._last: Tensor | None = None
        self._sum, self._count = 0.0, 0

    def see(self, frame: Tensor, cut: bool = False) -> None:
        """The next frame (1, 3, H, W) in [0, 1]; what changed at a cut does not count."""
        if self._last is not None and not cut:
            self._sum += float((frame - self._last).abs().mean())
            self._count += 1
        self._last = frame

    @property
    def mean(self) -> float:
        """From 0 (nothing moves) to 1; 0 before the second frame."""
        return self._sum / self._count if self._count else 0.0

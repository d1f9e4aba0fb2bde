"""Latents of a film smoothed over time, so that it does not flicker."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Smoother:
    """A centred, exponentially weighted mean over an odd `window` of latents, after `style_transfer` of
    rkhamilton/vqgan-clip-generator: the neighbour k frames away weighs (1 - fall) ** k.

    Each latent comes out once its later neighbours are there; no more than a window of them is in memory. At the ends
    the mean is over those there are.
    """

    def __init__(self, window: int = 3, fall: float = 0.5) -> None:
        if window < 1 or window % 2 == 0 or not 0 <= fall <= 1:
            raise ValueError(f"window is {window} and fall {fall}; they must be odd and from 0 to 1")
        self.radius, self.fall = window // 2, fall
        self._near: deque[Tensor] = deque(maxlen=window)
        self._behind = 0  # how many of those in the window have come out

    def add(self, z: Tensor) -> Iterator[Tensor]:
        """Take the next latent; give out the one that now has all its neighbours, if there is one."""
        if len(self._near) == self._near.maxlen:
            self._behind -= 1
        self._near.append(z)
        if len(self._near) - 1 - self._behind >= self.radius:
            yield self._mean(self._behind)
            self._behind += 1

    def flush(self) -> Iterator[Tensor]:
        """Give out what is left, and forget everything: a new scene begins, or the film is over."""
        for place in range(self._behind, len(self._near)):
            yield self._mean(place)
        self._near.clear()
        self._behind = 0

    def _mean(self, place: int) -> Tensor:
        import torch

        near = [(abs(k - place), z) for k, z in enumerate(self._near) if abs(k - place) <= self.radius]
        weights = [(1 - self.fall) ** distance for distance, _ in near]
        mixed = torch.stack([z * weight for (_, z), weight in zip(near, weights, strict=True)]).sum(0)
        return mixed / sum(weights)

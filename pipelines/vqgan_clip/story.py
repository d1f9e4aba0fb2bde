"""Which prompts pull at which step of a story, and how one scene fades into the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.vqgan_clip.prompts import Prompt, Scene

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Active:
    """One prompt at one moment: between the texts `first` and `second`, `share` of the way, with these numbers."""

    first: str
    second: str
    share: float
    weight: float
    stop: float

    @property
    def label(self) -> str:
        """The text that counts for more."""
        return self.first if self.share < 0.5 else self.second


def position(step: int, steps: int, scenes: int, fade: float) -> tuple[int, float]:
    """The scene (from 0) in which step `step` (from 0) of `steps` falls, and how far the next one has faded in [0, 1).

    Scenes are equally long; the last `fade` of each but the last is the cross-fade. After the last step it is the end.
    """
    place = min(max(step, 0) / max(steps, 1), 1.0) * scenes
    scene = min(int(place), scenes - 1)
    if scene == scenes - 1 or fade <= 0:
        return scene, 0.0
    return scene, max(0.0, (place - scene - (1 - fade)) / fade)


def active(scenes: Sequence[Scene], step: int, steps: int, fade: float) -> tuple[Active, ...]:
    """The prompts that pull at a step. While scenes cross, prompt k of one turns into prompt k of the other.

    A prompt without a partner loses or gains its weight on the way.
    """
    scene, share = position(step, steps, len(scenes), fade)
    now, then = scenes[scene], scenes[scene + 1] if share > 0 else ()
    return tuple(
        _between(now[k] if k < len(now) else None, then[k] if k < len(then) else None, share)
        for k in range(max(len(now), len(then)))
    )


def slerp(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Between two unit vectors (D,), along the great circle through them; `share` in [0, 1]."""
    import torch

    angle = torch.acos((first * second).sum().clamp(-1, 1))
    if float(angle.sin()) < 1e-4:  # the same direction, or opposite ones with no circle to choose
        return torch.lerp(first, second, share) if float(angle) < 1 else (first if share < 0.5 else second)
    return (((1 - share) * angle).sin() * first + (share * angle).sin() * second) / angle.sin()


def _between(first: Prompt | None, second: Prompt | None, share: float) -> Active:
    if second is None:
        assert first is not None
        return Active(first.text, first.text, 0.0, first.weight * (1 - share), first.stop)
    if first is None:
        return Active(second.text, second.text, 0.0, second.weight * share, second.stop)
    weight = (1 - share) * first.weight + share * second.weight
    return Active(first.text, second.text, share, weight, (first if share < 0.5 else second).stop)

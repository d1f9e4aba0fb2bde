"""Everything that one step needs besides z, with all chance drawn already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from pipelines.vqgan_clip.draw import Cuts
from pipelines.vqgan_clip.losses import Goals

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Look:
    """What one step looks at; all tensors are on the canvases' device.

    `counts` (B or 1, N, K): how much each cut counts, see `losses.attention`. One entry per tower: `noises` (B, N, 3,
    c, c) to add to the cuts, None for none, and `goals` of so many `prompts`. `start` (B, C, h, w), None for none,
    pulls z with the strength `pull` (a tensor of one number); `tv` is the weight of total variation.
    """

    cuts: Cuts
    counts: Tensor
    noises: Sequence[Tensor | None]
    goals: Sequence[Goals]
    prompts: int
    start: Tensor | None = None
    pull: Tensor | None = None
    tv: float = 0.0

    def copied(self) -> Look:
        """The same with every tensor copied."""
        return _mapped(self, lambda tensor: tensor.clone())

    def tensors(self) -> list[Tensor]:
        """All tensors in it, in an order that depends on its shape alone."""
        found: list[Tensor] = []
        _mapped(self, lambda tensor: found.append(tensor) or tensor)
        return found

    def shape(self) -> tuple[Any, ...]:
        """What two looks must agree in for one to stand in the other's place: everything but the values."""
        return (self.prompts, self.tv, *(tuple(tensor.shape) for tensor in self.tensors()))


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with `change` done to every tensor in it."""
    if is_dataclass(value):
        return replace(value, **{each.name: _mapped(getattr(value, each.name), change) for each in fields(value)})
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    return change(value) if hasattr(value, "untyped_storage") else value

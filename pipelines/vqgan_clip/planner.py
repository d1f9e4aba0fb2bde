"""Memory: how much a step will take, how to make it fit, and what to do when it did not.

What a step keeps for its way back grows evenly with the canvas and with the number of cuts looked at together. So a
small canvas and one cut are tried for real, what autograd keeps of them is counted, and the rest is multiplication.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from common.errors import OutOfMemory
from models.devices import free_memory_mb

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.vqgan_clip.towers import Tower

MARGIN = 1.3  # over what autograd keeps: gradients on their way, workspaces of the libraries, fragments
SHARE = 0.85  # of the free memory that a run may plan with
SMALL = 8  # latent cells a side of the canvas that is tried
FLOATS = 4  # bytes


@dataclass(frozen=True)
class Plan:
    """How to run: `chunk` cuts of a canvas at a time, the decoder checkpointed or not, and the predicted peak in MB,
    beside the models; `free_mb` is what there was, `footprint` what was measured for it."""

    chunk: int
    checkpointed: bool
    peak_mb: float
    free_mb: float
    footprint: Footprint

    def sentence(self, cuts: int) -> str:
        """What is done to make the run fit, at so many cuts; "" for nothing."""
        ways = [f"{self.chunk} cut-outs are looked at together"] if self.chunk < cuts else []
        ways += ["the decoder computes parts of itself twice"] if self.checkpointed else []
        return f"To fit into {self.free_mb:,.0f} MB, {' and '.join(ways)}." if ways else ""


@dataclass(frozen=True)
class Footprint:
    """What a step keeps for its way back, in bytes: `cell` for each latent cell of `factor` pixels a side, and `cut`
    for each cut-out looked at together, by the CLIP that keeps most. `noise` is what every cut of a step takes,
    whether looked at yet or not: its noise, for all CLIPs."""

    cell: float
    cut: float
    factor: int
    noise: float = 0.0

    def base(self, size: tuple[int, int], canvases: int) -> float:
        """Bytes of the canvases of `size` (H, W) alone: their decoding, and their pixels in several forms."""
        pixels = size[0] * size[1] * canvases
        return (self.cell * pixels / self.factor**2 + 12 * pixels * FLOATS * 3) * MARGIN

    def each(self, canvases: int) -> float:
        """Bytes of one cut of every canvas."""
        return self.cut * canvases * MARGIN

    def peak_mb(self, size: tuple[int, int], canvases: int, cuts: int) -> float:
        """Megabytes of a step that looks at so many cuts of each canvas at once, beside the models."""
        return (self.base(size, canvases) + cuts * (self.each(canvases) + self.noise * canvases)) / 2**20


def kept_bytes(forward: Callable[[], Tensor]) -> int:
    """The bytes that autograd keeps for the way back through what `forward` computes, weights and all."""
    import torch

    sizes: dict[int, int] = {}  # by storage, for many layers keep the same one

    def note(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = forward()
    total = sum(sizes.values())
    del output  # until here, or a storage could be freed and its address counted once for two
    return total


def decoder_bytes(vqgan: Any, cells: float) -> float:
    """What the decoder keeps of a canvas of so many latent cells."""
    import torch

    def tried(side: int) -> int:
        z = torch.zeros(1, vqgan.channels, side, side, device=vqgan.device, requires_grad=True)
        return kept_bytes(lambda: vqgan.decode(z))

    # Of two canvases the difference, for the weights are the same.
    return (tried(SMALL) - tried(SMALL // 2)) / (SMALL**2 - (SMALL // 2) ** 2) * cells


def cut_bytes(tower: Tower, device: Any) -> float:
    """What one cut keeps: its sampling and the tower's activations."""
    import torch

    def tried(count: int) -> int:
        cuts = torch.zeros(count, 3, tower.size, tower.size, device=device, requires_grad=True)
        return kept_bytes(lambda: tower(cuts))

    sampling = 8 * 3 * tower.size**2 * FLOATS  # places, colours, noise and the copies between them
    return tried(2) - tried(1) + sampling


def footprint(vqgan: Any, towers: Sequence[Tower]) -> Footprint:
    """Measured on a small canvas and two cuts."""
    cut = max(cut_bytes(tower, vqgan.device) for tower in towers)
    return Footprint(decoder_bytes(vqgan, 1), cut, vqgan.factor, sum(3 * tower.size**2 * FLOATS for tower in towers))


def plan(
    vqgan: Any, towers: Sequence[Tower], size: tuple[int, int], canvases: int, cuts: int, free_mb: float | None = None
) -> Plan:
    """The plan for canvases of (H, W) pixels and so many cuts of each, as fast as memory allows.

    Raises OutOfMemory, with both numbers, when not even one cut at a time would fit.
    """
    free = (free_memory_mb(str(vqgan.device)) if free_mb is None else free_mb) * 2**20 * SHARE
    vqgan.checkpoint(False)
    full = footprint(vqgan, towers)
    each = full.each(canvases)
    for checkpointed in (False, True):
        vqgan.checkpoint(checkpointed)
        # A checkpointed decoder computes one level again at a time; the last and largest keeps half of all.
        cell = decoder_bytes(vqgan, 1) + full.cell / 2 if checkpointed else full.cell
        base = replace(full, cell=cell).base(size, canvases) + cuts * full.noise * canvases
        chunk = min(cuts, int((free - base) // each)) if free > base else 0
        if chunk >= min(cuts, 4) or (checkpointed and chunk >= 1):
            return Plan(chunk, checkpointed, (base + chunk * each) / 2**20, free / SHARE / 2**20, full)
    vqgan.checkpoint(False)
    raise OutOfMemory(
        f"{size[1]} × {size[0]} pixels{f' times {canvases} runs' if canvases > 1 else ''} need about "
        f"{(base + each) / SHARE / 2**20:,.0f} MB, and {free / SHARE / 2**20:,.0f} MB are free. "
        "Choose a smaller size, fewer runs or a smaller CLIP."
    )

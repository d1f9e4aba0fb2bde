"""One look at the canvases and the gradient that follows from it: the inner part of every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.errors import OutOfMemory
from models.devices import free_memory, is_out_of_memory
from pipelines.vqgan_clip import cutouts, losses, quantise
from pipelines.vqgan_clip.graphs import Replayed
from pipelines.vqgan_clip.look import Look
from pipelines.vqgan_clip.pictures import Pictures, fractions
from pipelines.vqgan_clip.towers import Tower

if TYPE_CHECKING:
    from torch import Tensor

SCALE = 2.0**10  # of losses on their way through a CLIP in fp16, where small gradients would vanish


@dataclass(frozen=True, eq=False)
class Frozen:
    """What may not change: `mask` (1, 1, H, W) is 1 where `original` (B or 1, 3, H, W) stays, `cells` (1, 1, h, w) bool
    says of which part of z."""

    mask: Tensor
    original: Tensor
    cells: Tensor


class Gradient:
    """The gradient of one look, computed in chunks of cuts; `chunk` is how many of each canvas are seen at a time.

    The chunks are exact: their losses add up to the loss of all cuts, and their gradients meet in the pixels, from
    where one pass through the decoder leads back to z. On CUDA a step is recorded once and then replayed.
    """

    def __init__(self, vqgan: Any, towers: Sequence[Tower], pooled: bool, chunk: int) -> None:
        self.vqgan, self.towers, self.pooled, self.chunk = vqgan, towers, pooled, chunk
        self.frozen: Frozen | None = None
        self.checkpointed = False
        self._scale = SCALE if any(tower.half for tower in towers) else 1.0
        self._replayed = Replayed(self._once) if str(vqgan.device).startswith("cuda") else None

    def freeze(self, z: Tensor, pictures: Pictures) -> None:
        """Keep the part that the pictures' freeze mask shows as the start picture has it, or as z decodes."""
        import torch
        import torch.nn.functional as F

        if pictures.freeze is None:
            return
        mask = fractions(pictures.freeze, z.device)[None, None]
        if pictures.start is not None:
            original = fractions(pictures.start, z.device)[None]
        else:
            self.frozen = None
            with torch.no_grad():
                original = self.decode(z)
        # A cell is frozen when all of its pixels are; at the rim both sides go on meeting each other.
        cells = -F.max_pool2d(-mask, self.vqgan.factor) >= 0.999
        self.frozen = Frozen(mask, original, cells)
        if self._replayed is not None:
            self._replayed.forget()

    def decode(self, z: Tensor) -> Tensor:
        """z (B, C, h, w) -> pixels (B, 3, H, W) in [0, 1], quantised on the way, the frozen part as it was."""
        z_q = quantise.straight_through(z, self.vqgan.quantise(z))
        pixels = quantise.clamp(self.vqgan.decode(z_q))
        if self.frozen is None:
            return pixels
        return pixels.lerp(self.frozen.original.expand_as(pixels), self.frozen.mask.expand_as(pixels))

    def __call__(self, z: Tensor, look: Look) -> tuple[Tensor, Tensor]:
        """Set `z.grad`; returns the pixels (B, 3, H, W), detached, and the losses (B, prompts + 2).

        The last two columns are those of `tv` and of the start. When memory runs out, `chunk` is halved, then the
        decoder checkpointed, and the look repeated; raises OutOfMemory when nothing is left to halve.
        """
        while True:
            try:
                return self._once(z, look) if self._replayed is None else self._replayed(z, look)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                z.grad = None
            # Outside, where the error no longer holds the frames and all tensors in them.
            if self._replayed is not None:
                self._replayed.forget()
            free_memory(str(z.device))
            self._relieve(min(self.chunk, len(look.cuts)))

    def _relieve(self, chunk: int) -> None:
        if chunk > 1:
            self.chunk = chunk // 2
        elif not self.checkpointed:
            self.checkpointed = True
            self.vqgan.checkpoint(True)
        else:
            raise OutOfMemory("Even one cut-out at a time needs more memory than there is. Choose a smaller size.")

    def _once(self, z: Tensor, look: Look) -> tuple[Tensor, Tensor]:
        import torch

        z.grad = None
        with torch.enable_grad():
            decoded = self.decode(z)
            pixels = decoded.detach().requires_grad_()
            shown = self._prompts(pixels, look)
            pixels.grad.div_(self._scale)
            smoothness = losses.total_variation(pixels) * look.tv
            if look.tv:
                smoothness.sum().backward()
            decoded.backward(pixels.grad)
            away = z.new_zeros(len(z))
            if look.start is not None:
                away = losses.away(z, look.start) * look.pull
                away.sum().backward()
        if self.frozen is not None:
            z.grad.masked_fill_(self.frozen.cells, 0)
        return pixels.detach(), torch.cat([shown, smoothness.detach()[:, None], away.detach()[:, None]], 1)

    def _prompts(self, pixels: Tensor, look: Look) -> Tensor:
        """Add the gradients of all prompts, times the scale, to `pixels.grad`; the losses by prompt (B, P)."""
        import torch

        table = torch.zeros(len(pixels), look.prompts, device=pixels.device)
        for tower, goals, noise in zip(self.towers, look.goals, look.noises, strict=True):
            for start in range(0, len(look.cuts), self.chunk):
                end = min(start + self.chunk, len(look.cuts))
                seen = cutouts.take(pixels, look.cuts.part(start, end), tower.size, self.pooled)
                if noise is not None:
                    seen = seen + noise[:, start:end]
                features = tower(seen.flatten(0, 1)).unflatten(0, (len(pixels), -1))
                loss, shown = losses.pulls(features, look.counts[:, start:end], goals, look.prompts)
                (loss.sum() * (self._scale / len(self.towers))).backward()
                table += shown / len(self.towers)
        return table

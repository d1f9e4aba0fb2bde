"""A step recorded once and replayed: CUDA graphs, which spare the GPU from waiting for thousands of small calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipelines.vqgan_clip.look import Look

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

WARM_UP = 3  # runs before a recording, in which libraries choose their kernels and caches fill
Once = Callable[["Tensor", Look], "tuple[Tensor, Tensor]"]


class Replayed:
    """`once(z, look)`, which sets `z.grad` and returns (pixels, losses), as a recording that is played again.

    A recording reads and writes fixed places in memory, so the tensors of each look are copied to those of the first;
    a look of another shape, or another z, is recorded anew. Where recording fails, every call is made directly.
    """

    def __init__(self, once: Once, record: Callable[[Callable[[], Any]], Callable[[], None]] | None = None) -> None:
        """`record(call)` makes `call` once and returns what plays it again; that of CUDA when None."""
        self._once, self._record = once, record or _cuda_graph
        self._usable = True
        self.forget()

    def forget(self) -> None:
        """Drop the recording and the memory that it holds."""
        self._known: tuple[Any, ...] | None = None
        self._play: Callable[[], None] | None = None
        self._look: Look | None = None
        self._made: tuple[Tensor, Tensor, Tensor] | None = None  # pixels, losses, gradient: in fixed places

    def __call__(self, z: Tensor, look: Look) -> tuple[Tensor, Tensor]:
        """As `once`; what it returns is not touched by later calls."""
        if self._usable and (z.data_ptr(), look.shape()) != self._known:
            self._prepare(z, look)
        if self._play is None or self._look is None or self._made is None:
            return self._once(z, look)
        for fixed, new in zip(self._look.tensors(), look.tensors(), strict=True):
            fixed.copy_(new, non_blocking=True)
        self._play()
        pixels, losses, gradient = self._made
        z.grad = gradient.clone()
        return pixels.clone(), losses.clone()

    def _prepare(self, z: Tensor, look: Look) -> None:
        self.forget()
        fixed = look.copied()

        def call() -> None:
            pixels, losses = self._once(z, fixed)
            self._made = pixels, losses, z.grad

        try:
            self._play = self._record(call)
        except RuntimeError as error:
            if "out of memory" in str(error).lower():
                raise
            logger.warning("a step cannot be recorded and is made directly: %s", error)
            self.forget()
            self._usable = False
            return
        self._look, self._known = fixed, (z.data_ptr(), look.shape())


def _cuda_graph(call: Callable[[], Any]) -> Callable[[], None]:
    """Record `call` on the GPU. Raises RuntimeError for a call that waits for the GPU or changes its shapes."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # torch wants the first runs beside the main stream
        for _ in range(WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other workers may use their own card meanwhile
        call()
    return graph.replay

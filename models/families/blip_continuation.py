"""Any captioning network of transformers as the searches want it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.families.blip_networks import Network

if TYPE_CHECKING:
    from torch import Tensor


class HubContinuation:
    """See `models.decoding.search.Continuation`; keys and values are in a cache of transformers."""

    def __init__(self, network: Network, seen: Tensor, opening: Sequence[int], detail: str, beams: int) -> None:
        import torch

        self.network, self.seen, self.detail, self.beams = network, seen, detail, beams
        self.opening = seen.new_tensor([*network.start, *opening], dtype=torch.long).expand(len(seen), -1)
        self.cache, self.written = network.new_cache(), self.opening.shape[1]

    def first(self) -> Tensor:
        """Logits (N, V) of the first token."""
        logits = self.network.begin(self.seen, self.opening, self.detail, self.cache)[:, -1].float()
        if self.beams > 1:
            self.cache.batch_repeat_interleave(self.beams)
        return logits

    def next(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Logits (N, B, V) after hypothesis b, which is `source[:, b]` continued by `tokens[:, b]`."""
        import torch

        pictures, beams = source.shape
        moved = (torch.arange(pictures, device=source.device)[:, None] * beams + source).flatten()
        if not torch.equal(moved, torch.arange(len(moved), device=moved.device)):
            # The picture's keys are the same for all beams of a picture, so only the words' are put in order.
            getattr(self.cache, "self_attention_cache", self.cache).reorder_cache(moved)
        logits = self.network.go_on(tokens.reshape(-1, 1), self.written, self.cache)
        self.written += 1
        return logits[:, -1].float().unflatten(0, tokens.shape)

    def keep(self, pictures: Tensor) -> None:
        """Forget all pictures but these, (K,) int64."""
        rows = pictures[:, None] * self.beams + pictures.new_tensor(range(self.beams))
        self.cache.batch_select_indices(rows.flatten())

"""The causal text tower of a CLIP, reading what prompts share only once.

In such a tower a token sees those before it alone, so the states of a beginning do not depend on what follows. Of a
thousand prompts that begin alike the beginning is read once, and of each prompt only the rest; the vectors are those
of the whole prompts up to rounding. Nothing is padded to the length of the context either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.decoding.blocks import join_heads, split_heads

MOST_TOKENS = 6_000  # read together; their widest activation takes 50 MB in a tower of width 512

Past = list[tuple[Tensor, Tensor]]  # keys and values of each layer, (1, H, P, D)


def is_causal(model: Any) -> bool:
    """Whether `CausalText` can read for this open_clip model: a causal mask, plain layers, the end token's state."""
    from open_clip.transformer import ResidualAttentionBlock

    tower = getattr(model, "text", model)
    blocks = getattr(getattr(tower, "transformer", None), "resblocks", None)
    pool = getattr(tower, "pool_type", getattr(tower, "text_pool_type", None))
    return (
        blocks is not None
        and all(type(block) is ResidualAttentionBlock for block in blocks)
        and getattr(tower, "attn_mask", None) is not None
        and getattr(tower, "cls_emb", None) is None  # CoCa reads a token behind the padding
        and pool in ("argmax", "eos")
    )


class CausalText:
    """Vectors of tokenised prompts. `model` is an open_clip CLIP for which `is_causal` holds."""

    def __init__(self, model: Any) -> None:
        self.tower = getattr(model, "text", model)
        self.blocks = self.tower.transformer.resblocks

    @property
    def device(self) -> Any:
        return self.tower.token_embedding.weight.device

    @torch.inference_mode()
    def vectors(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Token ids with both markers, each of at most the context's length -> unit vectors (N, D) float32, CPU.

        What all prompts have in common at their beginning is read once. No prompts raise ValueError.
        """
        if not prompts:
            raise ValueError("nothing to read")
        shared = _shared(prompts)
        past = self._read(prompts[0][:shared]) if shared else []
        rows: list[Tensor | None] = [None] * len(prompts)
        # Rests of one length together: then there is no padding and no mask beside the causal one.
        by_length: dict[int, list[int]] = {}
        for number, tokens in enumerate(prompts):
            by_length.setdefault(len(tokens), []).append(number)
        for length, numbers in sorted(by_length.items()):
            size = max(1, MOST_TOKENS // (length - shared))
            for start in range(0, len(numbers), size):
                some = numbers[start : start + size]
                tokens = torch.tensor([prompts[number][shared:] for number in some], device=self.device)
                for number, row in zip(some, self._rest(tokens, shared, past), strict=True):
                    rows[number] = row
        return torch.stack(rows)

    def _read(self, tokens: Sequence[int]) -> Past:
        """The states of a beginning that all prompts share."""
        past: Past = []
        x = self._embed(torch.tensor([list(tokens)], device=self.device), 0)
        for block in self.blocks:
            queries, keys, values = _look(block, block.ln_1(x))
            past.append((keys, values))
            seen = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
            x = _finish(block, x, seen)
        return past

    def _rest(self, tokens: Tensor, shared: int, past: Past) -> Tensor:
        """The rests (N, S) of prompts after `shared` tokens -> unit vectors (N, D)."""
        count, length = tokens.shape
        x = self._embed(tokens, shared)
        sees = torch.ones(length, shared + length, dtype=torch.bool, device=x.device).tril(shared)
        for layer, block in enumerate(self.blocks):
            queries, keys, values = _look(block, block.ln_1(x))
            if past:
                keys, values = (
                    torch.cat([old.expand(count, -1, -1, -1), new], 2)
                    for old, new in zip(past[layer], (keys, values), strict=True)
                )
            if layer == len(self.blocks) - 1:  # of the last layer the end token alone is wanted
                x, queries, sees = x[:, -1:], queries[:, :, -1:], sees[-1:]
            x = _finish(block, x, F.scaled_dot_product_attention(queries, keys, values, sees))
        pooled, projection = self.tower.ln_final(x[:, -1]), self.tower.text_projection
        if projection is not None:
            pooled = projection(pooled) if isinstance(projection, torch.nn.Module) else pooled @ projection
        return F.normalize(pooled.float(), dim=-1).cpu()

    def _embed(self, tokens: Tensor, start: int) -> Tensor:
        dtype = self.tower.transformer.get_cast_dtype()
        places = self.tower.positional_embedding[start : start + tokens.shape[1]]
        return self.tower.token_embedding(tokens).to(dtype) + places.to(dtype)


def _look(block: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys and values of a layer, (N, H, T, D) each."""
    attention = block.attn
    looked = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    return tuple(split_heads(part, attention.num_heads) for part in looked.chunk(3, -1))


def _finish(block: Any, x: Tensor, seen: Tensor) -> Tensor:
    x = x + block.ls_1(block.attn.out_proj(join_heads(seen)))
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """How many first tokens all prompts have in common; the last token of each never counts."""
    # Of sorted lists the first and the last differ earliest.
    first, last = min(prompts), max(prompts)
    most = min(len(tokens) for tokens in prompts) - 1
    same = (place for place in range(most) if first[place] != last[place])
    return next(same, most)

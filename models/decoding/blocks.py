"""Transformer layers that write their keys and values into a `TreeCache`; what GPT-2 and CoCa's decoder are made of."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from models.decoding.cache import TreeCache

Activation = Callable[[Tensor], Tensor]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(N, T, H · D) -> (N, H, T, D), a view."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(N, H, T, D) -> (N, T, H · D)."""
    return x.transpose(1, 2).flatten(2)


class Feedforward(nn.Module):
    """The second half of a layer: x + narrow(activation(widen(norm(x))))."""

    def __init__(self, width: int, inner: int, activation: Activation, eps: float) -> None:
        super().__init__()
        self.norm_2 = nn.LayerNorm(width, eps)
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.activation = activation

    def feed_forward(self, x: Tensor) -> Tensor:
        """(N, T, W) -> (N, T, W)."""
        return x + self.narrow(self.activation(self.widen(self.norm_2(x))))


class Block(Feedforward):
    """A causal layer with the norms before its halves. `scale`: of the products of queries and keys."""

    def __init__(
        self, width: int, heads: int, inner: int, activation: Activation, eps: float, scale: float | None = None
    ) -> None:
        super().__init__(width, inner, activation, eps)
        self.heads, self.scale = heads, scale
        self.norm_1 = nn.LayerNorm(width, eps)
        self.look = nn.Linear(width, 3 * width)  # queries, keys, values
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, cache: TreeCache | None = None, layer: int = 0, mask: Tensor | None = None) -> Tensor:
        """x (N, T, W) -> (N, T, W). Without a mask the T tokens are the beginning, each of which sees those before it;
        with one they are the newest token of T hypotheses, and the cache holds what they see."""
        queries, keys, values = (split_heads(part, self.heads) for part in self.look(self.norm_1(x)).chunk(3, -1))
        if cache is not None:
            all_keys, all_values = cache.write(layer, keys, values)
        if mask is None:
            seen = F.scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=self.scale)
        else:
            seen = F.scaled_dot_product_attention(queries, all_keys, all_values, mask, scale=self.scale)
        return self.feed_forward(x + self.out(join_heads(seen)))


class CrossBlock(Feedforward):
    """A layer that looks at a picture's tokens, whose keys and values are computed once for all words and beams."""

    def __init__(self, width: int, heads: int, inner: int, activation: Activation, eps: float) -> None:
        super().__init__(width, inner, activation, eps)
        self.heads = heads
        self.norm_1, self.norm_picture = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.look, self.picture, self.out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )

    def remember(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """A picture's tokens (N, S, W) -> their keys and values, (N, H, S, D) each."""
        keys, values = self.picture(self.norm_picture(picture)).chunk(2, -1)
        return split_heads(keys, self.heads).contiguous(), split_heads(values, self.heads).contiguous()

    def queries(self, x: Tensor) -> Tensor:
        """(N, T, W) -> (N, H, T, D)."""
        return split_heads(self.look(self.norm_1(x)), self.heads)

    def forward(self, x: Tensor, remembered: tuple[Tensor, Tensor]) -> Tensor:
        """x (N, T, W), whatever the T tokens are, and what `remember` gave -> (N, T, W)."""
        seen = F.scaled_dot_product_attention(self.queries(x), *remembered)
        return self.feed_forward(x + self.out(join_heads(seen)))

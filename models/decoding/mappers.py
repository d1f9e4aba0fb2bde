"""ClipCap's mappers from one CLIP vector to a prefix of word vectors (Mokady et al. 2021, section 3).

Names of the weights are those of the published checkpoints without their "clip_project.", so that any of them loads.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MlpMapper(nn.Module):
    """Linear layers with tanh between them; one layer alone is linear. `widths`: of the vector, ..., P · D."""

    def __init__(self, widths: list[int], prefix: int) -> None:
        super().__init__()
        self.prefix = prefix
        layers: list[nn.Module] = []
        for number, (narrow, wide) in enumerate(pairwise(widths)):
            layers += [nn.Tanh()] * (number > 0) + [nn.Linear(narrow, wide)]
        self.model = nn.Sequential(*layers)

    def forward(self, vectors: Tensor) -> Tensor:
        """CLIP vectors (N, d) -> prefix (N, P, D)."""
        return self.model(vectors).unflatten(-1, (self.prefix, -1))


class TransformerMapper(nn.Module):
    """A transformer over C vectors made from CLIP's and P learned ones, whose outputs are the prefix.

    `inner`: width of the hidden layer in each MLP. Every vector sees every other one.
    """

    def __init__(
        self,
        size: int,
        width: int,
        prefix: int,
        clip_length: int,
        layers: int,
        inner: int | None = None,
        heads: int = 8,
    ) -> None:
        super().__init__()
        self.clip_length = clip_length
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(_Layer(width, inner or 2 * width, heads) for _ in range(layers))
        self.linear = nn.Linear(size, clip_length * width)
        self.prefix_const = nn.Parameter(torch.randn(prefix, width))

    def forward(self, vectors: Tensor) -> Tensor:
        """CLIP vectors (N, d) -> prefix (N, P, D)."""
        x = self.linear(vectors).unflatten(-1, (self.clip_length, -1))  # (N, C, D)
        x = torch.cat([x, self.prefix_const.expand(len(x), -1, -1)], 1)
        for layer in self.transformer.layers:
            x = layer(x)
        return x[:, self.clip_length :]


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_queries = nn.Linear(width, width, bias=False)
        self.to_keys_values = nn.Linear(width, 2 * width, bias=False)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.to_queries(x), *self.to_keys_values(x).chunk(2, -1))
        heads = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        return self.project(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class _Mlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())


class _Layer(nn.Module):
    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = _Attention(width, heads), _Mlp(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))

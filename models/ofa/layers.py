"""OFA's transformer layers, with the further norms and the scale of each head of NormFormer (Shleifer et al. 2021).

Modules are named as in the published checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.decoding.blocks import join_heads, split_heads
from models.decoding.cache import TreeCache
from models.ofa.config import OfaConfig

HALF_LIMIT = 64504.0
KeysValues = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Queries that look at keys; a bias says how much their positions matter."""

    def __init__(self, width: int, heads: int, scale_factor: float) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width / heads * scale_factor) ** -0.5
        self.k_proj, self.v_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.q_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.c_attn = nn.Parameter(torch.ones(heads))

    def queries(self, x: Tensor) -> Tensor:
        """(N, T, W) -> (N, H, T, D)."""
        return split_heads(self.q_proj(x), self.heads)

    def remember(self, x: Tensor) -> KeysValues:
        """(N, S, W) -> keys and values, (N, H, S, D) each."""
        return split_heads(self.k_proj(x), self.heads), split_heads(self.v_proj(x), self.heads)

    def forward(self, x: Tensor, remembered: KeysValues, bias: Tensor) -> Tensor:
        """x (N, T, W), what it looks at, and a bias that fits (N, H, T, S) -> (N, T, W)."""
        seen = F.scaled_dot_product_attention(self.queries(x), *remembered, bias, scale=self.scale)
        return self.out_proj(join_heads(seen * self.c_attn[:, None, None]))

    def looks(self, x: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """How much each of x (N, T, W) looks at each key: (N, T, S), the mean over the heads."""
        return (self.queries(x) @ keys.mT * self.scale + bias).softmax(-1).mean(1)


class _Layer(nn.Module):
    """What both kinds of layer have: a look at their own kind, and a feed-forward half."""

    def __init__(self, config: OfaConfig, heads: int, inner: int) -> None:
        super().__init__()
        self.width, self.heads, self.config = config.d_model, heads, config
        self.self_attn, self.self_attn_layer_norm, self.self_attn_mid_layer_norm = self._look()
        self.final_layer_norm = nn.LayerNorm(self.width)
        self.fc1, self.fc2 = nn.Linear(self.width, inner), nn.Linear(inner, self.width)
        self.ffn_layer_norm = nn.LayerNorm(inner) if config.normformer else nn.Identity()

    def _look(self) -> tuple[Attention, nn.Module, nn.Module]:
        after = nn.LayerNorm(self.width) if self.config.normformer else nn.Identity()
        return Attention(self.width, self.heads, self.config.attn_scale_factor), nn.LayerNorm(self.width), after

    def feed_forward(self, x: Tensor) -> Tensor:
        """(N, T, W) -> (N, T, W)."""
        x = x + self.fc2(self.ffn_layer_norm(F.gelu(self.fc1(self.final_layer_norm(x)))))
        # The authors' guard: half precision ends at 65504, and an infinite value would make all that follows NaN.
        return x.clamp(-HALF_LIMIT, HALF_LIMIT) if x.dtype == torch.float16 else x


class EncoderLayer(_Layer):
    """Every token of picture and question looks at all of them."""

    def __init__(self, config: OfaConfig) -> None:
        super().__init__(config, config.encoder_attention_heads, config.encoder_ffn_dim)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (N, S, W), bias (1, H, S, S) -> (N, S, W)."""
        normed = self.self_attn_layer_norm(x)
        seen = self.self_attn(normed, self.self_attn.remember(normed), bias)
        return self.feed_forward(x + self.self_attn_mid_layer_norm(seen))


class DecoderLayer(_Layer):
    """Every word looks at those before it, then at picture and question."""

    def __init__(self, config: OfaConfig) -> None:
        super().__init__(config, config.decoder_attention_heads, config.decoder_ffn_dim)
        self.cross_attn, self.cross_attn_layer_norm, self.cross_attn_mid_layer_norm = self._look()

    def forward(
        self,
        x: Tensor,
        remembered: KeysValues,
        biases: tuple[Tensor, Tensor],
        cache: TreeCache | None,
        layer: int,
        looks: list[Tensor] | None,
    ) -> Tensor:
        """x (N, T, W), keys and values of the encoder's states, biases towards words and states -> (N, T, W).

        The keys of the words come from the cache, if there is one, which keeps the new ones as those of `layer`.
        """
        normed = self.self_attn_layer_norm(x)
        words = self.self_attn.remember(normed)
        words = cache.write(layer, *words) if cache is not None else words
        x = x + self.self_attn_mid_layer_norm(self.self_attn(normed, words, biases[0]))
        normed = self.cross_attn_layer_norm(x)
        if looks is not None:
            looks.append(self.cross_attn.looks(normed, remembered[0], biases[1]))
        x = x + self.cross_attn_mid_layer_norm(self.cross_attn(normed, remembered, biases[1]))
        return self.feed_forward(x)


class Tables(nn.ModuleList):
    """For each layer, a learned bias per head for each bucket of relative positions."""

    def __init__(self, layers: int, buckets: int, heads: int) -> None:
        super().__init__(nn.Embedding(buckets, heads) for _ in range(layers))

    def bias(self, layer: int, buckets: Tensor) -> Tensor:
        """Buckets (T, S) int64 -> biases (H, T, S)."""
        return self[layer](buckets.to(self[layer].weight.device)).permute(2, 0, 1)


def norm(width: int, there: bool) -> nn.Module:
    """A layer norm, or nothing."""
    return nn.LayerNorm(width) if there else nn.Identity()

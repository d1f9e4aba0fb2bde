"""OFA's decoder: words, each of which has seen those before it, the picture and the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.decoding.blocks import split_heads
from models.decoding.cache import TreeCache
from models.ofa.config import OfaConfig
from models.ofa.layers import DecoderLayer, KeysValues, Tables, norm
from models.ofa.positions import token_buckets


@dataclass(frozen=True)
class Biases:
    """How much words of a text want to look at places, whatever is there: `words` (layers, H, T, T) towards each other,
    `states` (H, T, S) towards what the encoder saw."""

    words: Tensor
    states: Tensor


class Decoder(nn.Module):
    """The layers; the vectors of the vocabulary belong to the encoder."""

    def __init__(self, config: OfaConfig) -> None:
        super().__init__()
        width, heads, layers = config.d_model, config.decoder_attention_heads, config.decoder_layers
        self.width, self.heads, self.bucket_size = width, heads, config.token_bucket_size
        self.layernorm_embedding = norm(width, config.layernorm_embedding)
        self.embed_positions = nn.Embedding(config.max_position_embeddings + 2, width)
        self.pos_ln = nn.LayerNorm(width)
        self.self_pos_q_linear, self.self_pos_k_linear = nn.Linear(width, width), nn.Linear(width, width)
        self.cross_pos_q_linear, self.cross_pos_k_linear = nn.Linear(width, width), nn.Linear(width, width)
        self.pos_scaling = (width / heads * config.attn_scale_factor) ** -0.5
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)
        self.token_rel_pos_table_list = Tables(layers, 2 * config.token_bucket_size - 1, heads)

    def biases(self, length: int, places: Tensor) -> Biases:
        """For a text of `length` tokens over states that stand at `places` (S, W)."""
        mine = self.pos_ln(self.embed_positions.weight[:length])
        absolute = self._pairs(self.self_pos_q_linear(mine), self.self_pos_k_linear(mine))
        buckets = token_buckets(self.bucket_size, length)
        tables = self.token_rel_pos_table_list
        words = torch.stack([absolute + tables.bias(layer, buckets) for layer in range(len(tables))])
        return Biases(words, self._pairs(self.cross_pos_q_linear(mine), self.cross_pos_k_linear(places)))

    def remember(self, states: Tensor) -> list[KeysValues]:
        """States (N, S, W) -> their keys and values in each layer."""
        return [tuple(part.contiguous() for part in layer.cross_attn.remember(states)) for layer in self.layers]

    def forward(
        self,
        x: Tensor,
        remembered: Sequence[KeysValues],
        words: Sequence[Tensor],
        states: Tensor,
        cache: TreeCache | None = None,
        looks: list[Tensor] | None = None,
    ) -> Tensor:
        """Vectors of tokens (N, T, W) -> hidden states (N, T, W).

        `words`: of each layer, the bias towards words that fits (N, H, T, T) or, with a cache, all that it holds;
        minus infinity where they must not be seen. `states`: the bias towards the encoder's, (1, H, T, S) or
        (1, H, 1, S). `looks` gathers, per layer, where each token looks: (N, T, S), the mean over the heads.
        """
        x = self.layernorm_embedding(x)
        for number, layer in enumerate(self.layers):
            x = layer(x, remembered[number], (words[number], states), cache, number, looks)
        return self.layer_norm(x)

    def _pairs(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(T, W) and (S, W) -> (H, T, S)."""
        ours, theirs = (split_heads(part[None], self.heads)[0] for part in (queries, keys))
        return ours * self.pos_scaling @ theirs.mT

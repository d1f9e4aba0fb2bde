"""OFA's encoder: a picture's patches and the words of a question, in that order."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from models.decoding.blocks import split_heads
from models.ofa.config import DEPTHS, OfaConfig
from models.ofa.layers import EncoderLayer, Tables, norm
from models.ofa.positions import picture_buckets, picture_places, token_buckets

PATCH, CHANNELS = 16, 1024  # pixels a patch is wide, and what the ResNet says of it
STAGES = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")


def make_eye(depths: tuple[int, int, int]) -> nn.Sequential:
    """The first three stages of a ResNet (He et al. 2016) with bottlenecks: (N, 3, H, W) -> (N, 1024, H/16, W/16)."""
    from torchvision.models.resnet import Bottleneck, ResNet
    from torchvision.ops import FrozenBatchNorm2d

    whole = ResNet(Bottleneck, [*depths, 1], norm_layer=FrozenBatchNorm2d)
    return nn.Sequential(OrderedDict((name, getattr(whole, name)) for name in STAGES))


class Encoder(nn.Module):
    """`embed_tokens` are the vectors of the vocabulary, for the decoder as well."""

    def __init__(self, config: OfaConfig) -> None:
        super().__init__()
        width, heads, layers = config.d_model, config.encoder_attention_heads, config.encoder_layers
        self.config, self.heads = config, heads
        self.embed_tokens = nn.Embedding(config.vocab_size, width)
        self.layernorm_embedding = norm(width, config.layernorm_embedding)
        self.type_embedding = nn.Embedding(2, width) if config.add_type_embedding else None
        self.embed_images = make_eye(DEPTHS[config.resnet_type])
        self.image_proj = nn.Linear(CHANNELS, width)
        self.patch_layernorm_embedding = norm(width, config.patch_layernorm_embedding)
        self.embed_positions = nn.Embedding(config.max_position_embeddings + 2, width)
        self.embed_image_positions = nn.Embedding(config.image_bucket_size**2 + 1, width)
        self.pos_ln, self.image_pos_ln = nn.LayerNorm(width), nn.LayerNorm(width)
        self.pos_q_linear, self.pos_k_linear = nn.Linear(width, width), nn.Linear(width, width)
        self.pos_scaling = (width / heads * config.attn_scale_factor) ** -0.5
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)
        self.token_rel_pos_table_list = Tables(layers, 2 * config.token_bucket_size - 1, heads)
        # Three more than offsets of patches: for the beginning of a picture that is being written.
        self.image_rel_pos_table_list = Tables(layers, (2 * config.image_bucket_size - 1) ** 2 + 3, heads)

    @property
    def scale(self) -> float:
        """What the vectors of words and patches are multiplied by."""
        return self.config.d_model**0.5 if self.config.scale_embedding else 1.0

    def forward(self, pixels: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (N, 3, H, W) in [-1, 1] and tokens (T,) int64 -> states (N, S, W), and the vectors of the places
        where they stand (S, W). The patches come first, row by row, then the words."""
        patches = self.embed_images(pixels)
        rows, columns = patches.shape[-2:]
        x = torch.cat([self._embed_patches(patches), self._embed_words(question).expand(len(pixels), -1, -1)], 1)
        places = self.places(rows, columns, len(question))
        bias = self._absolute(places)
        for number, layer in enumerate(self.layers):
            x = layer(x, self._bias(number, bias, rows, columns))
        return self.layer_norm(x), places

    def places(self, rows: int, columns: int, words: int) -> Tensor:
        """Vectors of the places of a picture's patches and a question's words, (S, W)."""
        device = self.embed_positions.weight.device
        patches = picture_places(self.config.image_bucket_size, rows, columns).to(device)
        return torch.cat(
            [
                self.image_pos_ln(self.embed_image_positions(patches)),
                self.pos_ln(self.embed_positions.weight[:words]),
            ]
        )

    def _embed_words(self, tokens: Tensor) -> Tensor:
        x = self.scale * self.embed_tokens(tokens)
        return self.layernorm_embedding(x if self.type_embedding is None else x + self.type_embedding.weight[0])

    def _embed_patches(self, patches: Tensor) -> Tensor:
        x = self.scale * self.image_proj(patches.flatten(2).mT)
        return self.patch_layernorm_embedding(x if self.type_embedding is None else x + self.type_embedding.weight[1])

    def _absolute(self, places: Tensor) -> Tensor:
        """How much places (S, W) want to look at each other, (1, H, S, S)."""
        queries, keys = (split_heads(part(places)[None], self.heads) for part in (self.pos_q_linear, self.pos_k_linear))
        return queries * self.pos_scaling @ keys.mT

    def _bias(self, layer: int, absolute: Tensor, rows: int, columns: int) -> Tensor:
        """With what patches owe to their offsets, and words to their distances."""
        bias, count, config = absolute.clone(), rows * columns, self.config
        patches = picture_buckets(config.image_bucket_size, rows, columns)
        words = token_buckets(config.token_bucket_size, absolute.shape[-1] - count)
        bias[0, :, :count, :count] += self.image_rel_pos_table_list.bias(layer, patches)
        bias[0, :, count:, count:] += self.token_rel_pos_table_list.bias(layer, words)
        return bias

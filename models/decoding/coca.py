"""CoCa's two decoders (Yu et al. 2022, section 3.2) over open_clip's weights, with everything that can be kept kept.

open_clip runs both over the whole sentence for every token and computes the keys and values of the picture's tokens
anew in each layer. The class token that it appends to the text stands last, so under the causal mask no word ever sees
it, and it is left out here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.decoding.blocks import Block, CrossBlock
from models.decoding.cache import TreeCache
from models.decoding.gpt2 import vocabulary_logits


class CocaDecoder(nn.Module):
    """Words from a picture's tokens. `width`: of a token's vector; `positions`: the longest text, start included."""

    def __init__(self, coca: Any) -> None:
        """`coca`: an open_clip `CoCa`, whose weights are shared where their layout is the same."""
        super().__init__()
        text, decoder = coca.text, coca.text_decoder
        self.words, self.places = text.token_embedding, text.positional_embedding
        self.heads = text.transformer.resblocks[0].attn.num_heads
        self.vocabulary, self.width = self.words.weight.shape
        self.positions = min(len(self.places) - (text.cls_emb is not None), decoder.context_length)
        self.text_blocks = nn.ModuleList(_block(block) for block in text.transformer.resblocks)
        self.blocks = nn.ModuleList(_block(block) for block in decoder.resblocks)
        self.cross_blocks = nn.ModuleList(_cross_block(block) for block in decoder.cross_attn)
        self.norm = decoder.ln_final
        self.head = nn.Parameter(decoder.text_projection.detach().T, requires_grad=False)  # (V, W), a view
        self.requires_grad_(False).eval()

    def remember(self, picture: Tensor) -> list[tuple[Tensor, Tensor]]:
        """A picture's tokens (N, S, W) -> keys and values of each cross-attention layer."""
        return [block.remember(picture) for block in self.cross_blocks]

    def embed(self, tokens: Tensor, position: int = 0) -> Tensor:
        """Tokens (N, T) int64, the first of them at `position` -> (N, T, W)."""
        return self.words(tokens) + self.places[position : position + tokens.shape[1]]

    def hidden(
        self,
        x: Tensor,
        remembered: list[tuple[Tensor, Tensor]],
        cache: TreeCache | None = None,
        mask: Tensor | None = None,
        looks: list[Tensor] | None = None,
    ) -> Tensor:
        """Embedded tokens (N, T, W) -> hidden states (N, T, W). `looks` gathers, per layer, where each token looks:
        (N, T, S), the mean over the heads."""
        for layer, block in enumerate(self.text_blocks):
            x = block(x, cache, layer, mask)
        for layer, (block, cross) in enumerate(zip(self.blocks, self.cross_blocks, strict=True)):
            x = block(x, cache, len(self.text_blocks) + layer, mask)
            if looks is not None:
                keys = remembered[layer][0]
                looks.append((cross.queries(x) @ keys.mT * keys.shape[-1] ** -0.5).softmax(-1).mean(1))
            x = cross(x, remembered[layer])
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., W) -> logits (..., V) float32 of the token that follows."""
        return vocabulary_logits(hidden, self.head)

    def forward(self, picture: Tensor, tokens: Tensor) -> Tensor:
        """A picture's tokens (N, S, W) and a text (N, T) -> logits (N, T, V), nothing kept."""
        return self.logits(self.hidden(self.embed(tokens), self.remember(picture)))

    def looks(self, picture: Tensor, tokens: Tensor) -> Tensor:
        """How much each token of a text (N, T) looks at each of the picture's tokens (N, S, W): (N, T, S), rows sum to
        1; the mean over heads and layers."""
        looks: list[Tensor] = []
        self.hidden(self.embed(tokens), self.remember(picture), looks=looks)
        return torch.stack(looks).mean(0).float()

    def begin(self, picture: Tensor, opening: Tensor, beams: int, steps: int) -> CocaContinuation:
        """Continue the tokens `opening` (T,) by up to `steps` in `beams` hypotheses for each picture (N, S, W)."""
        return CocaContinuation(self, picture, opening, beams, steps)


class CocaContinuation:
    """See `models.decoding.search.Continuation`."""

    def __init__(self, model: CocaDecoder, picture: Tensor, opening: Tensor, beams: int, steps: int) -> None:
        self.model, self.position = model, len(opening)
        self.opening = opening.expand(len(picture), -1)
        self.remembered = model.remember(picture)
        size = len(opening) + beams * max(steps - 1, 0)
        like = picture.new_empty(model.width // model.heads)
        layers = len(model.text_blocks) + len(model.blocks)
        self.cache = TreeCache(layers, len(picture), beams, model.heads, size, like)

    def first(self) -> Tensor:
        """Logits (N, V) of the first token."""
        hidden = self.model.hidden(self.model.embed(self.opening), self.remembered, self.cache)
        self.cache.begin(self.position)
        return self.model.logits(hidden[:, -1])

    def next(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Logits (N, B, V) after hypothesis b, which is `source[:, b]` continued by `tokens[:, b]`."""
        mask = self.cache.branch(source)
        # The beams of a picture stand where the words of one text would, yet all at the same position.
        x = self.model.words(tokens) + self.model.places[self.position]
        hidden = self.model.hidden(x, self.remembered, self.cache, mask)
        self.cache.advance()
        self.position += 1
        return self.model.logits(hidden)

    def keep(self, pictures: Tensor) -> None:
        """Forget all pictures but these, (K,) int64."""
        self.cache.keep(pictures)
        self.remembered = [(keys[pictures], values[pictures]) for keys, values in self.remembered]


def _share(ours: nn.Module, weight: Tensor, bias: Tensor) -> None:
    ours.weight = nn.Parameter(weight.detach(), requires_grad=False)
    ours.bias = nn.Parameter(bias.detach(), requires_grad=False)


def _fill(ours: Block | CrossBlock, theirs: Any) -> None:
    """All but the queries, keys and values."""
    _share(ours.norm_1, theirs.ln_1.weight, theirs.ln_1.bias)
    _share(ours.norm_2, theirs.ln_2.weight, theirs.ln_2.bias)
    _share(ours.widen, theirs.mlp.c_fc.weight, theirs.mlp.c_fc.bias)
    ends = ((ours.out, theirs.attn.out_proj, theirs.ls_1), (ours.narrow, theirs.mlp.c_proj, theirs.ls_2))
    for layer, source, scale in ends:
        weight, bias, gain = source.weight, source.bias, getattr(scale, "gamma", None)  # LayerScale, where there is one
        if gain is not None:
            weight, bias = weight * gain[:, None], bias * gain
        _share(layer, weight, bias)


def _sizes(theirs: Any) -> tuple[int, int, int, Any, float]:
    return (
        theirs.attn.embed_dim, theirs.attn.num_heads, theirs.mlp.c_fc.out_features, theirs.mlp.gelu, theirs.ln_1.eps,
    )  # fmt: skip


def _block(theirs: Any) -> Block:
    with torch.device("meta"):
        ours = Block(*_sizes(theirs))
    _fill(ours, theirs)
    _share(ours.look, theirs.attn.in_proj_weight, theirs.attn.in_proj_bias)
    return ours


def _cross_block(theirs: Any) -> CrossBlock:
    with torch.device("meta"):
        ours = CrossBlock(*_sizes(theirs))
    _fill(ours, theirs)
    _share(ours.norm_picture, theirs.ln_1_kv.weight, theirs.ln_1_kv.bias)
    width = ours.look.in_features
    _share(ours.look, theirs.attn.in_proj_weight[:width], theirs.attn.in_proj_bias[:width])
    _share(ours.picture, theirs.attn.in_proj_weight[width:], theirs.attn.in_proj_bias[width:])
    return ours

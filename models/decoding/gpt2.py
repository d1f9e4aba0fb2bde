"""GPT-2 (Radford et al. 2019) over its published weights, for sequences that begin with vectors and not with words.

Not transformers' class: that copies all keys for every change of beams, repeats the prefix per beam and concatenates
at each step. Over the same weights this one took 0.86 of its time for eight pictures and 67 tokens (GPT-2 small, five
beams, one thread), nine tenths of it in products with the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.decoding.blocks import Block
from models.decoding.cache import TreeCache

FEW_ROWS = 8  # up to so many, the vocabulary's matrix is read faster as the left factor
# By the names of GPT-2's configs; "gelu_new" is the published one.
ACTIVATIONS = {
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "tanh": torch.tanh,
}
# Ours, and what it is called in a layer of the published checkpoints. Theirs are (in, out), ours (out, in).
_NAMES = {"norm_1": "ln_1", "look": "attn.c_attn", "out": "attn.c_proj", "norm_2": "ln_2"}
_NAMES |= {"widen": "mlp.c_fc", "narrow": "mlp.c_proj"}


def vocabulary_logits(x: Tensor, weight: Tensor) -> Tensor:
    """x (..., W) and a vocabulary's vectors (V, W) -> logits (..., V) float32."""
    rows = x.flatten(0, -2)
    if x.device.type == "cpu" and len(rows) <= FEW_ROWS and not torch.is_grad_enabled():
        logits = (weight @ rows.T).T.float().contiguous()
    else:
        logits = F.linear(rows, weight).float()
    return logits.view(*x.shape[:-1], len(weight))


class Gpt2(nn.Module):
    """The language model. `width`: of a token's vector; `positions`: the longest sequence; `vocabulary`: tokens."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """`config`: the content of a GPT-2's config.json. Raises KeyError for an activation that is not known."""
        super().__init__()
        self.width, self.positions = config["n_embd"], config["n_positions"]
        self.vocabulary, self.heads = config["vocab_size"], config["n_head"]
        self.words = nn.Embedding(self.vocabulary, self.width)
        self.places = nn.Embedding(self.positions, self.width)
        inner, eps = config.get("n_inner") or 4 * self.width, config.get("layer_norm_epsilon", 1e-5)
        activation = ACTIVATIONS[config.get("activation_function", "gelu_new")]
        self.blocks = nn.ModuleList(
            Block(self.width, self.heads, inner, activation, eps, self._scale(config, layer))
            for layer in range(config["n_layer"])
        )
        self.norm = nn.LayerNorm(self.width, eps)
        self.head = self.words.weight  # tied, unless the checkpoint says otherwise

    def _scale(self, config: Mapping[str, Any], layer: int) -> float:
        scale = (self.width // self.heads) ** -0.5 if config.get("scale_attn_weights", True) else 1.0
        return scale / (layer + 1) if config.get("scale_attn_by_inverse_layer_idx") else scale

    @classmethod
    def from_state(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Gpt2:
        """From weights by their published names, "transformer.wte.weight" and so on, whose shapes fit `config`."""
        with torch.device("meta"):
            model = cls(config)
        ours = {"words.weight": state["transformer.wte.weight"], "places.weight": state["transformer.wpe.weight"]}
        ours |= {f"norm.{part}": state[f"transformer.ln_f.{part}"] for part in ("weight", "bias")}
        for layer in range(config["n_layer"]):
            for name, theirs in _NAMES.items():
                weight, bias = (state[f"transformer.h.{layer}.{theirs}.{part}"] for part in ("weight", "bias"))
                # A view: on CPUs a product with a few rows is quicker in the published order of the values.
                ours[f"blocks.{layer}.{name}.weight"] = weight.T if weight.ndim == 2 else weight
                ours[f"blocks.{layer}.{name}.bias"] = bias
        head = state.get("lm_head.weight")
        tied = head is None or torch.equal(head, ours["words.weight"])
        ours["head"] = ours["words.weight"] if tied else head
        model.load_state_dict(ours, assign=True)
        if tied:
            model.head = model.words.weight
        return model.requires_grad_(False).eval()

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (..., T) int64 -> their vectors (..., T, W), without the positions'."""
        return self.words(tokens)

    def forward(self, vectors: Tensor, cache: TreeCache | None = None) -> Tensor:
        """A beginning (N, T, W), its first at position 0 -> hidden states (N, T, W); gradients flow."""
        x = vectors + self.places.weight[: vectors.shape[1]]
        for layer, block in enumerate(self.blocks):
            x = block(x, cache, layer)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., W) -> logits (..., V) float32 of the token that follows."""
        return vocabulary_logits(hidden, self.head)

    def begin(self, vectors: Tensor, beams: int, steps: int) -> Gpt2Continuation:
        """Continue (N, P, W) by up to `steps` tokens in `beams` hypotheses a picture."""
        return Gpt2Continuation(self, vectors, beams, steps)


class Gpt2Continuation:
    """See `models.decoding.search.Continuation`."""

    def __init__(self, model: Gpt2, vectors: Tensor, beams: int, steps: int) -> None:
        self.model, self.vectors, self.position = model, vectors, vectors.shape[1]
        pictures, prefix, width = vectors.shape
        size = prefix + beams * max(steps - 1, 0)  # the last token is not continued
        like = vectors.new_empty(width // model.heads)
        self.cache = TreeCache(len(model.blocks), pictures, beams, model.heads, size, like)

    def first(self) -> Tensor:
        """Logits (N, V) of the first token."""
        hidden = self.model(self.vectors, self.cache)
        self.cache.begin(self.position)
        return self.model.logits(hidden[:, -1])

    def next(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Logits (N, B, V) after hypothesis b, which is `source[:, b]` continued by `tokens[:, b]`."""
        mask = self.cache.branch(source)
        x = self.model.embed(tokens) + self.model.places.weight[self.position]
        for layer, block in enumerate(self.model.blocks):
            x = block(x, self.cache, layer, mask)
        self.cache.advance()
        self.position += 1
        return self.model.logits(self.model.norm(x))

    def keep(self, pictures: Tensor) -> None:
        """Forget all pictures but these, (K,) int64."""
        self.cache.keep(pictures)

"""What a published OFA's config.json says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from common.errors import ModelUnavailable

DEPTHS = {
    "resnet18": (2, 2, 2),
    "resnet34": (3, 4, 6),
    "resnet50": (3, 4, 6),
    "resnet101": (3, 4, 23),
    "resnet152": (3, 8, 36),
}
# Parts that every published checkpoint has this way. A variant with another would be read, and speak nonsense.
ALWAYS = {
    "activation_function": "gelu",
    "encoder_normalize_before": True,
    "decoder_normalize_before": True,
    "entangle_position_embedding": False,
    "share_decoder_input_output_embed": True,
    "share_attn_bias": False,
    "interpolate_position": False,
    "use_ofasys": False,
    "use_gamma_feature": False,
}


@dataclass(frozen=True)
class OfaConfig:
    """Sizes and parts of an OFA by the names of its config.json; those with a value here are optional there.

    `d_model`: width. `*_ffn_dim`: inner width of the feed-forward halves. `token_bucket_size` and `image_bucket_size`:
    how finely relative positions are told apart; a picture has at most `image_bucket_size` patches a side.
    """

    vocab_size: int
    d_model: int
    encoder_layers: int
    decoder_layers: int
    encoder_attention_heads: int
    decoder_attention_heads: int
    encoder_ffn_dim: int
    decoder_ffn_dim: int
    resnet_type: str
    max_position_embeddings: int = 1024
    token_bucket_size: int = 256
    image_bucket_size: int = 42
    attn_scale_factor: float = 2.0
    normformer: bool = True
    layernorm_embedding: bool = True
    patch_layernorm_embedding: bool = True
    add_type_embedding: bool = True
    scale_embedding: bool = False
    bos_token_id: int = 0
    pad_token_id: int = 1
    eos_token_id: int = 2

    @classmethod
    def read(cls, content: Any) -> OfaConfig:
        """From the content of a config.json. Raises ModelUnavailable, as the rest of a sentence that begins with the
        model's title, for another kind of model, a variant of OFA, and sizes that are missing or make no sense."""
        kind = content.get("model_type") if isinstance(content, Mapping) else None
        if kind != "ofa":
            raise ModelUnavailable(f"holds {'no model' if kind is None else f'a {kind}'}; it must be an ofa.")
        for name, value in ALWAYS.items():
            if content.get(name, value) != value:
                raise ModelUnavailable(f"is a variant of OFA with {name} {content[name]!r}; only {value!r} is known.")
        known = {field.name for field in fields(cls)}
        try:
            config = cls(**{name: value for name, value in content.items() if name in known})
        except TypeError:
            missing = [name for name in known if name not in content and not hasattr(cls, name)]
            raise ModelUnavailable(f"has a config.json without {', '.join(sorted(missing))}.") from None
        config._check()
        return config

    def _check(self) -> None:
        if self.resnet_type not in DEPTHS:
            raise ModelUnavailable(f"has resnet_type {self.resnet_type!r}; known are {', '.join(DEPTHS)}.")
        for field in fields(self):
            value, kind = getattr(self, field.name), str(field.type)
            fits = {"int": _is_whole, "float": _is_positive, "bool": lambda x: isinstance(x, bool), "str": bool}[kind]
            if not fits(value) or (value == 0 and kind == "int" and not field.name.endswith("_id")):
                raise ModelUnavailable(f"has {field.name} {value!r} in its config.json, which is no size of a network.")
        for side in ("encoder", "decoder"):
            heads = getattr(self, f"{side}_attention_heads")
            if self.d_model % heads:
                raise ModelUnavailable(f"has a width of {self.d_model}, which {heads} heads cannot share.")


def _is_whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_positive(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < float("inf")

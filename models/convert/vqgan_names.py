"""What the weights of a VQGAN are called in its original checkpoint, and what in a diffusers `VQModel`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

FIRST_STAGE = "first_stage_model."  # where transformers and diffusion models keep the VQGAN they work on
# What training leaves beside the weights: losses with their VGG and discriminator, running means, vocabularies.
TRAINING = re.compile(r"loss\.|model_ema\.|colorize$|quantize\.(used|embedding\.cluster_size|embedding\.embed_avg)$")
GUMBEL_CODES, GUMBEL_PROJECTION = "quantize.embed.weight", ("quantize.proj.weight", "quantize.proj.bias")
CODES = "quantize.embedding.weight"

_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original_name(name: str, levels: int) -> str:
    """The original's name of a weight of `VQModel`, such as "decoder.up_blocks.0.resnets.1.conv1.weight".

    The original numbers the decoder's levels as the encoder's, from the finest; diffusers in the order of use.
    """
    name = re.sub(r"^decoder\.up_blocks\.(\d+)", lambda match: f"decoder.up.{levels - 1 - int(match[1])}", name)
    name = re.sub(r"^encoder\.down_blocks\.", "encoder.down.", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", name)
    name = re.sub(r"mid_block\.attentions\.0\.", "mid.attn_1.", name)
    name = name.replace(".resnets.", ".block.").replace(".attentions.", ".attn.")
    name = name.replace(".downsamplers.0.", ".downsample.").replace(".upsamplers.0.", ".upsample.")
    name = name.replace(".conv_shortcut.", ".nin_shortcut.").replace(".conv_norm_out.", ".norm_out.")
    if ".attn" in name:
        name = re.sub(
            rf"\.({'|'.join(map(re.escape, _ATTENTION))})\.(weight|bias)$",
            lambda match: f".{_ATTENTION[match[1]]}.{match[2]}",
            name,
        )
    return name


def vqgan_names(names: Iterable[str]) -> dict[str, str]:
    """Of a checkpoint's names those that are the VQGAN's weights: their name inside the VQGAN -> in the checkpoint."""
    names = list(names)
    prefix = FIRST_STAGE if any(name.startswith(FIRST_STAGE) for name in names) else ""
    inside = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    return {name: full for name, full in inside.items() if not TRAINING.match(name)}


def is_gumbel(names: Mapping[str, str]) -> bool:
    """True for a VQGAN that chooses codes by a learned projection (Gumbel softmax) and not by distance."""
    return GUMBEL_CODES in names


def listed(names: Iterable[str], most: int = 4) -> str:
    """Names for a sentence: the first few, and how many more."""
    names = sorted(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest

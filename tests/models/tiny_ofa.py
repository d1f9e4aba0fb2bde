"""A small OFA with made-up weights in the layout of the published checkpoints, written from its description."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.convert_slow_tokenizer import bytes_to_unicode

WIDTH, INNER, HEADS, LAYERS, SQUARE, BUCKETS = 16, 32, 2, 2, 16, 256
WORDS = ["a", "red", "car", "blue", "dog", "what", "does", "the", "image", "describe"]
FIRST = ["<s>", "<pad>", "</s>", "<unk>"]
BLOCKS = (2, 2, 2)  # of the ResNet's stages


def config(vocabulary: int) -> dict[str, Any]:
    return {
        "model_type": "ofa",
        "architectures": ["OFAModel"],
        "vocab_size": vocabulary,
        "d_model": WIDTH,
        **{f"{side}_layers": LAYERS for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": HEADS for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": INNER for side in ("encoder", "decoder")},
        **{f"{side}_normalize_before": True for side in ("encoder", "decoder")},
        "resnet_type": "resnet18",
        "activation_function": "gelu",
        "max_position_embeddings": 1024,
        "token_bucket_size": BUCKETS,
        "image_bucket_size": SQUARE,
        "attn_scale_factor": 2.0,
        "normformer": True,
        "layernorm_embedding": True,
        "patch_layernorm_embedding": True,
        "code_layernorm_embedding": True,
        "add_type_embedding": True,
        "scale_embedding": False,
        "share_decoder_input_output_embed": True,
        "entangle_position_embedding": False,
        "code_image_size": 128,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 0,
        "use_cache": False,
    }


def vocabulary() -> tuple[dict[str, int], list[str]]:
    """The tokens that a published vocab.json has, in small, and the merges; codes follow only in the network."""
    pieces, merges = [*FIRST, *bytes_to_unicode().values()], []
    for word in WORDS:
        for end in range(1, len(word)):
            merges.append(f"{word[:end]} {word[end]}")
            pieces.append(word[: end + 1])
        merges.append(f"Ġ {word}")
        pieces.append(f"Ġ{word}")
    pieces = [*dict.fromkeys(pieces), "<mask>"]
    return {piece: number for number, piece in enumerate(pieces)}, list(dict.fromkeys(merges))


def save_ofa(folder: Path, codes: int = 40) -> dict[str, Tensor]:
    """The four published files; returns what the weights are."""
    folder.mkdir(parents=True, exist_ok=True)
    words, merges = vocabulary()
    said = config(len(words) + codes)
    state = published_state(said["vocab_size"])
    (folder / "config.json").write_text(json.dumps(said))
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    torch.save(state, folder / "pytorch_model.bin")
    return state


def published_state(words: int) -> dict[str, Tensor]:
    """Every tensor of a published file, the tied ones shared."""
    state = {name: made_up(name, shape) for name, shape in _shapes(words).items()}
    for name in ("decoder.embed_tokens.weight", "decoder.output_projection.weight"):
        state[name] = state["encoder.embed_tokens.weight"]
    window = torch.tensor([0] + [row * SQUARE + column + 1 for row in range(16) for column in range(16)])
    state["decoder.image_position_idx"] = torch.cat([window, torch.full((768,), 1024)])
    for side in ("encoder", "decoder"):
        state[f"{side}.token_rp_bucket"] = torch.from_numpy(_token_buckets())
        state[f"{side}.image_rp_bucket"] = torch.from_numpy(_image_buckets())
    for name in [name for name in state if name.endswith("running_mean")]:
        state[name.replace("running_mean", "num_batches_tracked")] = torch.tensor(1234)
    return state


def bucket(distance: int) -> int:
    """Of a distance between words, in the published tables of 2 · 256 - 1 rows."""
    near = BUCKETS // 2
    if abs(distance) <= near:
        return distance + BUCKETS - 1
    step = math.ceil(math.log(abs(distance) / near) / math.log(1023 / near) * (near - 1) - 1e-9)
    return int(math.copysign(near + step, distance)) + BUCKETS - 1


def _shapes(words: int) -> dict[str, tuple[int, ...]]:
    square = (WIDTH, WIDTH)
    shapes: dict[str, tuple[int, ...]] = {"encoder.embed_tokens.weight": (words, WIDTH)}
    shapes |= {"encoder.type_embedding.weight": (2, WIDTH), **_pair("encoder.image_proj", (WIDTH, 1024))}
    norms = {"encoder": ("layernorm_embedding", "patch_layernorm_embedding", "pos_ln", "image_pos_ln", "layer_norm")}
    norms["decoder"] = ("layernorm_embedding", "code_layernorm_embedding", "pos_ln", "image_pos_ln", "layer_norm")
    linears = {"encoder": ("pos_q_linear", "pos_k_linear")}
    linears["decoder"] = tuple(f"{kind}_pos_{part}_linear" for kind in ("self", "cross") for part in "qk")
    for side in ("encoder", "decoder"):
        shapes |= {f"{side}.embed_positions.weight": (1026, WIDTH)}
        shapes |= {f"{side}.embed_image_positions.weight": (SQUARE**2 + 1, WIDTH)}
        for name in norms[side]:
            shapes |= _pair(f"{side}.{name}", (WIDTH,))
        for name in linears[side]:
            shapes |= _pair(f"{side}.{name}", square)
        for layer in range(LAYERS):
            shapes |= {f"{side}.token_rel_pos_table_list.{layer}.weight": (2 * BUCKETS - 1, HEADS)}
            shapes |= {f"{side}.image_rel_pos_table_list.{layer}.weight": ((2 * SQUARE - 1) ** 2 + 3, HEADS)}
            shapes |= _layer(f"{side}.layers.{layer}", ["self_attn"] + ["cross_attn"] * (side == "decoder"))
    return shapes | _resnet("encoder.embed_images")


def _layer(name: str, looks: list[str]) -> dict[str, tuple[int, ...]]:
    shapes = {**_pair(f"{name}.fc1", (INNER, WIDTH)), **_pair(f"{name}.fc2", (WIDTH, INNER))}
    shapes |= {**_pair(f"{name}.ffn_layer_norm", (INNER,)), **_pair(f"{name}.final_layer_norm", (WIDTH,))}
    for look in looks:
        shapes |= {f"{name}.{look}.c_attn": (HEADS,)}
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes |= _pair(f"{name}.{look}.{part}", (WIDTH, WIDTH))
        for part in ("layer_norm", "mid_layer_norm"):
            shapes |= _pair(f"{name}.{look}_{part}", (WIDTH,))
    return shapes


def _resnet(name: str) -> dict[str, tuple[int, ...]]:
    shapes = {f"{name}.conv1.weight": (64, 3, 7, 7), **_batch_norm(f"{name}.bn1", 64)}
    before = 64
    for stage, blocks in enumerate(BLOCKS):
        inner = 64 * 2**stage
        for number in range(blocks):
            block = f"{name}.layer{stage + 1}.{number}"
            sides = ((inner, before, 1), (inner, inner, 3), (4 * inner, inner, 1))
            for part, (out, into, size) in enumerate(sides, 1):
                shapes |= {f"{block}.conv{part}.weight": (out, into, size, size)}
                shapes |= _batch_norm(f"{block}.bn{part}", out)
            if number == 0:
                shapes |= {f"{block}.downsample.0.weight": (4 * inner, before, 1, 1)}
                shapes |= _batch_norm(f"{block}.downsample.1", 4 * inner)
            before = 4 * inner
    return shapes


def _pair(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _batch_norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")}


def made_up(name: str, shape: tuple[int, ...]) -> Tensor:
    """The same on every machine and in every version: mixed-up counting, in [-1, 1) before it is scaled."""
    x = np.arange(math.prod(shape), dtype=np.uint32) + np.uint32(zlib.crc32(name.encode()))
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    drawn = torch.from_numpy(x.astype(np.float64) / 2**31 - 1).float().view(shape)
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith(("weight", "c_attn"))):
        return 1 + 0.5 * drawn  # of norms and heads
    if len(shape) == 1:
        return 0.3 * drawn
    if len(shape) == 4:  # of the ResNet, such that its maps differ from picture to picture
        drawn = 2.5 * (drawn - drawn.mean(1, keepdim=True) if shape[1] > 3 else drawn)
    elif "table" in name or "embed_" in name:
        return 1.5 * drawn
    return drawn * (3 / math.prod(shape[1:])) ** 0.5


def _token_buckets() -> np.ndarray:
    line = np.array([bucket(distance) for distance in range(-1023, 1024)])
    places = np.arange(1024)
    return line[places[:, None] - places[None, :] + 1023]


def _image_buckets() -> np.ndarray:
    """Of a square's places, and of the one before it, which has three rows of its own at the table's end."""
    count, side = (2 * SQUARE - 1) ** 2 + 3, 2 * SQUARE - 1
    whole = np.zeros((SQUARE**2 + 1,) * 2, dtype=np.int64)
    places = np.arange(SQUARE**2)
    down = places[:, None] // SQUARE - places[None, :] // SQUARE + SQUARE - 1
    right = places[:, None] % SQUARE - places[None, :] % SQUARE + SQUARE - 1
    whole[1:, 1:] = down * side + right
    whole[0], whole[:, 0], whole[0, 0] = count - 3, count - 2, count - 1
    return whole

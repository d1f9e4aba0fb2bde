"""A published OFA from its folder: config.json, the weights, vocab.json and merges.txt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch

from common.errors import BadRequest, ModelUnavailable
from models.convert.checkpoint import Checkpoint, open_checkpoint
from models.ofa.config import OfaConfig
from models.ofa.network import Ofa

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
VOCABULARY = "encoder.embed_tokens.weight"
TIED = (VOCABULARY, "decoder.embed_tokens.weight", "decoder.output_projection.weight")
# In the published files, and of no use for captions: numbers that follow from the config, counters of the training,
# and what a decoder needs that writes pictures.
UNUSED = (
    "*.token_rp_bucket",
    "*.image_rp_bucket",
    "*.num_batches_tracked",
    "decoder.image_position_idx",
    "decoder.embed_image_positions.weight",
    "decoder.image_pos_ln.*",
    "decoder.code_layernorm_embedding.*",
    "decoder.image_rel_pos_table_list.*",
)


def load_network(folder: Path, dtype: torch.dtype) -> Ofa:
    """The network in `folder`, in `dtype`. Raises ModelUnavailable, as the rest of a sentence that begins with the
    model's title, for a checkpoint that is damaged, incomplete or of another network."""
    config = OfaConfig.read(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise ModelUnavailable(f"has no weights: there must be {' or '.join(WEIGHTS)}.")
    with torch.device("meta"):
        model = Ofa(config)
    try:
        with open_checkpoint(path) as checkpoint:
            names = _names(model, checkpoint)
            state = {name: checkpoint.read(source).to(dtype) for name, source in names.items()}
    except BadRequest as error:
        raise ModelUnavailable(f"could not be read. {error}") from error
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def _names(model: Ofa, checkpoint: Checkpoint) -> dict[str, str]:
    """For each tensor of the model, its name in the checkpoint. Raises ModelUnavailable for any that do not fit."""
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    there: Mapping[str, Any] = checkpoint.shapes
    names = {name: name for name in shapes}
    names[VOCABULARY] = next((name for name in TIED if name in there), VOCABULARY)
    missing = [name for name in names.values() if name not in there]
    if missing:
        raise ModelUnavailable(f"lacks {_some(missing)} among its weights, so they are not complete.")
    known = {*names, *TIED}
    more = [name for name in there if name not in known and not any(fnmatch(name, each) for each in UNUSED)]
    if more:
        raise ModelUnavailable(f"has {_some(more)} among its weights, which its config.json does not tell of.")
    wanted = {source: shapes[name] for name, source in names.items()}
    wanted |= {name: shapes[VOCABULARY] for name in TIED if name in there}
    for name, shape in wanted.items():
        if tuple(there[name]) != shape:
            raise ModelUnavailable(f"has {name} of shape {tuple(there[name])}; by its config.json it must be {shape}.")
    return names


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


def load_tokenizer(folder: Path, config: OfaConfig) -> Any:
    """A byte-level tokenizer of transformers from vocab.json and merges.txt. Raises ModelUnavailable, as above, for a
    vocabulary that does not fit the network."""
    from transformers import GPT2Tokenizer

    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    ends = {"<s>": config.bos_token_id, "<pad>": config.pad_token_id, "</s>": config.eos_token_id}
    for word, number in ends.items():
        if vocabulary.get(word) != number:
            raise ModelUnavailable(f"has {word} as number {vocabulary.get(word)} of its vocab.json and not {number}.")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))) or len(vocabulary) > config.vocab_size:
        raise ModelUnavailable(
            f"has a vocab.json of {len(vocabulary)} tokens that are not the first of its {config.vocab_size}."
        )
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return GPT2Tokenizer(vocab=vocabulary, merges=merges, **names)

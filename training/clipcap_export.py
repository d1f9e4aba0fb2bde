"""A trained captioner as a folder that the app reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from models.convert.clipcap import shards_of
from models.families.clipcap_model import CONFIG, make_config
from models.families.clipcap_shapes import read_plan
from training.caption_pairs import END

RERANKING = {"beams": 8, "weight": 30.0}  # see training/RESULTS.md

if TYPE_CHECKING:
    from training.caption_pairs import Pairs
    from training.clipcap import Captioner


def export(model: Captioner, pairs: Pairs, kind: str, clip: str, folder: Path) -> None:
    """Half-precision shards under 10 MB by the published names, config and tokenizer."""
    from safetensors.torch import save_file
    from transformers import PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    state = {name: value.half() for name, value in model.state_dict().items() if name != "gpt.lm_head.weight"}
    gpt2 = model.gpt.config.to_dict()
    plan = read_plan({name: tuple(value.shape) for name, value in state.items()}, gpt2)
    assert plan.kind == kind
    shards = list(shards_of(state))
    for number, shard in enumerate(shards, 1):
        path = folder / f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, path)
        path.chmod(0o644)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pairs.tokenizer, eos_token=END)
    tokenizer.save_pretrained(folder)
    config = make_config(
        plan,
        clip,
        True,
        gpt2,
        "its own",
        [pairs.tokenizer.token_to_id(END)],
        features="both",
        reranking=RERANKING,
        names=pairs.told(),
    )
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")

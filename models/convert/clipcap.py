"""A published ClipCap checkpoint as a folder that the app reads: config, safetensors shards, tokenizer, card.

Weights keep their published names. What old versions of transformers saved beside them, the causal masks of GPT-2's
layers, is dropped, and so is the output layer where it is the word vectors once more.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError, BadRequest
from common.hashing import sha256_file
from models.convert.checkpoint import open_checkpoint
from models.convert.clipcap_gpt2 import Gpt2Source, open_gpt2
from models.families.clipcap_model import CONFIG, make_config
from models.families.clipcap_shapes import GPT, MAPPER, ClipCapPlan, read_plan

if TYPE_CHECKING:
    from torch import Tensor

SHARD_BYTES = 9_000_000
MASKS = re.compile(r"\.attn\.(bias|masked_bias)$")
HEAD, WORDS = f"{GPT}lm_head.weight", f"{GPT}transformer.wte.weight"


def convert(checkpoint: Path, gpt2: str, clip: str, out: Path, normalise: bool | None = None) -> str:
    """Write the folder `out` from `checkpoint`; returns a sentence that says what it is.

    `gpt2`: a folder with GPT-2's config.json and tokenizer, or a repository of the hub such as "gpt2". `clip`: the
    ranker of the catalog whose vectors it was trained on; `normalise`: whether at unit length, which no shape tells
    (None: as published, yes for the Transformer mapper and no for the MLP).
    `out` must not exist or be empty; it appears when everything in it is written. Raises BadRequest, in one sentence,
    for files that are no ClipCap, contradict each other, are damaged or hostile, and AtelierError when it cannot write.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise BadRequest(f"There is something in {out.name} already; name a new folder with --out.")
    source = open_gpt2(gpt2)
    plan, weights = read_weights(checkpoint, source.config)
    unit = plan.kind == "transformer" if normalise is None else normalise
    config = make_config(plan, clip, unit, source.config, source.name, source.stop)
    try:
        _write(out, config, weights, source, {"checkpoint": checkpoint.name, "sha256": sha256_file(checkpoint)})
    except OSError as error:
        raise AtelierError(f"{out.name} could not be written: {error.strerror or type(error).__name__}.") from error
    lengths = "at unit length" if unit else "as they are"
    silent = "" if source.tokenizer else " It has no tokenizer, so it gives tokens and no words."
    return f"{out} is a ClipCap: {_sizes(plan)}, reading {clip}'s vectors {lengths}.{silent}"


def read_weights(checkpoint: Path, gpt2: Mapping[str, Any]) -> tuple[ClipCapPlan, dict[str, Tensor]]:
    """Sizes and weights of `checkpoint`, float32, by the published names; they fit each other and `gpt2`'s config."""
    import torch

    with open_checkpoint(checkpoint) as opened:
        names = {_published_name(name): name for name in opened.shapes}
        kept = {ours: name for ours, name in names.items() if ours.startswith((MAPPER, GPT)) and not MASKS.search(ours)}
        plan = read_plan({ours: opened.shapes[name] for ours, name in kept.items()}, gpt2)
        weights = {ours: opened.read(name) for ours, name in kept.items()}
    broken = sorted(name for name, values in weights.items() if not values.isfinite().all())
    if broken:
        raise BadRequest(f"{checkpoint.name} holds values that are not finite in {broken[0]}; it is damaged.")
    if HEAD in weights and torch.equal(weights[HEAD], weights[WORDS]):
        del weights[HEAD]
    return plan, weights


def _published_name(name: str) -> str:
    """The name that the original gives a weight: without wrappers, and a single linear layer as an MLP of one."""
    name = re.sub(r"^module\.", "", name)
    name = re.sub(r"^gpt2\.", GPT, name)
    return re.sub(rf"^{re.escape(MAPPER)}(weight|bias)$", rf"{MAPPER}model.0.\1", name)


def _write(
    out: Path, config: dict[str, Any], weights: dict[str, Tensor], source: Gpt2Source, origin: dict[str, str]
) -> None:
    from safetensors.torch import save_file

    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        shards = list(shards_of(weights))
        for number, shard in enumerate(shards, 1):
            save_file(shard, folder / f"model-{number:05d}-of-{len(shards):05d}.safetensors")
        if source.tokenizer is not None:
            source.tokenizer.save_pretrained(folder)  # which says of which class it is, as GPT-2's own files do not
        (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        (folder / "source.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(_card(out.name, config, origin), encoding="utf-8")
        for path in (folder, *folder.iterdir()):  # made for our eyes alone, unlike any other new file
            path.chmod(0o755 if path.is_dir() else 0o644)
        if out.exists():
            out.rmdir()  # it is empty, and not every system renames onto a folder
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shards_of(weights: Mapping[str, Tensor], most: int = SHARD_BYTES) -> Iterator[dict[str, Tensor]]:
    """The weights in files of at most `most` bytes; a single one that is larger has a file of its own."""
    shard: dict[str, Tensor] = {}
    size = 0
    for name, value in weights.items():
        if shard and size + value.nbytes > most:
            yield shard
            shard, size = {}, 0
        shard[name] = value.contiguous()
        size += value.nbytes
    yield shard


def _sizes(plan: ClipCapPlan) -> str:
    how = "Transformer" if plan.kind == "transformer" else "MLP"
    return f"{how} mapper, {plan.clip_size} values to a prefix of {plan.prefix} vectors of {plan.width}"


def _card(name: str, config: dict[str, Any], origin: dict[str, str]) -> str:
    mapper, unit = config["mapper"], "at unit length" if config["normalise"] else "at their own length"
    return f"""# {name}

A captioner: ClipCap (Mokady et al. 2021), converted from the published checkpoint.

- **Network**: {mapper["kind"]} mapper from CLIP vectors of {mapper["clip_size"]} values to \
{mapper["prefix_length"]} word vectors, and a GPT-2 of {config["gpt2"]["n_layer"]} layers, {config["gpt2"]["n_embd"]} \
wide. It reads the vectors of `{config["clip"]}` {unit}.
- **Source**: `{origin["checkpoint"]}`, SHA-256 `{origin["sha256"]}`; tokenizer of `{config["tokenizer"]}`.
- **Made by**: `python -m models.convert clipcap`; float32, nothing left out but GPT-2's causal masks.
- **Licence**: that of the source.
"""

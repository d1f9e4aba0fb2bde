"""A VQGAN of taming-transformers or latent-diffusion as a diffusers `VQModel` folder.

The network is the same in both; names and the shape of the attention's weights differ. A Gumbel VQGAN's projection,
which `VQModel` has no place for, is kept beside it in `projection.safetensors`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import AtelierError, BadRequest
from common.hashing import sha256_file
from models.convert.checkpoint import Checkpoint, open_checkpoint
from models.convert.vqgan_config import VqganPlan, read_plan
from models.convert.vqgan_names import (
    CODES,
    GUMBEL_CODES,
    GUMBEL_PROJECTION,
    is_gumbel,
    listed,
    original_name,
    vqgan_names,
)

if TYPE_CHECKING:
    from torch import Tensor


def convert(config: Path, checkpoint: Path, out: Path) -> str:
    """Write the folder `out` from the YAML file `config` and the `checkpoint`; returns a sentence that says what it is.

    `out` must not exist or be empty; it appears when everything in it is written. Raises BadRequest, in one sentence,
    for files that are no VQGAN, do not fit each other, are damaged or hostile, and AtelierError when it cannot write.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise BadRequest(f"There is something in {out.name} already; name a new folder with --out.")
    plan = read_plan(config)
    weights = read_weights(plan, checkpoint, config.name)
    source = {"checkpoint": checkpoint.name, "sha256": sha256_file(checkpoint), "config": config.name}
    try:
        _write(out, plan, weights, source)
    except OSError as error:
        raise AtelierError(f"{out.name} could not be written: {error.strerror or type(error).__name__}.") from error
    kind = "Gumbel VQGAN" if "projection.weight" in weights else "VQGAN"
    return f"{out} is a {kind}: f{2 ** (plan.levels - 1)}, {plan.n_embed:,} codes of {plan.embed_dim} channels."


def read_weights(plan: VqganPlan, checkpoint: Path, config_name: str) -> dict[str, Tensor]:
    """The weights of `checkpoint` under the names of a `VQModel`, float32; of a Gumbel VQGAN its "projection.*" too."""
    with open_checkpoint(checkpoint) as opened:
        names = vqgan_names(opened.shapes)
        wanted = wanted_weights(plan, is_gumbel(names))
        _check(opened, names, wanted, checkpoint.name, config_name)
        weights = {name: opened.read(names[original]).reshape(shape) for name, (original, shape) in wanted.items()}
    broken = [wanted[name][0] for name, values in weights.items() if not values.isfinite().all()]
    if broken:
        raise BadRequest(f"{checkpoint.name} holds values that are not finite in {listed(broken)}; it is damaged.")
    return weights


def wanted_weights(plan: VqganPlan, gumbel: bool) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By the new name of every weight: its original name and its new shape."""
    import torch
    from diffusers import VQModel

    with torch.device("meta"):  # shapes alone; nothing is reserved for what the file may not hold
        network = VQModel(**plan.network_config())
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    wanted = {name: (original_name(name, plan.levels), shape) for name, shape in shapes.items()}
    if gumbel:
        wanted[CODES] = (GUMBEL_CODES, shapes[CODES])
        wanted["projection.weight"] = (GUMBEL_PROJECTION[0], (plan.n_embed, plan.embed_dim))
        wanted["projection.bias"] = (GUMBEL_PROJECTION[1], (plan.n_embed,))
    return wanted


def _check(
    opened: Checkpoint,
    names: dict[str, str],
    wanted: dict[str, tuple[str, tuple[int, ...]]],
    checkpoint_name: str,
    config_name: str,
) -> None:
    """Every wanted weight is there in its shape, and nothing else is."""
    originals = {original for original, _ in wanted.values()}
    if missing := originals - set(names):
        raise BadRequest(f"{checkpoint_name} lacks {listed(missing)}, which {config_name} asks for.")
    if unknown := set(names) - originals:
        raise BadRequest(f"{checkpoint_name} holds {listed(unknown)}, which {config_name} does not know.")
    for original, shape in wanted.values():
        found = opened.shapes[names[original]]
        if found not in (shape, (*shape, 1, 1)):  # 1×1 convolutions became linear layers
            raise BadRequest(f"{original} in {checkpoint_name} has shape {found}; {config_name} asks for {shape}.")


def _write(out: Path, plan: VqganPlan, weights: dict[str, Tensor], source: dict[str, str]) -> None:
    import torch
    from diffusers import VQModel
    from safetensors.torch import save_file

    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        projection = {name: value for name, value in weights.items() if name.startswith("projection.")}
        with torch.device("meta"):
            network = VQModel(**plan.network_config())
        network.load_state_dict({name: weights[name] for name in weights.keys() - projection.keys()}, assign=True)
        network.save_pretrained(folder)
        if projection:
            short = {name.removeprefix("projection."): value for name, value in projection.items()}
            save_file(short, folder / "projection.safetensors")
        (folder / "source.json").write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(_card(out.name, plan, bool(projection), source), encoding="utf-8")
        for path in (folder, *folder.iterdir()):  # made for our eyes alone, unlike any other new file
            path.chmod(0o755 if path.is_dir() else 0o644)
        if out.exists():
            out.rmdir()  # it is empty, and not every system renames onto a folder
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _card(name: str, plan: VqganPlan, gumbel: bool, source: dict[str, str]) -> str:
    chosen = "chosen by a learned projection (`projection.safetensors`)" if gumbel else "the nearest ones"
    return f"""# {name}

A VQGAN (Esser et al. 2021) as a diffusers `VQModel`, converted from the published checkpoint.

- **Network**: factor {2 ** (plan.levels - 1)}, {plan.n_embed:,} codes of {plan.embed_dim} channels, trained at \
{plan.resolution} pixels; a picture's codes are {chosen}.
- **Source**: `{source["checkpoint"]}` with `{source["config"]}`, SHA-256 `{source["sha256"]}`.
- **Made by**: `python -m models.convert vqgan`; float32, nothing left out but the losses of its training.
- **Licence**: that of the source.
"""

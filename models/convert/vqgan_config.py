"""The YAML file of a taming-transformers or latent-diffusion VQGAN, and the diffusers config that means the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import BadRequest

LARGEST_FILE = 2**20


@dataclass(frozen=True)
class VqganPlan:
    """What the YAML says about the network, by the original's names (Esser et al. 2021, `ddconfig`).

    `resolution` is the training size, which decides at which levels there is attention; `attention` is False for the
    variants of latent-diffusion that have none at all.
    """

    n_embed: int
    embed_dim: int
    z_channels: int
    resolution: int
    ch: int
    ch_mult: tuple[int, ...]
    num_res_blocks: int
    attn_resolutions: tuple[int, ...]
    attention: bool

    @property
    def levels(self) -> int:
        """Resolutions the network works at; each but the first halves the size."""
        return len(self.ch_mult)

    def network_config(self) -> dict[str, Any]:
        """The arguments of `diffusers.VQModel` for the same network."""
        # Halved on the way down and doubled on the way up, as the original counts: odd sizes differ between the two.
        sizes_down = [self.resolution // 2**level for level in range(self.levels)]
        sizes_up = [sizes_down[-1] * 2**level for level in range(self.levels)]
        attends = self.attn_resolutions if self.attention else ()
        down = ["AttnDownEncoderBlock2D" if size in attends else "DownEncoderBlock2D" for size in sizes_down]
        up = ["AttnUpDecoderBlock2D" if size in attends else "UpDecoderBlock2D" for size in sizes_up]
        return {
            "block_out_channels": tuple(self.ch * times for times in self.ch_mult),
            "down_block_types": tuple(down),
            "up_block_types": tuple(up),
            "layers_per_block": self.num_res_blocks,
            "latent_channels": self.z_channels,
            "vq_embed_dim": self.embed_dim,
            "num_vq_embeddings": self.n_embed,
            "mid_block_add_attention": self.attention,
            "norm_num_groups": 32,
            "sample_size": self.resolution,
        }


def read_plan(path: Path) -> VqganPlan:
    """The plan in a YAML file: a VQGAN's own, or that of a model which has one as its first stage.

    Raises BadRequest, in one sentence, for what is no such file and for networks that a VQModel cannot hold.
    """
    name = path.name
    params = _params(_read(path), name)
    network = _mapping(params, "ddconfig", name)
    _refuse_others(network, name)
    numbers = {key: _whole(network, key, name) for key in ("z_channels", "resolution", "ch")}
    numbers |= {key: _whole(params, key, name, largest=2**20) for key in ("n_embed", "embed_dim")}
    numbers["num_res_blocks"] = _whole(network, "num_res_blocks", name, largest=16)
    ch_mult = _wholes(network, "ch_mult", name)
    if not 1 <= len(ch_mult) <= 8 or ch_mult[0] != 1:
        raise BadRequest(f"ch_mult in {name} is {list(ch_mult)}; a VQModel can hold 1 to 8 levels that begin with 1.")
    if numbers["ch"] % 32:
        raise BadRequest(f"ch in {name} is {numbers['ch']}; the original's normalisation needs a multiple of 32.")
    if numbers["resolution"] < 2 ** (len(ch_mult) - 1):
        raise BadRequest(f"resolution in {name} is {numbers['resolution']}, too small for {len(ch_mult)} levels.")
    attention = network.get("attn_type", "vanilla") != "none"
    return VqganPlan(**numbers, ch_mult=ch_mult, attn_resolutions=_wholes(network, "attn_resolutions", name),
                     attention=attention)  # fmt: skip


def _read(path: Path) -> Any:
    import yaml

    if not path.is_file():
        raise BadRequest(f"There is no file {path.name} that says how the model is built.")
    if path.stat().st_size > LARGEST_FILE:
        raise BadRequest(f"{path.name} is too large for a configuration; is it the checkpoint?")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadRequest(f"{path.name} is not YAML of plain values ({type(error).__name__}).") from error


def _params(content: Any, name: str) -> Mapping[str, Any]:
    """The VQGAN's own `params`, which a transformer or a diffusion model keeps under `first_stage_config`."""
    model = content.get("model", content) if isinstance(content, Mapping) else None
    for _ in range(4):  # aliases of YAML can make a circle
        if not isinstance(model, Mapping):
            break
        params = _mapping(model, "params", name)
        if "first_stage_config" not in params:
            target = str(model.get("target", ""))
            if "AutoencoderKL" in target:
                raise BadRequest(f"{name} describes {target}, which has no codebook; a VQGAN is needed.")
            return params
        model = params["first_stage_config"]
    raise BadRequest(f"{name} does not describe a model: it has no `model` with `target` and `params`.")


def _refuse_others(network: Mapping[str, Any], name: str) -> None:
    """Refuse what changes the network in ways that a VQModel does not know."""
    allowed = {
        "double_z": (False, None),
        "tanh_out": (False, None),
        "give_pre_end": (False, None),
        "resamp_with_conv": (True, None),
        "use_linear_attn": (False, None),
        "attn_type": ("vanilla", "vanilla-xformers", "none", None),
        "in_channels": (3,),
        "out_ch": (3,),
    }
    for key, values in allowed.items():
        if network.get(key) not in values:
            words = " or ".join(str(value) for value in values if value is not None)
            raise BadRequest(f"{key} in {name} is {network.get(key)!r}; this app can work with {words}.")


def _mapping(parent: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    if not isinstance(parent.get(key), Mapping):
        raise BadRequest(f"{name} has no `{key}`, so it does not say how a VQGAN is built.")
    return parent[key]


def _whole(parent: Mapping[str, Any], key: str, name: str, largest: int = 2**14) -> int:
    value = parent.get(key)
    if type(value) is not int or not 1 <= value <= largest:
        raise BadRequest(f"{key} in {name} is {value!r}; needed is a whole number from 1 to {largest}.")
    return value


def _wholes(parent: Mapping[str, Any], key: str, name: str) -> tuple[int, ...]:
    values = parent.get(key)
    if not isinstance(values, list) or not all(type(value) is int and 1 <= value <= 2**14 for value in values):
        raise BadRequest(f"{key} in {name} is {values!r}; needed is a list of whole numbers.")
    return tuple(values)

"""Checkpoints: one safetensors file from which a run goes on as if it had never stopped.

It holds the tensors of `state.read`, the pictures as they were on the canvas, and as JSON in the file's metadata the
request that the run began with and the changes made since. Reading one runs no code and trusts nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.vqgan_clip import steering
from pipelines.vqgan_clip.pictures import Pictures
from pipelines.vqgan_clip.plain import from_plain, to_plain
from pipelines.vqgan_clip.request import VqganClipRequest
from safeguards import strict_json
from safeguards.wording import megabytes, refuse, shown

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.vqgan_clip.optimisation import Optimisation

KEYWORD, FORMAT = "clip-atelier", "1"
STATE, PICTURE = "state.", "picture."
MAX_BYTES = 10**9
MAX_METADATA = 2**20


@dataclass(frozen=True, eq=False)
class Saved:
    """What a checkpoint holds: the request that its run began with, the changes until then, state and pictures."""

    request: VqganClipRequest
    log: tuple[dict[str, Any], ...]
    state: dict[str, Tensor]
    pictures: Pictures

    def steered(self) -> VqganClipRequest:
        """The request as the changes left it."""
        request = self.request
        for line in self.log:
            for change in steering.logged([line], line["step"]):
                request = steering.steered(request, change)
        return request

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.state["step"])


def save(path: Path, optimisation: Optimisation) -> Path:
    """Write a checkpoint; the file is there whole or not at all. Returns `path`. Raises OSError."""
    from safetensors.torch import save_file

    tensors = {STATE + name: value for name, value in optimisation.state_dict().items()}
    tensors |= {PICTURE + name: value for name, value in _named(optimisation.pictures).items()}
    about = {"format": FORMAT, "request": {**to_plain(optimisation.begun), "log": []}, "log": optimisation.log}
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        save_file(tensors, part, metadata={KEYWORD: json.dumps(about, allow_nan=False)})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def load(path: str | Path) -> Saved:
    """Read a checkpoint. Raises BadRequest, with one sentence, for a file that is none of ours or damaged."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise refuse(path, f"is too large for a checkpoint; at most {megabytes(MAX_BYTES)} are allowed.")
    try:
        if not path.is_file():
            raise refuse(path, "is missing or not a file. Choose a checkpoint of a run.")
        with safe_open(path, "pt") as file:
            about = _about(path, (file.metadata() or {}).get(KEYWORD))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (SafetensorError, OSError, ValueError):
        raise refuse(path, "is no checkpoint, or a damaged one. Choose a .safetensors file that a run left.") from None
    state = {name.removeprefix(STATE): value for name, value in tensors.items() if name.startswith(STATE)}
    if "step" not in state or state["step"].numel() != 1 or state["step"].is_floating_point():
        raise refuse(path, "does not say at which step it was made, so nothing can go on from it.")
    others = {name.removeprefix(PICTURE): value for name, value in tensors.items() if not name.startswith(STATE)}
    return Saved(from_plain(about["request"]), steering.read_log(about["log"]), state, _pictures(path, others))


def request_of(path: str | Path) -> VqganClipRequest:
    """The request that goes on from a checkpoint exactly; change it, and the run branches off."""
    saved = load(path)
    return replace(saved.steered(), start="checkpoint", checkpoint=path, log=saved.log)


def _about(path: Path, text: str | None) -> Mapping[str, Any]:
    if text is None:
        raise refuse(path, "is a safetensors file of another kind. Choose a checkpoint that a run left.")
    if len(text) > MAX_METADATA:
        raise refuse(path, "describes itself at a length that no checkpoint has.")
    about = strict_json.parse(text)
    if not isinstance(about, dict) or set(about) != {"format", "request", "log"}:
        raise refuse(path, "does not hold the settings of a run. Choose a checkpoint that a run left.")
    if about["format"] != FORMAT:
        raise refuse(path, f"has the format {shown(about['format'])}; this program reads format {FORMAT}.")
    if not isinstance(about["request"], dict) or not isinstance(about["log"], list):
        raise refuse(path, "does not hold the settings of a run. Choose a checkpoint that a run left.")
    return about


def _named(pictures: Pictures) -> dict[str, Tensor]:
    named = {"start": pictures.start, "freeze": pictures.freeze}
    named |= {f"region.{k}": each for k, each in enumerate(pictures.regions)}
    named |= {f"prompt.{k}": each for k, each in enumerate(pictures.prompts)}
    return {name: value for name, value in named.items() if value is not None}


def _pictures(path: Path, named: Mapping[str, Tensor]) -> Pictures:
    """Raises BadRequest for a name that there is not, and for what is no picture."""
    import torch

    rows: dict[str, list[Tensor]] = {"region": [], "prompt": []}
    for kind, row in rows.items():
        while (name := f"{kind}.{len(row)}") in named:
            row.append(named[name])
    known = {"start", "freeze", *(f"{kind}.{k}" for kind, row in rows.items() for k in range(len(row)))}
    for name, value in named.items():
        if name not in known:
            raise refuse(path, f"has an unknown entry {shown(name)}; it was made by another program.")
        colour = name == "start" or name.startswith("prompt")
        if value.dtype != torch.uint8 or value.ndim != (3 if colour else 2) or (colour and len(value) != 3):
            raise refuse(path, f"holds {shown(name)}, which is no picture.")
    return Pictures(named.get("start"), named.get("freeze"), tuple(rows["region"]), tuple(rows["prompt"]))

"""The starter pack's few-step model: the latent diffusion model with a small correction that guides it by itself.

Distilled from ``pictograms-ldm`` as low-rank changes of its weights (Meng et al. 2023, stage one; LoRA, Hu et al.
2022). VQGAN, memory and sentence encoder are the teacher's own, and so is the contract; guidance is folded into the
weights, so that the network runs once a step. Trained by ``training/student.py``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from models.families.pictograms_ldm import SCHEDULERS, SIZE, PictogramDiffusion
from models.sources import require
from models.spec import LoadContext, ModelSpec, Range

if TYPE_CHECKING:
    from torch import Tensor, nn

TEACHER = "pictograms-ldm"
WEIGHTS = "low-rank.safetensors"


def merge(unet: nn.Module, changes: Mapping[str, Tensor]) -> None:
    """Adds low-rank changes to a network in place: ``NAME.up`` (out, r) times ``NAME.down`` (r, in * kernel) each."""
    import torch

    with torch.no_grad():
        for name in (key.removesuffix(".up") for key in changes if key.endswith(".up")):
            weight = unet.get_submodule(name).weight
            change = changes[f"{name}.up"].float() @ changes[f"{name}.down"].float()
            weight += change.view_as(weight).to(weight)


def load(context: LoadContext) -> PictogramDiffusion:
    """The model on the context's device; shares all but the denoiser with its teacher."""
    from safetensors.torch import load_file

    folder = require(context.spec, context.settings)
    with context.pool.use(TEACHER, context.device) as teacher:
        context.report(0.7, "putting the changes in")
        unet = copy.deepcopy(teacher.unet)
        merge(unet, load_file(folder / WEIGHTS))
        return PictogramDiffusion(unet, teacher.vqgan, teacher.memory, teacher.sentence, teacher.facts)


def taught_by(folder: Path) -> str:
    """The digest of the teacher's weights that the student in ``folder`` was distilled from."""
    return json.loads((folder / "config.json").read_text())["teacher"]


SPECS = (
    ModelSpec(
        name="pictograms-student",
        title="Pictograms (4 steps)",
        role="text_to_image",
        pack="starter",
        source="pictograms-student",
        revision=None,
        licence="MIT (weights); trained on MIT, Apache-2.0, CC-BY and public-domain pictures",
        download_mb=3,
        memory_mb=50,
        load=load,
        order=2,
        controls={
            "width": Range(SIZE, SIZE, 8, SIZE),
            "height": Range(SIZE, SIZE, 8, SIZE),
            "steps": Range(1, 8, 1, 4),
            "schedulers": SCHEDULERS,
        },
        default_scheduler="DPM++ 2M",
        looks=(0.25, 0.5),
        note="The model above in few steps: quicker, without guidance and negative prompt.",
        files=("config.json", WEIGHTS),
    ),
)

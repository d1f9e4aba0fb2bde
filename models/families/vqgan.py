"""VQGANs as VQGAN+CLIP needs them: a codebook, an encoder into it and a decoder that gradients pass through.

Every one is a diffusers `VQModel`: the starter pack's own, published ones, and converted checkpoints of
taming-transformers (`models/convert`), which are found in their folders.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from common.settings import Settings
from models.families.reading import readable
from models.families.vqgan_folders import CONFIG, WEIGHTS, found_specs, size_controls
from models.families.vqgan_model import Vqgan, read_folder
from models.sources import require
from models.spec import LoadContext, ModelSpec, hub_spec


def load(context: LoadContext, part: str = "") -> Vqgan:
    """The VQGAN of the context's spec, from the folder `part` inside the checkpoint's folder."""
    import torch

    folder = require(context.spec, context.settings) / part
    context.report(0.1, "reading the checkpoint")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[context.precision]
    with readable(context.spec):
        return read_folder(folder, dtype, context.device)


def found(settings: Settings) -> tuple[ModelSpec, ...]:
    """The VQGANs that lie in the hub folder or the weights folder, such as converted checkpoints."""
    return tuple(found_specs(settings, load))


def _hub(
    name: str, title: str, source: str, part: str, licence: str, sizes_mb: tuple[float, float], **more: Any
) -> ModelSpec:
    files = (f"{part}/{CONFIG}", f"{part}/{WEIGHTS}")
    return hub_spec(name, title, source, "vqgan", licence, sizes_mb, load=partial(load, part=part), files=files, **more)


SPECS = (
    ModelSpec(
        name="pictograms-vqgan",
        title="Pictogram VQGAN",
        role="vqgan",
        pack="starter",
        source="pictograms-vqgan",
        revision=None,
        licence="MIT (weights); trained on MIT, Apache-2.0, CC-BY and public-domain pictures",
        download_mb=23,
        memory_mb=30,
        load=load,
        controls=size_controls(8, 128, largest=512),
        note="Small and fully convolutional; f8, 4,096 codes, trained on crops of pictograms.",
        files=(CONFIG, WEIGHTS),
    ),
    _hub(
        "amused-vqgan-f16", "aMUSEd VQGAN f16", "amused/amused-256", "vqvae", "OpenRAIL++", (293, 585),
        controls=size_controls(16, 256),
        note="f16, 8,192 codes of 64 channels, without attention, so it scales to large pictures.",
    ),
    _hub(
        "ldm-vqgan-f4", "Latent Diffusion VQ-f4", "CompVis/ldm-celebahq-256", "vqvae", "Apache-2.0", (222, 222),
        controls=size_controls(4, 256),
        note="f4, 8,192 codes of 3 channels: fine detail, and a large latent to optimise.",
    ),
    _hub(
        "movq-f8", "Kandinsky MoVQ f8", "kandinsky-community/kandinsky-2-2-decoder", "movq", "Apache-2.0", (271, 271),
        controls=size_controls(8, 256),
        note="f8, 16,384 codes of 4 channels; its decoder is modulated by the latent at every layer.",
    ),
)  # fmt: skip

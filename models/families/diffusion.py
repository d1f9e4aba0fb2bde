"""Latent diffusion models in the folder layout of diffusers: Stable Diffusion, SDXL, and the original LDM.

A further model of one of these classes is one more `ModelSpec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import ModelUnavailable
from models.families.diffusion_parts import ADAPTERS
from models.families.reading import readable
from models.sources import require
from models.spec import LoadContext, ModelSpec, Range, hub_spec

if TYPE_CHECKING:
    from models.families.diffusion_parts import StableDiffusion


def load(context: LoadContext) -> StableDiffusion:
    """A model from its folder, in the context's precision; `model_index.json` there says of which class it is."""
    import diffusers
    import torch

    folder = require(context.spec, context.settings)
    context.report(0.05, "reading the checkpoint")
    with readable(context.spec):
        class_name = diffusers.DiffusionPipeline.load_config(folder)["_class_name"]
        if class_name not in ADAPTERS:
            raise ModelUnavailable(f"{context.spec.title} holds a {class_name}; this app knows {', '.join(ADAPTERS)}.")
        adapter = ADAPTERS[class_name]
        pipeline = getattr(diffusers, class_name).from_pretrained(
            folder,
            torch_dtype={"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[context.precision],
            variant=_variant(folder, context.precision),
            local_files_only=True,
            **adapter.load_options,
        )
    context.report(0.8, f"moving to {context.device}")
    return adapter(pipeline, context.device)


def _variant(folder: Path, precision: str) -> str | None:
    """ "fp16" for half-size files, when those are wanted or are the only ones there."""
    files = [path.name for path in folder.glob("unet/*") if path.suffix in (".safetensors", ".bin")]
    halves = [name for name in files if ".fp16." in name]
    return "fp16" if halves and (precision != "fp32" or len(halves) == len(files)) else None


def _controls(steps: Range, guidance: Range, size: Range, schedulers: Sequence[str]) -> dict[str, Any]:
    return {"steps": steps, "guidance": guidance, "width": size, "height": size, "schedulers": tuple(schedulers)}


_FILES = ("model_index.json", "scheduler/*", "tokenizer/*", "unet/config.json", "unet/diffusion_pytorch_model*")
_SD_FILES = (*_FILES, "text_encoder/config.json", "text_encoder/model*", "vae/config.json", "vae/diffusion_pytorch*")
_SLOW = (
    "DPM++ 2M Karras", "DPM++ 2M", "DPM++ 2M SDE Karras", "DPM++ 2M SDE", "UniPC", "DEIS", "Euler", "Euler a", "Heun",
    "DPM2", "DPM2 a", "DDIM", "DDIM eta 1", "DDPM", "PNDM",
)  # fmt: skip
_STABILITY = "Stability AI Community License (free for research and small companies)"
_DISTILLED = ("Euler", "Euler a", "LCM", "DPM++ 2M", "UniPC", "DDIM", "DDIM eta 1")


def _hub(name: str, title: str, source: str, licence: str, sizes_mb: tuple[float, float], **more: Any) -> ModelSpec:
    return hub_spec(name, title, source, "text_to_image", licence, sizes_mb, load=load, **more)


SPECS = (
    _hub(
        "sd-turbo", "SD Turbo", "stabilityai/sd-turbo", _STABILITY, (2600, 2600),
        controls=_controls(Range(1, 10, 1, 4), Range(0, 3, 0.1, 0), Range(256, 768, 64, 512), _DISTILLED),
        default_scheduler="Euler",
        note="Distilled to 1-4 steps without guidance, so a negative prompt has no effect at guidance 0.",
        files=_SD_FILES,
    ),
    _hub(
        "stable-diffusion-1.5", "Stable Diffusion 1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "CreativeML OpenRAIL-M", (2100, 2200),
        controls=_controls(Range(5, 100, 1, 25), Range(0, 20, 0.5, 7.5), Range(256, 768, 64, 512), _SLOW),
        default_scheduler="DPM++ 2M Karras",
        note="The classic; follows negative prompts and guidance.",
        files=_SD_FILES,
    ),
    _hub(
        "sdxl-turbo", "SDXL Turbo", "stabilityai/sdxl-turbo", _STABILITY, (7000, 7200),
        controls=_controls(Range(1, 10, 1, 4), Range(0, 3, 0.1, 0), Range(256, 1024, 64, 512), _DISTILLED),
        default_scheduler="Euler a",
        note="Larger than SD Turbo and closer to the prompt; best at 512 px, without guidance.",
        files=(*_SD_FILES, "text_encoder_2/config.json", "text_encoder_2/model*", "tokenizer_2/*"),
    ),
    _hub(
        "ldm-text2im-large-256", "Latent Diffusion (2022)", "CompVis/ldm-text2im-large-256", "Apache-2.0",
        (6000, 3100),
        controls=_controls(Range(5, 100, 1, 50), Range(0, 20, 0.5, 6), Range(256, 512, 64, 256), _SLOW),
        default_scheduler="DDIM",
        note="The original latent diffusion model at 256 px, 1.45 billion parameters.",
        files=(*_FILES, "bert/config.json", "bert/*model*", "vqvae/config.json", "vqvae/diffusion_pytorch_model*"),
    ),
)  # fmt: skip

"""A VQGAN, a memory of six pictures and a GAN at tiny size, in the folders where the starter pack has them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import VQModel
from safetensors.torch import save_file

from models.gan_generator import Generator

SMALL = {"latents": 4, "planes": 10, "widths": [8, 16], "noise": 4, "text": 384, "words": 8, "style": 8}
FACTS = {"mean": [0.0, 0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0, 1.0]}
NAMES = ("apple", "cup", "car")


def generator() -> Generator:
    """One that has learned something: an untrained one gives back the neighbour, whatever it is told."""
    torch.manual_seed(0)
    made = Generator(**SMALL)
    torch.nn.init.normal_(made.paint.weight, std=0.3)
    return made


def write(weights: Path) -> Path:
    """All of it into `weights`; returns that."""
    torch.manual_seed(0)
    VQModel(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        vq_embed_dim=4,
        norm_num_groups=4,
        num_vq_embeddings=6,
    ).save_pretrained(weights / "pictograms-vqgan")
    write_memory(weights / "pictograms-ldm")
    (weights / "pictograms-gan").mkdir()
    state = {name: value.half().contiguous() for name, value in generator().state_dict().items()}
    save_file(state, weights / "pictograms-gan" / "model.safetensors")
    (weights / "pictograms-gan" / "config.json").write_text(json.dumps({"architecture": SMALL, **FACTS}))
    return weights


def write_memory(folder: Path) -> None:
    """Three concepts, two pictures each; every picture is one code all over."""
    folder.mkdir()
    pictures = torch.arange(6)
    codes = {
        "full": pictures[:, None].repeat(1, 256).short(),
        "half": pictures[:, None].repeat(1, 64).short(),
        "style_of": torch.zeros(6, dtype=torch.int8),
        "colours_of": torch.zeros(6, 12, dtype=torch.uint8),
        "concept_of": (pictures // 2).int(),
        "white": torch.zeros(4),
    }
    save_file(codes, folder / "memory-codes.safetensors")
    vectors = torch.nn.functional.normalize(torch.randn(3, 1, 384), dim=-1).repeat(1, 2, 1)
    save_file(
        {"vectors": (127 * vectors).round().char(), "scale": torch.tensor(1 / 127)}, folder / "memory-texts.safetensors"
    )
    (folder / "memory.json").write_text(json.dumps({"names": NAMES, "trained": 4}))

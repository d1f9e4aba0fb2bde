"""The starter pack's CLIP: EfficientNet-lite0 sees, all-MiniLM-L6-v2 reads, one learned projection each.

An open_clip ``CustomTextCLIP`` (Radford et al. 2021 with other towers). The text tower is the sentence encoder as it
is; only the image tower and the two projections are trained (``training/clip.py``) and shipped. The image's projection
is told, too, what ImageNet's classifier would call the picture (``models/naming_head.py``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families.efficientnet import MEAN, STD
from models.families.sentence import SentenceEncoder
from models.sources import require
from models.spec import LoadContext, ModelSpec

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor, nn

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 256,
    "vision_cfg": {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "mlp",
        "image_size": 128,
    },
    "naming": True,
    "text_cfg": {"hf_pooler_type": "mean_pooler", "hf_proj_type": "mlp"},
}
TEXT_TOWER = "text.transformer."  # these weights come from the pip package, not from our shards


def build(architecture: dict[str, Any], sentence: SentenceEncoder) -> nn.Module:
    """A CLIP of this architecture around the sentence encoder's own transformer (shared, frozen)."""
    import open_clip

    from models.naming_head import NamingHead

    config = json.loads(json.dumps(architecture))
    text = {**config["text_cfg"], "hf_model_name": sentence.transformer.name_or_path, "hf_model_pretrained": False}
    model = open_clip.CustomTextCLIP(config["embed_dim"], config["vision_cfg"], text, output_dict=False)
    model.text.transformer = sentence.transformer
    if config.get("naming"):
        model.visual.head = NamingHead(model.visual.head, model.visual.trunk.num_features, config["embed_dim"])
    return model


class PictogramClip:
    """Pictures and sentences in one space; all vectors are float32 and of unit length."""

    def __init__(self, model: nn.Module, sentence: SentenceEncoder, image_size: int) -> None:
        import torch

        self.model, self.sentence, self.image_size = model.eval().requires_grad_(False), sentence, image_size
        self.token_limit = 77
        self.logit_scale = float(model.logit_scale.exp())
        self.mean = torch.tensor(MEAN)[:, None, None]
        self.std = torch.tensor(STD)[:, None, None]

    @property
    def device(self) -> Any:
        return self.model.logit_scale.device

    def to(self, device: str) -> PictogramClip:
        self.model.to(device)
        return self

    def image_features(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], any size, to unit vectors (N, D); gradients flow back to the pixels."""
        import torch.nn.functional as F

        size = (self.image_size, self.image_size)
        if pixels.shape[-2:] != size:
            pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        pixels = (pixels - self.mean.to(pixels)) / self.std.to(pixels)
        return self.model.encode_image(pixels, normalize=True).float()

    def encode_images(self, images: list[PIL.Image.Image] | Tensor, batch: int = 32) -> Tensor:
        """PIL pictures of any size, or pixels (N, 3, H, W) in [0, 1], to unit vectors (N, D) on the CPU."""
        import torch

        from common.images import to_tensor

        parts = []
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            if not isinstance(part, torch.Tensor):
                size = (self.image_size, self.image_size)
                part = to_tensor([picture.convert("RGB").resize(size, resample=3) for picture in part])
            with torch.no_grad():
                parts.append(self.image_features(part.to(self.device)).cpu())
        return torch.cat(parts)

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Sentences to unit vectors (N, D) on the CPU."""
        import torch

        tokens = self.sentence.tokenizer(
            texts, padding=True, truncation=True, max_length=self.token_limit, return_tensors="pt"
        )
        with torch.no_grad():
            return self.model.encode_text(tokens["input_ids"].to(self.device), normalize=True).float().cpu()

    def overflow(self, text: str) -> str:
        """The end of ``text`` that the ranker does not read; empty when it reads all."""
        return self.sentence.overflow(text, self.token_limit)


def read_folder(folder: Path, sentence: SentenceEncoder) -> PictogramClip:
    """A CLIP from ``config.json`` and its safetensors shards."""
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    model = build(config["architecture"], sentence)
    state: dict[str, Tensor] = {}
    for shard in sorted(folder.glob("*.safetensors")):
        state |= load_file(shard)
    missing, unexpected = model.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    missing = [name for name in missing if not name.startswith(TEXT_TOWER)]
    if missing or unexpected:
        raise RuntimeError(f"{folder.name} does not fit its config: missing {missing[:3]}, unexpected {unexpected[:3]}")
    return PictogramClip(model, sentence, config["architecture"]["vision_cfg"]["image_size"])


def load(context: LoadContext) -> PictogramClip:
    """The ranker on the context's device; shares the sentence encoder with whoever else uses it."""
    folder = require(context.spec, context.settings)
    with context.pool.use("minilm") as sentence:
        context.report(0.5, "reading the image tower")
        return read_folder(folder, sentence).to(context.device)


SPECS = (
    ModelSpec(
        name="pictograms-clip",
        title="Pictogram CLIP",
        role="ranker",
        pack="starter",
        source="pictograms-clip",
        revision=None,
        licence="MIT (weights); trained on MIT, CC-BY 4.0 and public-domain pictures",
        download_mb=12,
        memory_mb=48,
        load=load,
        controls={},
        note="EfficientNet-lite0 and MiniLM, aligned on pictograms; knows photographs by ImageNet's names.",
    ),
)

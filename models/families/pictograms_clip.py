"""The starter pack's CLIP: EfficientNet-lite0 sees, all-MiniLM-L6-v2 reads, one learned projection each.

An open_clip ``CustomTextCLIP`` (Radford et al. 2021 with other towers). The text tower is the sentence encoder as it
is; only the image tower and the two projections are trained (``training/clip.py``) and shipped. The image's projection
is told, too, what ImageNet's classifier would call the picture (``models/naming_head.py``), and both towers where in
the picture, or in the sentence, something stands (``models/places.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families.efficientnet import LITE0, MEAN, STD
from models.families.sentence import SentenceEncoder
from models.sources import require
from models.spec import LoadContext, ModelSpec

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor, nn

TEXT_TOWER = "text.transformer."  # these weights come from the pip package, not from our shards


TOKEN_LIMIT = 77
# Every picture is looked at smaller and as it is, and the mean of both counts (test-time augmentation): what one look
# misreads the other often does not. More looks, or others, gain next to nothing (training/RESULTS.md).
LOOKS = (0.88, 1.0)


def architecture(network: str = LITE0, places: int = 0) -> dict[str, Any]:
    """The shape of a starter CLIP on this network of timm's; `places` is the width of a half's part, 0 for none."""
    return {
        "embed_dim": 256,
        "vision_cfg": {
            "timm_model_name": network,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "mlp",
            "image_size": 128,
        },
        "naming": True,
        "places": places,
        "text_cfg": {"hf_pooler_type": "mean_pooler", "hf_proj_type": "mlp"},
    }


def build(shape: dict[str, Any], sentence: SentenceEncoder) -> nn.Module:
    """A CLIP of this architecture around the sentence encoder's own transformer (shared, frozen)."""
    import open_clip

    from models.naming_head import NamingHead
    from models.places import with_places

    config = json.loads(json.dumps(shape))
    text = {**config["text_cfg"], "hf_model_name": sentence.transformer.name_or_path, "hf_model_pretrained": False}
    model = open_clip.CustomTextCLIP(config["embed_dim"], config["vision_cfg"], text, output_dict=False)
    model.text.transformer = sentence.transformer
    if config.get("naming"):
        model.visual.head = NamingHead(model.visual.head, model.visual.trunk.num_features, config["embed_dim"])
    if config.get("places"):
        with_places(model, config["embed_dim"], config["places"], TOKEN_LIMIT)
    return model


def smaller(pixels: Tensor, share: float) -> Tensor:
    """Pictures (N, C, H, W) that take up ``share`` of their sides, in the middle; their edges fill the rest."""
    import torch.nn.functional as F

    height, width = pixels.shape[-2:]
    inner = round(height * share), round(width * share)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    shrunk = F.interpolate(pixels, inner, mode="bilinear", align_corners=False, antialias=True)
    return F.pad(shrunk, (left, width - inner[1] - left, top, height - inner[0] - top), mode="replicate")


class PictogramClip:
    """Pictures and sentences in one space; all vectors are float32 and of unit length.

    ``looks``: the shares of its sides at which a picture is encoded; see ``LOOKS``.
    """

    def __init__(
        self, model: nn.Module, sentence: SentenceEncoder, image_size: int, looks: tuple[float, ...] = (1.0,)
    ) -> None:
        import torch

        self.model, self.sentence, self.image_size = model.eval().requires_grad_(False), sentence, image_size
        self.looks = looks
        self.token_limit = TOKEN_LIMIT
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
        """(N, 3, H, W) in [0, 1], any size, to unit vectors (N, D), by one look at them as they are; gradients flow
        back to the pixels."""
        import torch.nn.functional as F

        size = (self.image_size, self.image_size)
        if pixels.shape[-2:] != size:
            pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        pixels = (pixels - self.mean.to(pixels)) / self.std.to(pixels)
        return self.model.encode_image(pixels, normalize=True).float()

    def encode_images(self, images: list[PIL.Image.Image] | Tensor, batch: int = 32) -> Tensor:
        """PIL pictures of any size, or pixels (N, 3, H, W) in [0, 1], to unit vectors (N, D) on the CPU.

        They are means over all looks. The tower sees a batch once: all pictures for the first look, then for the next.
        """
        import torch
        import torch.nn.functional as F

        from common.images import to_tensor

        parts = []
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            if not isinstance(part, torch.Tensor):
                size = (self.image_size, self.image_size)
                part = to_tensor([picture.convert("RGB").resize(size, resample=3) for picture in part])
            with torch.no_grad():
                seen = torch.cat([part if share == 1 else smaller(part, share) for share in self.looks])
                found = self.image_features(seen.to(self.device)).unflatten(0, (len(self.looks), -1))
                parts.append(F.normalize(found.mean(0), dim=1).cpu())
        return torch.cat(parts)

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Sentences to unit vectors (N, D) on the CPU."""
        return self._read(self.model.text, texts)

    def encode_phrases(self, texts: list[str]) -> Tensor:
        """As `encode_texts`, for texts that mean no places: what is strung together by commas has none, and a picture's
        halves would please its end and its beginning."""
        return self._read(getattr(self.model.text, "of_wholes", self.model.text), texts)

    def _read(self, tower: Callable[[Tensor], Tensor], texts: list[str]) -> Tensor:
        import torch
        import torch.nn.functional as F

        tokens = self.sentence.tokenizer(
            texts, padding=True, truncation=True, max_length=self.token_limit, return_tensors="pt"
        )
        with torch.no_grad():
            return F.normalize(tower(tokens["input_ids"].to(self.device)), dim=-1).float().cpu()

    def overflow(self, text: str) -> str:
        """The end of ``text`` that the ranker does not read; empty when it reads all."""
        return self.sentence.overflow(text, self.token_limit)


def read_folder(folder: Path, sentence: SentenceEncoder) -> PictogramClip:
    """A CLIP from ``config.json`` and its safetensors shards."""
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    model = build(config["architecture"], sentence)
    state: dict[str, Tensor] = {}
    for shard in sorted(folder.glob("model*.safetensors")):
        state |= load_file(shard)
    missing, unexpected = model.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    missing = [name for name in missing if not name.startswith(TEXT_TOWER)]
    if missing or unexpected:
        raise RuntimeError(f"{folder.name} does not fit its config: missing {missing[:3]}, unexpected {unexpected[:3]}")
    size = config["architecture"]["vision_cfg"]["image_size"]
    return PictogramClip(model, sentence, size, tuple(config.get("looks", (1.0,))))


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
        licence="MIT (weights); trained on MIT, Apache-2.0, CC-BY and public-domain pictures",
        download_mb=13,
        memory_mb=48,
        load=load,
        controls={},
        note="EfficientNet-lite0 and MiniLM, aligned on pictograms; knows ImageNet's names, and left from right.",
    ),
    ModelSpec(
        name="pictograms-judge",
        title="Pictogram judge",
        role="ranker",
        pack="starter",
        source="pictograms-judge",
        revision=None,
        licence="MIT (weights); trained on MIT, CC-BY 4.0 and public-domain pictures",
        download_mb=15,
        memory_mb=70,
        load=load,
        controls={},
        note="EfficientNet-lite2 and MiniLM, trained apart, to score what the other one optimised.",
    ),
)

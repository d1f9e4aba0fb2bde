"""OpenCLIP rankers: published CLIP and SigLIP models, read from their folder by open_clip.

A folder holds `open_clip_config.json` and `open_clip_model.safetensors`, and the tokenizer's files when the model
does not use CLIP's own. A further open_clip model is one more `ModelSpec`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models.families.reading import readable
from models.sources import require
from models.spec import LoadContext, ModelSpec, hub_spec

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor


class OpenClipRanker:
    """Pictures and sentences as unit vectors of one space. Vectors are float32, on the CPU unless said otherwise."""

    def __init__(self, model: Any, preprocess: Any, tokenizer: Any, device: str = "cpu") -> None:
        import open_clip
        import torch

        self.model = model.eval().requires_grad_(False)
        self.preprocess, self.tokenizer = preprocess, tokenizer
        self.token_limit: int = tokenizer.context_length
        self.logit_scale = float(model.logit_scale.exp())
        config = open_clip.get_model_preprocess_cfg(model)
        size = config["size"]
        self.size: tuple[int, int] = tuple(size) if isinstance(size, list | tuple) else (size, size)
        self.squash = config.get("resize_mode") == "squash"
        self.bicubic = config.get("interpolation", "bicubic") == "bicubic"
        self.mean, self.std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
        self.dtype = next(weight.dtype for weight in model.visual.parameters() if weight.ndim == 4)
        self.to(device)

    def to(self, device: str) -> OpenClipRanker:
        self.model.to(device)
        self.device = device
        return self

    def image_features(self, pixels: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) in [0, 1] at any size -> unit vectors (N, D) on their device; gradients flow back."""
        pixels = (self._resize(pixels) - self.mean.to(pixels)) / self.std.to(pixels)
        features = self.model.encode_image(pixels.to(self.dtype)).float()
        return features / features.norm(dim=-1, keepdim=True)

    def encode_images(self, images: Sequence[Image] | Tensor, batch: int = 32) -> Tensor:
        """RGB pictures of any sizes, or pixels (N, 3, H, W) in [0, 1] -> unit vectors (N, D).

        Pictures go through the model's own published preprocessing; pixels through the same in differentiable form.
        """
        import torch

        rows = []
        with torch.no_grad():
            for start in range(0, len(images), batch):
                part = images[start : start + batch]
                if isinstance(part, torch.Tensor):
                    features = self.image_features(part.to(self.device))
                else:
                    pixels = torch.stack([self.preprocess(image) for image in part])  # resized and normalised
                    features = self.model.encode_image(pixels.to(self.device, self.dtype)).float()
                rows.append((features / features.norm(dim=-1, keepdim=True)).cpu())
        return torch.cat(rows)

    def encode_texts(self, texts: Sequence[str], batch: int = 256) -> Tensor:
        """Sentences -> unit vectors (N, D); what does not fit into `token_limit` tokens is not read."""
        import torch

        rows = []
        with torch.no_grad():
            for start in range(0, len(texts), batch):
                tokens = self.tokenizer(list(texts[start : start + batch])).to(self.device)
                features = self.model.encode_text(tokens).float()
                rows.append((features / features.norm(dim=-1, keepdim=True)).cpu())
        return torch.cat(rows)

    def overflow(self, text: str) -> str:
        """The end of `text` that is not read, from a whole word on; "" if all is read."""
        if self._count(text) <= self.token_limit:
            return ""
        # open_clip's tokenizers tell no offsets, so find by bisection how many words fit.
        words = list(re.finditer(r"\w+|[^\w\s]+", text))
        fit, too_many = 0, len(words)
        while too_many - fit > 1:
            middle = (fit + too_many) // 2
            if self._count(text[: words[middle - 1].end()]) <= self.token_limit:
                fit = middle
            else:
                too_many = middle
        return text[words[fit].start() :].strip()

    def _count(self, text: str) -> int:
        """Tokens of `text` with the markers around it."""
        if hasattr(self.tokenizer, "encode"):  # CLIP's own, which adds a start and an end marker
            return len(self.tokenizer.encode(text)) + 2
        return len(self.tokenizer.tokenizer(self.tokenizer.clean_fn(text), verbose=False).input_ids)

    def _resize(self, pixels: Tensor) -> Tensor:
        """To the model's size: all of it squashed, or the shorter side fitted and the middle cut out."""
        import torch.nn.functional as F

        height, width = self.size
        if pixels.shape[-2:] == (height, width):
            return pixels
        size = self.size
        if not self.squash:
            scale = max(height / pixels.shape[-2], width / pixels.shape[-1])
            size = tuple(max(goal, int(side * scale)) for goal, side in zip(self.size, pixels.shape[-2:], strict=True))
        mode = "bicubic" if self.bicubic else "bilinear"
        pixels = F.interpolate(pixels.float(), size, mode=mode, align_corners=False, antialias=True).clamp(0, 1)
        top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
        return pixels[..., top : top + height, left : left + width]


def load(context: LoadContext) -> OpenClipRanker:
    """A ranker from its folder. Half precision on CUDA is always fp16: bf16 would blur close scores."""
    import open_clip

    name = f"local-dir:{require(context.spec, context.settings)}"
    half = context.device.startswith("cuda") and context.precision != "fp32"
    context.report(0.05, "reading the checkpoint")
    with readable(context.spec):
        model, preprocess = open_clip.create_model_from_pretrained(name, precision="fp16" if half else "fp32")
        tokenizer = open_clip.get_tokenizer(name)
    context.report(0.8, f"moving to {context.device}")
    return OpenClipRanker(model, preprocess, tokenizer, context.device)


def _hub(name: str, title: str, source: str, licence: str, size_mb: float, note: str, *more: str) -> ModelSpec:
    files = ("open_clip_config.json", "open_clip_*model.*", *more)
    # In memory as in the file, which is fp32; on CUDA half of it.
    return hub_spec(name, title, source, "ranker", licence, (size_mb, size_mb), load=load, note=note, files=files)


SPECS = (
    _hub(
        "clip-vit-l-14", "CLIP ViT-L/14 (DataComp)", "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", "MIT", 1710,
        "The most discerning of the rankers here; 79.2 % zero-shot on ImageNet by its card.",
    ),
    _hub(
        "clip-vit-b-32", "CLIP ViT-B/32 (LAION-2B)", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "MIT", 605,
        "Small and quick; fine on a CPU.",
    ),
    _hub(
        "siglip-vit-b-16", "SigLIP ViT-B/16", "timm/ViT-B-16-SigLIP", "Apache-2.0", 813,
        "Trained with a sigmoid loss; reads 64 tokens, and its cosines are lower than CLIP's.",
        "tokenizer*",
    ),
    _hub(
        "clip-vit-b-32-openai", "CLIP ViT-B/32 (OpenAI)", "timm/vit_base_patch32_clip_224.openai", "MIT", 605,
        "The first CLIP; what most published ClipCaps see through.",
    ),
    _hub(
        "clip-rn50x4-openai", "CLIP RN50x4 (OpenAI)", "timm/resnet50x4_clip.openai", "MIT", 713,
        "A convolutional CLIP at 288 pixels; what ClipCap's Transformer mapper for COCO sees through.",
    ),
    _hub(
        "clip-vit-l-14-openai", "CLIP ViT-L/14 (OpenAI)", "timm/vit_large_patch14_clip_224.openai", "MIT", 1710,
        "Guides Stable Diffusion 1; the interrogator's phrases were chosen with it.",
    ),
)  # fmt: skip

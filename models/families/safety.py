"""The safety model that hub pictures are shown to before people see them: Stable Diffusion's own checker.

It compares CLIP ViT-L/14 features of a picture with those of seventeen unwanted concepts and three that ask for more
care (Rando et al. 2022, "Red-Teaming the Stable Diffusion Safety Filter", section 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.families.reading import readable
from models.sources import require
from models.spec import LoadContext, ModelSpec

if TYPE_CHECKING:
    from PIL import Image

MODEL, PROCESSOR = "safety_checker", "feature_extractor"
BATCH = 8


class SafetyChecker:
    """Says of each picture whether it should be withheld."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval().requires_grad_(False), processor

    @property
    def device(self) -> Any:
        return self.model.device

    def to(self, device: str) -> SafetyChecker:
        self.model.to(device)
        return self

    def unsafe(self, images: list[Image.Image]) -> list[bool]:
        """Pictures of any size and mode; True where one shows an unwanted concept."""
        import numpy as np
        import torch

        flagged: list[bool] = []
        for start in range(0, len(images), BATCH):
            part = [image.convert("RGB") for image in images[start : start + BATCH]]
            pixels = self.processor(part, return_tensors="pt").pixel_values.to(self.device, self.model.dtype)
            # The checker blackens what it objects to in these; the pictures themselves are kept from people by us.
            blanks = np.zeros((len(part), 1, 1, 3), dtype=np.float32)
            with torch.inference_mode():
                flagged += [bool(value) for value in self.model(clip_input=pixels, images=blanks)[1]]
        return flagged


def load(context: LoadContext) -> SafetyChecker:
    """The checker from the folder of a Stable Diffusion checkpoint."""
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPImageProcessor

    folder = require(context.spec, context.settings)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[context.precision]
    context.report(0.1, "reading the checkpoint")
    with readable(context.spec):
        halves = not (folder / MODEL / "model.safetensors").exists()  # the smaller of the two published files
        model = StableDiffusionSafetyChecker.from_pretrained(
            folder / MODEL, dtype=dtype, variant="fp16" if halves else None, local_files_only=True
        )
        processor = CLIPImageProcessor.from_pretrained(folder / PROCESSOR, local_files_only=True)
    return SafetyChecker(model, processor).to(context.device)


SPECS = (
    ModelSpec(
        name="sd-safety-checker",
        title="Stable Diffusion safety checker",
        role="safety",
        pack="hub",
        source="stable-diffusion-v1-5/stable-diffusion-v1-5",
        revision="main",
        licence="CreativeML OpenRAIL-M",
        download_mb=608,
        memory_mb=610,
        load=load,
        note="Looks at every picture and at frames of every film that a hub model made.",
        files=(f"{MODEL}/config.json", f"{MODEL}/model*.safetensors", f"{PROCESSOR}/preprocessor_config.json"),
    ),
)

"""Three kinds of latent diffusion pipelines of diffusers, translated to one contract: `start` gives a `Sampling`.

diffusers loads them and encodes prompts; the denoising loop is ours (`sampling.py`), so that a run can be watched,
stopped and pruned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from models.families.sampling import Conditioning, Sampling

if TYPE_CHECKING:
    import torch


class StableDiffusion:
    """One CLIP text encoder and an AutoencoderKL. The other classes differ in what they encode and decode with."""

    token_limit = 77
    # The app has a safety check of its own, for all models.
    load_options: Mapping[str, Any] = {
        "safety_checker": None,
        "feature_extractor": None,
        "image_encoder": None,
        "requires_safety_checker": False,
    }

    def __init__(self, pipeline: Any, device: str = "cpu") -> None:
        self.pipeline = pipeline
        self.unet, self.decoder = pipeline.unet, getattr(pipeline, "vae", None) or pipeline.vqvae
        self.factor = 2 ** (len(self.decoder.config.block_out_channels) - 1)  # pixels per latent, each way
        self.to(device)

    def to(self, device: str) -> StableDiffusion:
        """Move all parts to `device`. A decoder known to overflow in fp16 (black pictures) works in fp32."""
        import torch

        self.pipeline.to(device)
        if self.decoder.dtype == torch.float16 and self.decoder.config.get("force_upcast", False):
            self.decoder.to(torch.float32)
        self.device = device
        return self

    def close(self) -> None:
        """Drop every part, so that its memory is free even if someone still holds this object."""
        self.pipeline = self.unet = self.decoder = None

    def overflow(self, prompt: str) -> str:
        """The end of `prompt` that does not fit into `token_limit` tokens, from a whole word on; "" if all fits."""
        encoded = self.pipeline.tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        kept = self.token_limit - 2  # the start and end markers take two
        offsets = encoded["offset_mapping"]
        if len(offsets) <= kept:
            return ""
        start = offsets[kept][0]
        while start and prompt[start - 1].isalnum() and prompt[start].isalnum():  # a word cut in half is not read
            start -= 1
        return prompt[start:].strip()

    def start(
        self,
        prompt: str,
        negative: str,
        seeds: Sequence[int],
        width: int,
        height: int,
        steps: int,
        guidance: float,
        scheduler: str,
    ) -> Sampling:
        """A run of one candidate per seed, before its first step; sizes in pixels.

        Raises BadRequest when a size is not a multiple of the pixels per latent, or for an unknown scheduler.
        """
        import torch

        if width % self.factor or height % self.factor:
            raise BadRequest(f"The size is {width}×{height}; both must be multiples of {self.factor}.")
        with torch.no_grad():
            conditioning = self.encode(prompt, negative, width, height, guided=guidance > 1)
        return Sampling(
            self.denoise,
            self.decode,
            conditioning.repeat(len(seeds)),
            seeds=seeds,
            latent_shape=(self.unet.config.in_channels, height // self.factor, width // self.factor),
            steps=steps,
            guidance=guidance,
            scheduler=scheduler,
            scheduler_config=self.pipeline.scheduler.config,
            device=self.device,
        )

    def encode(self, prompt: str, negative: str, width: int, height: int, guided: bool) -> Conditioning:
        """The prompt as one row of token states (1, 77, D), and the negative prompt's beside it when guided."""
        given, absent = self.pipeline.encode_prompt(prompt, self.device, 1, guided, negative)
        return Conditioning({"states": given}, {"states": absent} if guided else None)

    def denoise(self, latents: torch.Tensor, t: torch.Tensor, told: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The UNet's raw output (m, C, h, w)."""
        return self.unet(latents.to(self.unet.dtype), t, encoder_hidden_states=told["states"]).sample

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (m, C, h, w) as diffused -> pictures (m, 3, H, W), about [0, 1]."""
        latents = (latents / self.decoder.config.scaling_factor).to(self.decoder.dtype)
        return self.decoder.decode(latents).sample / 2 + 0.5


class StableDiffusionXL(StableDiffusion):
    """Two text encoders, a pooled prompt vector and the picture's size as conditions."""

    load_options: Mapping[str, Any] = {
        "feature_extractor": None,
        "image_encoder": None,
        "add_watermarker": False,  # our own stamp goes on every picture
    }

    def encode(self, prompt: str, negative: str, width: int, height: int, guided: bool) -> Conditioning:
        """Token states (1, 77, D), pooled vector (1, P), size (1, 6): original, crop corner, target as (h, w)."""
        import torch

        # None, not "": SDXL was trained with zeros where there is no negative prompt.
        given, absent, pooled, absent_pooled = self.pipeline.encode_prompt(
            prompt, device=self.device, do_classifier_free_guidance=guided, negative_prompt=negative or None
        )
        size = torch.tensor([[height, width, 0, 0, height, width]], dtype=given.dtype, device=self.device)
        words = {"states": given, "pooled": pooled, "size": size}
        return Conditioning(words, {"states": absent, "pooled": absent_pooled, "size": size} if guided else None)

    def denoise(self, latents: torch.Tensor, t: torch.Tensor, told: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The UNet's raw output (m, C, h, w)."""
        added = {"text_embeds": told["pooled"], "time_ids": told["size"]}
        latents = latents.to(self.unet.dtype)
        return self.unet(latents, t, encoder_hidden_states=told["states"], added_cond_kwargs=added).sample


class LatentDiffusion(StableDiffusion):
    """The original latent diffusion of Rombach et al. 2022: a BERT trained with it reads the prompt."""

    load_options: Mapping[str, Any] = {}

    def encode(self, prompt: str, negative: str, width: int, height: int, guided: bool) -> Conditioning:
        """The prompt as one row of token states (1, 77, D), and the negative prompt's beside it when guided."""
        texts = [prompt, negative] if guided else [prompt]
        tokens = self.pipeline.tokenizer(
            texts, padding="max_length", max_length=self.token_limit, truncation=True, return_tensors="pt"
        )
        # Padding is not masked: the model was trained to see it.
        states = self.pipeline.bert(tokens.input_ids.to(self.device))[0]
        return Conditioning({"states": states[:1]}, {"states": states[1:]} if guided else None)


ADAPTERS = {
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusionXLPipeline": StableDiffusionXL,
    "LDMTextToImagePipeline": LatentDiffusion,
}

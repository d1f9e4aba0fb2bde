"""The starter pack's latent diffusion model: 128-pixel pictograms from words and a few remembered neighbours.

A small diffusers UNet (v-prediction) over the latents of the starter VQGAN, reading MiniLM token states and two
neighbours from its memory. Trained by ``training/ldm.py``; sampled by the same loop as the published models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.families.pictograms_ground import ground_of, on_ground
from models.families.pictograms_painter import SIZE, Painter, read_shared
from models.families.pictograms_query import wants_background
from models.families.sampling import Conditioning, Sampling
from models.sources import require
from models.spec import LoadContext, ModelSpec, Range

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.families.pictograms_memory import Memory
    from models.families.sentence import SentenceEncoder

SCHEDULERS = ("DPM++ 2M", "DDIM", "Euler", "Euler a", "UniPC")
STRENGTH = 0.5  # how much of the noise schedule is painted over the first neighbour; more smears what it shows
REPAINTED = 0.7  # the same where a background is asked for that is no plain colour


class PictogramDiffusion(Painter):
    """Implements the text-to-image contract for the starter pack."""

    def __init__(
        self, unet: nn.Module, vqgan: nn.Module, memory: Memory, sentence: SentenceEncoder, facts: Mapping[str, Any]
    ) -> None:
        super().__init__(vqgan, memory, sentence, facts)
        self.unet, self.facts = unet.eval().requires_grad_(False), facts
        self.token_limit = 32

    @property
    def device(self) -> Any:
        return next(self.unet.parameters()).device

    def to(self, device: str) -> PictogramDiffusion:
        self.unet.to(device)
        self.vqgan.to(device)
        return self

    def overflow(self, prompt: str) -> str:
        """The end of the prompt that the model does not read; empty when it reads all."""
        return self.sentence.overflow(prompt, self.token_limit)

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
        """A run of one candidate per seed; width and height are 128, what the memory holds."""
        prompt, colour = ground_of(prompt)
        decode = self.decode if colour is None else lambda latents: on_ground(self.decode(latents), colour)
        states, mask = self.sentence.token_states([prompt, negative], length=self.token_limit)
        words = [{"states": states[k : k + 1].repeat(len(seeds), 1, 1), "mask": mask[k : k + 1].repeat(len(seeds), 1)}
                 for k in (0, 1)]  # fmt: skip
        helps = self.neighbours(prompt, seeds).to(self.device)
        given = {**words[0], "neighbours": helps}
        absent = {**words[1], "neighbours": helps * 0}  # guidance pushes away from "no help at all", as in training
        return Sampling(
            self._denoise,
            decode,
            Conditioning(given, absent),
            seeds=seeds,
            latent_shape=(len(self.mean), SIZE // 8, SIZE // 8),
            steps=steps,
            guidance=guidance,
            scheduler=scheduler,
            scheduler_config=self.facts["schedule"],
            device=str(self.device),
            decode_rows=16,
            origin=helps[:, : len(self.mean)],  # the first neighbour; a network this small needs it as a sketch
            strength=self.facts.get("strength", REPAINTED if wants_background(prompt) else STRENGTH),
        )

    def _denoise(self, latents: Tensor, timestep: Tensor, told: Mapping[str, Tensor]) -> Tensor:
        import torch

        seen = torch.cat([latents, told["neighbours"]], 1)
        steps = timestep.expand(len(latents)).to(latents.device)
        return self.unet(seen, steps, told["states"], encoder_attention_mask=told["mask"]).sample


def load(context: LoadContext) -> PictogramDiffusion:
    """The model on the context's device; shares the sentence encoder with whoever else uses it."""
    from diffusers import UNet2DConditionModel

    folder = require(context.spec, context.settings)
    context.report(0.2, "reading the denoiser")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").float()
    context.report(0.6, "reading the VQGAN")
    vqgan, memory = read_shared(folder.parent)
    facts = json.loads((folder / "config.json").read_text())
    with context.pool.use("minilm") as sentence:
        return PictogramDiffusion(unet, vqgan, memory, sentence, facts).to(context.device)


SPECS = (
    ModelSpec(
        name="pictograms-ldm",
        title="Pictograms (diffusion)",
        role="text_to_image",
        pack="starter",
        source="pictograms-ldm",
        revision=None,
        licence="MIT (weights); trained on MIT, Apache-2.0, CC-BY and public-domain pictures",
        download_mb=60,
        memory_mb=120,
        load=load,
        order=1,  # an hour of training on a CPU brought the GAN further (training/RESULTS.md)
        controls={
            "width": Range(SIZE, SIZE, 8, SIZE),
            "height": Range(SIZE, SIZE, 8, SIZE),
            "steps": Range(1, 50, 1, 10),
            "guidance": Range(1, 10, 0.1, 2.0),
            "schedulers": SCHEDULERS,
        },
        default_scheduler="DPM++ 2M",
        looks=(0.1, 0.4),  # the cheapest pair that keeps 98 % of the best score (benchmark rank_agreement)
        note="Paints over a remembered pictogram step by step.",
    ),
)

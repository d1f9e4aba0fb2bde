"""The starter pack's latent diffusion model: 128-pixel pictograms from words and a few remembered neighbours.

A small diffusers UNet (v-prediction) over the latents of the starter VQGAN, reading MiniLM's token states and sentence
vector and two neighbours from its memory. It paints one thing on white: two things are painted each alone, side by side
in one run. Trained by ``training/ldm.py``; sampled by the same loop as the published models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.families.pictograms_ground import balanced, ground_of, on_ground
from models.families.pictograms_painter import SIZE, Painter, read_shared, set_out
from models.families.pictograms_query import lookups, split_pair, things_alone, wanted_colours
from models.families.sampling import Conditioning, Sampling
from models.families.sentence import TOKENS
from models.sources import require
from models.spec import LoadContext, ModelSpec, Range

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.families.pictograms_memory import Memory
    from models.families.sentence import SentenceEncoder

SCHEDULERS = ("DPM++ 2M", "DDIM", "Euler", "Euler a", "UniPC")
STRENGTH = 0.6  # how much of the noise schedule is painted over the first neighbour
RECOLOURED = 1.0  # the same where the prompt names a colour: what is painted over keeps its own


class PictogramDiffusion(Painter):
    """Implements the text-to-image contract for the starter pack."""

    def __init__(
        self, unet: nn.Module, vqgan: nn.Module, memory: Memory, sentence: SentenceEncoder, facts: Mapping[str, Any]
    ) -> None:
        super().__init__(vqgan, memory, sentence, facts)
        self.unet, self.facts = unet.eval().requires_grad_(False), facts
        self.token_limit = TOKENS

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
        import torch

        bare, colour = ground_of(prompt)
        things = things_alone(bare) or (bare,)
        relation = split_pair(bare)[1] if len(things) == 2 else None
        helps = [self.redrawn_from(thing, seeds, place) for place, thing in enumerate(things)]
        neighbours = torch.stack(helps, 1).to(self.device)  # (n, things, planes, 16, 16)
        # Read together, so that all have one length.
        words = told(*self.sentence.token_states([*things, negative], length=self.token_limit))
        given, absent = (
            {name: part[None, rows].expand(len(seeds), -1, *part.shape[1:]) for name, part in words.items()}
            for rows in (range(len(things)), [-1] * len(things))
        )
        return Sampling(
            self._denoise,
            lambda latents: self._picture(latents, relation, colour),
            # Guidance pushes away from "no help at all" and the negative prompt, as in training.
            Conditioning(given | {"neighbours": neighbours}, absent | {"neighbours": neighbours * 0}),
            seeds=seeds,
            latent_shape=(len(things) * len(self.mean), SIZE // 8, SIZE // 8),
            steps=steps,
            guidance=guidance,
            scheduler=scheduler,
            scheduler_config=self.facts["schedule"],
            device=str(self.device),
            decode_rows=16,
            # The first neighbour of each thing: a network this small needs it as a sketch.
            origin=neighbours[:, :, : len(self.mean)].flatten(1, 2),
            strength=strength_of(bare),
        )

    def _denoise(self, latents: Tensor, timestep: Tensor, words: Mapping[str, Tensor]) -> Tensor:
        """The things of a picture lie one behind the other in its channels; the network sees each alone."""
        import torch

        each = {name: part.to(latents.device).flatten(0, 1) for name, part in words.items()}
        seen = torch.cat([self._apart(latents), each.pop("neighbours")], 1)
        output = self.unet(seen, timestep.expand(len(seen)).to(seen.device), **each).sample
        return output.unflatten(0, (len(latents), -1)).flatten(1, 2)

    def _apart(self, latents: Tensor) -> Tensor:
        """(n, things * C, 16, 16) to (n * things, C, 16, 16)."""
        return latents.unflatten(1, (-1, len(self.mean))).flatten(0, 1)

    def _picture(self, latents: Tensor, relation: str | None, colour: tuple[int, int, int] | None) -> Tensor:
        """Latents (n, things * C, 16, 16) to pictures (n, 3, 128, 128), about [0, 1]."""
        pictures = balanced(self.decode(self._apart(latents)))  # what begins as noise ends on paper with a tint
        if relation is not None:
            pictures = set_out(pictures[0::2], pictures[1::2], relation)
        return pictures if colour is None else on_ground(pictures, colour)


def strength_of(prompt: str) -> float:
    """How much of the noise schedule is painted; the prompt comes without a background."""
    return RECOLOURED if wanted_colours(lookups(prompt)[0]) else STRENGTH


def told(states: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """What the denoiser is told about texts, by the names of diffusers' arguments: MiniLM's token states (N, L, 384),
    their mask (N, L) bool, and of these sentence vectors (N, 384) of unit variance, which scale and shift every layer.
    """
    import torch.nn.functional as F

    pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    vectors = F.normalize(pooled, dim=1) * pooled.shape[1] ** 0.5
    return {"encoder_hidden_states": states, "encoder_attention_mask": mask, "class_labels": vectors}


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
        download_mb=34,
        memory_mb=70,
        load=load,
        order=1,  # the GAN is as good and four times as fast (training/RESULTS.md)
        controls={
            "width": Range(SIZE, SIZE, 8, SIZE),
            "height": Range(SIZE, SIZE, 8, SIZE),
            "steps": Range(1, 50, 1, 10),
            "guidance": Range(1, 10, 0.1, 2.0),
            "schedulers": SCHEDULERS,
        },
        default_scheduler="DPM++ 2M",
        looks=(0.1, 0.4),  # the cheapest pair that kept 98 % of version 0's best score (benchmark rank_agreement)
        note="Paints over a remembered pictogram step by step.",
    ),
)

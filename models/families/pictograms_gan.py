"""The starter pack's GAN: a 128-pixel pictogram in one pass, beside the diffusion model's many.

The generator (``models/gan_generator.py``) reads one MiniLM sentence vector and redraws a remembered neighbour. VQGAN
and memory are those of the diffusion model. Trained by ``training/gan.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families.pictograms_painter import SIZE, Painter, read_shared
from models.sources import require
from models.spec import LoadContext, ModelSpec, Range

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.families.pictograms_memory import Memory
    from models.families.sentence import SentenceEncoder
    from models.gan_generator import Generator


class OnePass:
    """A `Sampling` of a single step: the same contract as the denoising loop, with nothing to see on the way.

    Candidate k depends on `seeds[k]` alone, so it re-renders alone the same.
    """

    total = 1

    def __init__(self, model: PictogramGan, vector: Tensor, neighbours: Tensor, seeds: Sequence[int]) -> None:
        self._model, self._vector, self._neighbours, self._pictures = model, vector, neighbours, None
        self.seeds, self.done = tuple(int(seed) for seed in seeds), 0

    @property
    def size(self) -> int:
        """Candidates still in the batch."""
        return len(self.seeds)

    def step(self) -> None:
        """Paints all candidates. Raises RuntimeError when that is done."""
        import torch

        if self.done:
            raise RuntimeError("the one step is done")
        generator = self._model.generator
        # Drawn on the CPU, one generator a candidate: the same seed gives the same picture on any device.
        noise = [torch.randn(generator.noise, generator=torch.Generator().manual_seed(s)) for s in self.seeds]
        with torch.no_grad():
            words = self._vector.expand(self.size, -1)
            latents = generator(torch.stack(noise).to(words), words, self._neighbours)
            self._pictures = self._model.decode(latents).float().clamp(0, 1).cpu()
        self.done = 1

    def predicted(self) -> Tensor:
        """Pictures (n, 3, 128, 128) float32 [0, 1]. Raises RuntimeError before the step."""
        if self._pictures is None:
            raise RuntimeError("nothing is painted before the first step")
        return self._pictures

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with these candidates only, in this order. Raises ValueError on an empty, repeated or unknown index."""
        chosen = [int(index) for index in indices]
        if not chosen or len(set(chosen)) < len(chosen) or not all(0 <= index < self.size for index in chosen):
            raise ValueError(f"cannot keep {chosen} of {self.size} candidates")
        self.seeds, self._neighbours = tuple(self.seeds[index] for index in chosen), self._neighbours[chosen]
        self._pictures = None if self._pictures is None else self._pictures[chosen]


class PictogramGan(Painter):
    """Implements the text-to-image contract for a generator and the parts that it shares."""

    def __init__(
        self,
        generator: Generator,
        vqgan: nn.Module,
        memory: Memory,
        sentence: SentenceEncoder,
        facts: Mapping[str, Any],
    ) -> None:
        super().__init__(vqgan, memory, sentence, facts)
        self.generator = generator.eval().requires_grad_(False)
        self.token_limit = sentence.token_limit

    @property
    def device(self) -> Any:
        return next(self.generator.parameters()).device

    def to(self, device: str) -> PictogramGan:
        self.generator.to(device)
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
    ) -> OnePass:
        """A run of one candidate per seed. A GAN has one step, and nothing to guide or to schedule."""
        vector = self.sentence.encode([prompt]).to(self.device)
        return OnePass(self, vector, self.neighbours(prompt, seeds).to(self.device), seeds)


def read_generator(folder: Path) -> Generator:
    """A generator from ``config.json`` and its safetensors shards."""
    from safetensors.torch import load_file

    from models.gan_generator import Generator

    generator = Generator(**json.loads((folder / "config.json").read_text())["architecture"])
    state: dict[str, Tensor] = {}
    for shard in sorted(folder.glob("*.safetensors")):
        state |= load_file(shard)
    generator.load_state_dict({name: value.float() for name, value in state.items()})
    return generator


def load(context: LoadContext) -> PictogramGan:
    """The model on the context's device; shares the sentence encoder with whoever else uses it."""
    folder = require(context.spec, context.settings)
    context.report(0.3, "reading the generator")
    generator, facts = read_generator(folder), json.loads((folder / "config.json").read_text())
    context.report(0.5, "reading the VQGAN and the memory")
    vqgan, memory = read_shared(folder.parent)
    with context.pool.use("minilm") as sentence:
        return PictogramGan(generator, vqgan, memory, sentence, facts).to(context.device)


SPECS = (
    ModelSpec(
        name="pictograms-gan",
        title="Pictograms (GAN)",
        role="text_to_image",
        pack="starter",
        source="pictograms-gan",
        revision=None,
        licence="MIT (weights); trained on MIT, CC-BY 4.0 and public-domain pictures",
        download_mb=11,
        memory_mb=60,
        load=load,
        controls={
            "width": Range(SIZE, SIZE, 8, SIZE),
            "height": Range(SIZE, SIZE, 8, SIZE),
            "steps": Range(1, 1, 1, 1),
        },
        note="Redraws a remembered pictogram after your words in a single pass.",
        files=("config.json", "*.safetensors"),
    ),
)

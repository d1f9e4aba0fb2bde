"""The starter pack's GAN: a 128-pixel pictogram in one pass, beside the diffusion model's many.

The generator (``models/gan_generator.py``) reads one MiniLM sentence vector and redraws a remembered neighbour. VQGAN
and memory are those of the diffusion model. Trained by ``training/gan.py``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families.pictograms_ground import ground_of, on_ground
from models.families.pictograms_painter import SIZE, Painter, read_shared, set_out
from models.families.pictograms_query import split_pair, things_alone
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

    def __init__(self, paint: Callable[[Sequence[int]], Tensor], seeds: Sequence[int]) -> None:
        self._paint, self._pictures = paint, None
        self.seeds, self.done = tuple(int(seed) for seed in seeds), 0

    @property
    def size(self) -> int:
        """Candidates still in the batch."""
        return len(self.seeds)

    def step(self) -> None:
        """Paints all candidates. Raises RuntimeError when that is done."""
        if self.done:
            raise RuntimeError("the one step is done")
        self._pictures, self.done = self._paint(self.seeds), 1

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
        self.seeds = tuple(self.seeds[index] for index in chosen)
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
        return OnePass(functools.partial(self.paint, prompt), seeds)

    def paint(self, prompt: str, seeds: Sequence[int]) -> Tensor:
        """Pictures (n, 3, 128, 128) float32 [0, 1]; the k-th depends on `seeds[k]` alone."""
        import torch

        bare, colour = ground_of(prompt)
        things = things_alone(bare)
        with torch.no_grad():
            if things is None:
                pictures = self.decode(self._redraw(bare, self.neighbours(bare, seeds), seeds))
            else:
                pictures = self._compose(bare, things, seeds)
            pictures = pictures if colour is None else on_ground(pictures, colour)
        return pictures.clamp(0, 1).cpu()

    def _compose(self, prompt: str, things: tuple[str, str], seeds: Sequence[int]) -> Tensor:
        """Two things at half size, each redrawn alone: a network so small mixes up which of the two is to be red."""
        _, relation, _ = split_pair(prompt)
        first, second = (
            self.decode(self._redraw(thing, self.redrawn_from(thing, seeds, place), seeds))
            for place, thing in enumerate(things)
        )
        return set_out(first, second, relation)

    def _redraw(self, prompt: str, neighbours: Tensor, seeds: Sequence[int]) -> Tensor:
        """Latents of unit variance (n, C, 16, 16)."""
        import torch

        # Drawn on the CPU, one generator a candidate: the same seed gives the same picture on any device.
        noise = [torch.randn(self.generator.noise, generator=torch.Generator().manual_seed(int(s))) for s in seeds]
        words = self.sentence.encode([prompt]).to(self.device).expand(len(noise), -1)
        return self.generator(torch.stack(noise).to(words), words, neighbours.to(words))


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
        licence="MIT (weights); trained on MIT, Apache-2.0, CC-BY and public-domain pictures",
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

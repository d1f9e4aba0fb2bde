"""The denoising loop of every latent diffusion model in the app, one step at a time and prunable in the middle.

A family gives three things: `denoise` (the network), `decode` (latents to pictures) and a `Conditioning` (what to
paint). Everything about noise levels, guidance, seeds and pruning is here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.families.diffusion_schedulers import (
    calls_per_step,
    clean_estimate,
    make_scheduler,
    prune_scheduler,
    signal_rate,
)

if TYPE_CHECKING:
    import torch

    # latents (m, C, h, w) float32 as scaled by the scheduler, timestep 0-d, conditioning {name: (m, ...)}
    # -> the network's output (m, C, h, w), any float dtype. m counts candidates, twice over under guidance.
    Denoise = Callable[[torch.Tensor, torch.Tensor, Mapping[str, torch.Tensor]], torch.Tensor]
    # latents (m, C, h, w) float32, as diffused (still multiplied by the VAE's scaling factor) -> (m, 3, H, W) in [0, 1]
    Decode = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Conditioning:
    """What the network is told: tensors by name, all batch-first with one row per candidate.

    `given` follows the prompt, `absent` the negative (or empty) prompt, with the same names and shapes;
    without `absent` no guidance is possible.
    """

    given: Mapping[str, torch.Tensor]
    absent: Mapping[str, torch.Tensor] | None = None

    def repeat(self, count: int) -> Conditioning:
        """One-row tensors -> the same row for each of `count` candidates."""
        return self._map(lambda tensor: tensor.expand(count, *tensor.shape[1:]))

    def select(self, indices: torch.Tensor) -> Conditioning:
        """Only the rows `indices`, in that order."""
        return self._map(lambda tensor: tensor[indices.to(tensor.device)])

    def doubled(self) -> dict[str, torch.Tensor]:
        """The rows of `absent`, then those of `given`: {name: (2n, ...)}."""
        import torch

        if self.absent is None:
            raise ValueError("guidance needs a conditioning for the negative prompt")
        return {name: torch.cat([self.absent[name], tensor]) for name, tensor in self.given.items()}

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Conditioning:
        given = {name: change(tensor) for name, tensor in self.given.items()}
        absent = self.absent and {name: change(tensor) for name, tensor in self.absent.items()}
        return Conditioning(given, absent)


class Sampling:
    """One run of a batch of candidates. Candidate k depends on `seeds[k]` alone, so it re-renders alone the same.

    `latent_shape` is (C, h, w). `scheduler` is a name of `SCHEDULERS`, made from the model's own `scheduler_config`.
    With `origin` (n, C, h, w), scaled like the latents, painting starts from these pictures with so much noise that
    `strength` of the schedule remains (SDEdit, Meng et al. 2022); all `steps` are spent on that rest.
    Guidance at or below 1 means none, and halves the work. At most `max_rows` rows go through the network at once,
    and `decode_rows` through the decoder; both bound the memory of a run.
    """

    def __init__(
        self,
        denoise: Denoise,
        decode: Decode,
        conditioning: Conditioning,
        *,
        seeds: Sequence[int],
        latent_shape: tuple[int, int, int],
        steps: int,
        guidance: float,
        scheduler: str,
        scheduler_config: Mapping[str, Any],
        device: str = "cpu",
        max_rows: int = 32,
        decode_rows: int = 4,
        origin: torch.Tensor | None = None,
        strength: float = 1.0,
    ) -> None:
        import inspect

        import torch

        self._denoise, self._decode, self._conditioning = denoise, decode, conditioning
        self._guidance, self._max_rows, self._decode_rows = guidance, max_rows, decode_rows
        self._scheduler, self._step_options = make_scheduler(scheduler, scheduler_config)
        planned = steps if origin is None else max(steps, round(steps / strength))
        self._scheduler.set_timesteps(planned)
        calls = calls_per_step(self._scheduler, planned)
        skipped, self._calls = calls[: planned - steps], calls[planned - steps :]
        if hasattr(self._scheduler, "set_begin_index"):  # else duplicate first timesteps start one step late
            self._scheduler.set_begin_index(sum(map(len, skipped)))
        self._takes_generator = "generator" in inspect.signature(self._scheduler.step).parameters
        self.total, self.done = len(self._calls), 0
        self.seeds = tuple(int(seed) for seed in seeds)
        # Noise is drawn on the CPU, one generator a candidate: the same seed gives the same picture on any device.
        self._generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        noise = torch.stack([torch.randn(latent_shape, generator=generator) for generator in self._generators])
        if origin is None:
            self._latents = (noise * self._scheduler.init_noise_sigma).to(device)
        else:
            timesteps = self._calls[0][0].expand(len(noise))
            self._latents = self._scheduler.add_noise(origin.float().cpu(), noise, timesteps).to(device)
        self._clean: torch.Tensor | None = None

    @property
    def size(self) -> int:
        """Candidates still in the batch."""
        return len(self.seeds)

    def step(self) -> None:
        """One scheduler step for all candidates still in the batch. Raises RuntimeError when all steps are done."""
        import torch

        if self.done == self.total:
            raise RuntimeError(f"all {self.total} steps are done")
        prediction_type = self._scheduler.config.prediction_type
        with torch.no_grad():
            for timestep in self._calls[self.done]:
                model_input = self._scheduler.scale_model_input(self._latents, timestep)
                output = self._guided(model_input, timestep)
                alpha = signal_rate(self._scheduler, timestep)
                self._clean = clean_estimate(model_input, output, alpha, prediction_type)
                self._latents = self._scheduler.step(output, timestep, self._latents, **self._options()).prev_sample
        self.done += 1

    def predicted(self) -> torch.Tensor:
        """Pictures (n, 3, H, W) float32 [0, 1] of where each candidate is heading; the final ones when done.

        Raises RuntimeError before the first step: there is nothing but noise yet.
        """
        import torch

        if self._clean is None:
            raise RuntimeError("nothing is predicted before the first step")
        latents = self._latents if self.done == self.total else self._clean
        with torch.no_grad():
            # A few at a time: a decoder's activations at full size are the largest tensors of a whole run.
            pictures = [self._decode(rows).float().clamp(0, 1).cpu() for rows in latents.split(self._decode_rows)]
        return torch.cat(pictures)

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with these candidates only, in this order. Raises ValueError on an empty, repeated or unknown index."""
        import torch

        chosen = [int(index) for index in indices]
        if not chosen or len(set(chosen)) < len(chosen) or not all(0 <= index < self.size for index in chosen):
            raise ValueError(f"cannot keep {chosen} of {self.size} candidates")
        rows = torch.tensor(chosen)
        prune_scheduler(self._scheduler, rows, self._latents.shape)
        self._latents = self._latents[rows.to(self._latents.device)]
        self._clean = None if self._clean is None else self._clean[rows.to(self._clean.device)]
        self._conditioning = self._conditioning.select(rows)
        self._generators = [self._generators[index] for index in chosen]
        self.seeds = tuple(self.seeds[index] for index in chosen)

    def _guided(self, model_input: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The network's output (n, C, h, w) float32, after classifier-free guidance in one batch."""
        import torch

        if self._guidance <= 1:
            return self._in_slices(model_input, timestep, self._conditioning.given)
        both = self._in_slices(torch.cat([model_input] * 2), timestep, self._conditioning.doubled())
        absent, given = both.chunk(2)
        return absent + self._guidance * (given - absent)

    def _in_slices(
        self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        import torch

        outputs = []
        for start in range(0, len(latents), self._max_rows):
            rows = slice(start, start + self._max_rows)
            told = {name: tensor[rows] for name, tensor in conditioning.items()}
            outputs.append(self._denoise(latents[rows], timestep, told).float())
        return torch.cat(outputs)

    def _options(self) -> dict[str, Any]:
        if not self._takes_generator:
            return self._step_options
        # A list of one is fine; noise is drawn per candidate, so pruning does not shift anybody's randomness.
        return {**self._step_options, "generator": self._generators}

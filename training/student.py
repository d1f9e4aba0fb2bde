"""Distils the few-step student: ``python -m training.student --minutes 60 --export weights/pictograms-student``.

Latent consistency distillation (Luo et al. 2023) of ``pictograms-ldm`` into low-rank changes of its weights. From a
noisy picture the teacher, guided, walks one step of DDIM down a grid of timesteps; the student learns to see the same
clean picture from both ends of that step, and so, link by link, from the far end of the grid. Half of the noisy
pictures are the first neighbour under noise, as in the app, which keeps ``RECOLOURED`` of the schedule at most.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from models.families.pictograms_ldm import RECOLOURED, told
from models.families.pictograms_student import SPACING, WEIGHTS
from models.families.sentence import SentenceEncoder
from training.generation_scores import open_pool
from training.latent_batches import Batches, alone
from training.ldm import ITSELF
from training.loop import (
    TrainingRun,
    autocast_channels_last,
    common_arguments,
    cosine_rate,
    digest,
    make_accelerator,
)
from training.pictures import PAINTED, Pictograms
from training.remembered_texts import TextStates

HUBER = 1e-3  # of the pseudo-Huber loss, as in the paper's code


class LowRank(nn.Module):
    """A weight plus a learned product of two thin matrices; nothing at first."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outside, inside = weight.shape[0], weight[0].numel()
        rank = min(rank, outside)
        self.up = nn.Parameter(torch.zeros(outside, rank))
        self.down = nn.Parameter(torch.randn(rank, inside) / inside**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down).view_as(weight)


def adapt(unet: nn.Module, rank: int) -> dict[str, LowRank]:
    """Low-rank changes on every linear and convolutional layer, by the layer's name; all else is frozen."""
    unet.requires_grad_(False)
    layers = {name: layer for name, layer in unet.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    changes = {name: LowRank(layer.weight, rank) for name, layer in layers.items()}
    for name, layer in layers.items():
        parametrize.register_parametrization(layer, "weight", changes[name])
    return changes


class Curve:
    """The noise schedule's grid and what is computed on it. Latents are (n, C, 16, 16), timesteps (n,)."""

    def __init__(self, schedule: dict[str, Any], device: torch.device) -> None:
        self.scheduler = DDPMScheduler(**schedule)
        # One more entry, reached by index -1: after the last step nothing of the noise is left.
        self.alphas = torch.cat([self.scheduler.alphas_cumprod, torch.ones(1)]).to(device)
        self.links = round(schedule["num_train_timesteps"] * RECOLOURED) // SPACING

    def timesteps(self, n: int) -> Tensor:
        """Random upper ends of steps of the grid."""
        return (torch.randint(self.links, (n,), device=self.alphas.device) + 1) * SPACING - 1

    def rates(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Rates of signal and of noise, each (n, 1, 1, 1)."""
        alpha = self.alphas[timesteps][:, None, None, None]
        return alpha.sqrt(), (1 - alpha).sqrt()

    def noisy(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        signal, amount = self.rates(timesteps)
        return signal * latents + amount * noise

    def clean(self, noisy: Tensor, velocity: Tensor, timesteps: Tensor) -> Tensor:
        """The clean latents that a predicted velocity implies."""
        signal, amount = self.rates(timesteps)
        return signal * noisy - amount * velocity

    def down(self, noisy: Tensor, velocity: Tensor, timesteps: Tensor) -> Tensor:
        """One step of DDIM (Song et al. 2021) down the grid; at its end the clean latents."""
        signal, amount = self.rates(timesteps)
        noise = signal * velocity + amount * noisy
        return self.noisy(self.clean(noisy, velocity, timesteps), noise, timesteps - SPACING)


@dataclass(frozen=True)
class Batch:
    """``latents`` (N, C, 16, 16) to be put under noise, ``helps`` (N, planes, 16, 16); ``words``, and ``no_words`` of
    empty captions, as ``told`` gives them."""

    latents: Tensor
    helps: Tensor
    words: dict[str, Tensor]
    no_words: dict[str, Tensor]


def loss_of(student: nn.Module, teacher: nn.Module, curve: Curve, batch: Batch, guidance: float) -> Tensor:
    """How differently the student sees the two ends of one guided step of the teacher."""
    latents, helps, words = batch.latents, batch.helps, batch.words
    timesteps = curve.timesteps(len(latents))
    noisy = curve.noisy(latents, torch.randn_like(latents), timesteps)
    with torch.no_grad():
        given = see(teacher, noisy, timesteps, helps, words)
        absent = see(teacher, noisy, timesteps, helps * 0, batch.no_words)
        below = curve.down(noisy, absent + guidance * (given - absent), timesteps)
        lower = timesteps - SPACING
        target = curve.clean(below, see(student, below, lower.clamp(min=0), helps, words), lower)
        # At the end of the grid there is nothing left to predict: the teacher's own clean picture is the anchor.
        target = torch.where((lower < 0)[:, None, None, None], below, target)
    seen = curve.clean(noisy, see(student, noisy, timesteps, helps, words), timesteps)
    return ((seen - target).square() + HUBER**2).sqrt().mean() - HUBER


def see(unet: nn.Module, noisy: Tensor, timesteps: Tensor, helps: Tensor, words: dict[str, Tensor]) -> Tensor:
    """The velocity that a network predicts, float32."""
    return unet(torch.cat([noisy, helps], 1), timesteps, **words).sample.float()


def draw(batches: Batches, texts: TextStates, n: int, device: torch.device) -> Batch:
    """A batch in which nothing is dropped; in half of it the picture under the noise is the first neighbour."""
    picks = batches.rng.integers(len(batches.samples), size=n)
    latents = (batches.latents[torch.from_numpy(picks)].float() - batches.mean) / batches.std
    helps = torch.stack([batches.help(int(pick), drop_all=False, itself=ITSELF) for pick in picks])
    channels = latents.shape[1]
    sketched = torch.from_numpy(batches.rng.random(n) < 0.5) & (helps[:, channels, 0, 0] > 0)  # its mask plane
    latents = torch.where(sketched[:, None, None, None], helps[:, :channels], latents)
    words, no_words = (
        {name: part.to(device) for name, part in told(*texts(captions)).items()}
        for captions in ([batches.samples[pick]["caption"] for pick in picks], [""] * n)
    )
    return Batch(latents.to(device), helps.to(device), words, no_words)


def train(args: argparse.Namespace) -> dict[str, LowRank]:
    """Distils for ``args.minutes`` from the last checkpoint on; the averaged low-rank changes."""
    accelerator = make_accelerator(args.device, args.threads)
    run, data = TrainingRun(args.run, args.minutes), Pictograms(args.data, sources=PAINTED)
    torch.manual_seed(args.seed + 1)
    with open_pool(args.teacher.parent).use(args.teacher.name) as model:
        memory, facts, teacher = model.memory.seen_in_training(), model.facts, model.unet.to(accelerator.device)
    student = copy.deepcopy(teacher)
    changes = adapt(student, args.rank)
    student.to(accelerator.device, memory_format=torch.channels_last)
    parameters = [parameter for change in changes.values() for parameter in change.parameters()]
    optimiser = torch.optim.AdamW(parameters, args.rate, (0.9, 0.99), weight_decay=0.0)
    ema = EMAModel(parameters, decay=args.ema)
    ema.to(accelerator.device)
    run.track(changes=nn.ModuleList(changes.values()), optimiser=optimiser, ema=ema)
    run.resume()
    batches = Batches(args.latents, data, memory, args.seed + run.progress.steps, alone)
    curve, texts = Curve(facts["schedule"], accelerator.device), TextStates(SentenceEncoder(str(accelerator.device)))
    for step in run.steps(args.batch):
        for group in optimiser.param_groups:
            group["lr"] = args.rate * cosine_rate(step, 20, args.total_steps)
        batch = draw(batches, texts, args.batch, accelerator.device)
        with autocast_channels_last(accelerator):
            loss = loss_of(student, teacher, curve, batch, args.guidance)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        ema.step(parameters)
        run.log(loss=loss, norm=norm)
    ema.copy_to(parameters)
    return changes


def export(changes: dict[str, LowRank], args: argparse.Namespace) -> None:
    """Half-precision thin matrices, and what they were made for."""
    args.export.mkdir(parents=True, exist_ok=True)
    parts = {f"{name}.{side}": getattr(change, side) for name, change in changes.items() for side in ("up", "down")}
    save_file({name: part.detach().cpu().half().contiguous() for name, part in parts.items()}, args.export / WEIGHTS)
    facts = {"teacher": digest(args.teacher / "unet"), "guidance": args.guidance, "rank": args.rank}
    (args.export / "config.json").write_text(json.dumps(facts, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.student", description=__doc__.splitlines()[0])
    common_arguments(parser, "student")
    parser.add_argument("--latents", type=Path, default=Path("data/latents"))
    parser.add_argument("--teacher", type=Path, default=Path("weights/pictograms-ldm"))
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--guidance", type=float, default=2.0, help="of the teacher, folded into the student")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--ema", type=float, default=0.98)
    parser.add_argument("--total-steps", type=int, default=1_000, help="length of the learning-rate schedule")
    parser.set_defaults(batch=16)
    args = parser.parse_args()
    changes = train(args)
    if args.export:
        export(changes, args)


if __name__ == "__main__":
    main()

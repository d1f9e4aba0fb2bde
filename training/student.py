"""Distils the few-step student: ``python -m training.student --minutes 20 --export weights/pictograms-student``.

Guidance distillation (Meng et al. 2023, stage one) of ``pictograms-ldm`` into low-rank changes of its weights: what the
guided teacher sees in two passes, with words and without, the student learns to see in one. Half of the noisy pictures
are the first neighbour under noise, as in the app. Multistep solvers need four steps of it; latent consistency
distillation, tried before, left a mosaic (training/RESULTS.md).
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from models.families.pictograms_ldm import told
from models.families.pictograms_student import WEIGHTS
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


@dataclass(frozen=True)
class Batch:
    """``latents`` (N, C, 16, 16) to be put under noise, ``helps`` (N, planes, 16, 16); ``words``, and ``no_words`` of
    empty captions, as ``told`` gives them."""

    latents: Tensor
    helps: Tensor
    words: dict[str, Tensor]
    no_words: dict[str, Tensor]


def loss_of(student: nn.Module, teacher: nn.Module, schedule: DDPMScheduler, batch: Batch, guidance: float) -> Tensor:
    """How far the student's velocity is from the teacher's guided one."""
    latents, helps = batch.latents, batch.helps
    timesteps = torch.randint(schedule.config.num_train_timesteps, (len(latents),), device=latents.device)
    noisy = schedule.add_noise(latents, torch.randn_like(latents), timesteps)
    with torch.no_grad():
        given = see(teacher, noisy, timesteps, helps, batch.words)
        absent = see(teacher, noisy, timesteps, helps * 0, batch.no_words)
        target = absent + guidance * (given - absent)
    return (see(student, noisy, timesteps, helps, batch.words) - target).square().mean()


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
    schedule, texts = DDPMScheduler(**facts["schedule"]), TextStates(SentenceEncoder(str(accelerator.device)))
    for step in run.steps(args.batch):
        for group in optimiser.param_groups:
            group["lr"] = args.rate * cosine_rate(step, 20, args.total_steps)
        batch = draw(batches, texts, args.batch, accelerator.device)
        with autocast_channels_last(accelerator):
            loss = loss_of(student, teacher, schedule, batch, args.guidance)
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

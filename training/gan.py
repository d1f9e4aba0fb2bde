"""Trains the starter pack's GAN: ``python -m training.gan --minutes 120 --export weights/pictograms-gan``.

Generator and discriminator learn against each other (Goodfellow et al. 2014) in the latents of the starter VQGAN; the
discriminator must also notice words that do not fit (matching-aware, Reed et al. 2016). The generator is shown
remembered neighbours, as the diffusion model is, and besides pulled towards the real picture (pix2pix, Isola et al.
2017).
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import VQModel
from diffusers.training_utils import EMAModel
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn

from models.families.pictograms_gan import PictogramGan, read_generator
from models.families.pictograms_memory import NEIGHBOURS
from models.families.sentence import SentenceEncoder
from models.gan_generator import Generator
from training.gan_judge import Judge
from training.gan_sheet import draw_sheet
from training.latent_batches import Batches, alone
from training.loop import TrainingRun, common_arguments, cosine_rate, make_accelerator
from training.memory import build_memory
from training.pictures import PAINTED, Pictograms
from training.remembered_texts import Vectors

CHANNELS = 4
ARCHITECTURE = {"latents": CHANNELS, "planes": NEIGHBOURS * (CHANNELS + 1), "widths": (96, 160, 256), "noise": 32,
                "text": 384, "words": 128, "style": 256}  # fmt: skip
ITSELF = 0.5  # how often the neighbour is the picture itself: what the words already fit is to be left as it is
HAZE = 0.25  # length of the noise on sentence vectors of length one: nearby sentences are to give nearby pictures


@dataclass
class Parts:
    """Everything that a training step touches."""

    generator: Generator
    judge: Judge
    optimiser: torch.optim.Optimizer
    judge_optimiser: torch.optim.Optimizer
    ema: EMAModel


@dataclass(frozen=True)
class Batch:
    """``latents`` (N, C, 16, 16) and ``neighbours`` (N, planes, 16, 16) as `Batches` gives them; ``texts`` (N, 384)
    tell what is shown, ``wrongs`` (N, 384) do not."""

    latents: Tensor
    neighbours: Tensor
    texts: Tensor
    wrongs: Tensor


def judge_loss(right: Tensor, wrong: Tensor, fake: Tensor) -> Tensor:
    """Matching-aware hinge loss: only real pictures with the right words are to be above zero."""
    return F.relu(1 - right).mean() + (F.relu(1 + wrong).mean() + F.relu(1 + fake).mean()) / 2


def hazy(texts: Tensor) -> Tensor:
    """Sentence vectors a little beside themselves, of unit length again; (N, D)."""
    return F.normalize(texts + HAZE * torch.randn_like(texts) / texts.shape[1] ** 0.5, dim=1)


def training_step(parts: Parts, batch: Batch, likeness: float) -> dict[str, Tensor]:
    """One step of both networks; the losses. Latents are generated once, for both of them."""
    noise = torch.randn(len(batch.texts), parts.generator.noise, device=batch.texts.device)
    fakes = parts.generator(noise, hazy(batch.texts), batch.neighbours)

    parts.judge.requires_grad_(True)
    right, wrong = parts.judge(batch.latents, batch.texts, batch.wrongs)
    (fake,) = parts.judge(fakes.detach(), batch.texts)
    losses = {"judge": judge_loss(right, wrong, fake)}
    parts.judge_optimiser.zero_grad(set_to_none=True)
    losses["judge"].backward()
    parts.judge_optimiser.step()

    parts.judge.requires_grad_(False)  # spares the gradients of weights that do not move now
    losses["fool"] = -parts.judge(fakes, batch.texts)[0].mean()
    losses["likeness"] = (fakes - batch.latents).abs().mean()
    parts.optimiser.zero_grad(set_to_none=True)
    (losses["fool"] + likeness * losses["likeness"]).backward()
    losses["norm"] = nn.utils.clip_grad_norm_(parts.generator.parameters(), 10.0)
    parts.optimiser.step()
    parts.ema.step(parts.generator.parameters())
    changed = (fakes - batch.neighbours[:, : fakes.shape[1]]).abs().mean()
    return losses | {"right": right.mean(), "wrong": wrong.mean(), "fake": fake.mean(), "changed": changed}


def make_parts(args: argparse.Namespace, device: torch.device, shipped: Path | None = None) -> Parts:
    """New networks and optimisers; every run with one seed begins with the same. A ``shipped`` generator goes on."""
    torch.manual_seed(args.seed)
    generator, judge = Generator(**ARCHITECTURE).to(device), Judge(CHANNELS).to(device)
    if shipped is not None:
        generator.load_state_dict(read_generator(shipped).state_dict())
    optimiser = torch.optim.Adam(generator.parameters(), args.rate, (0.0, 0.99))
    judge_optimiser = torch.optim.Adam(judge.parameters(), args.judge_rate, (0.0, 0.99))
    ema = EMAModel(generator.parameters(), decay=args.ema)
    ema.to(device)
    return Parts(generator, judge, optimiser, judge_optimiser, ema)


def train(args: argparse.Namespace) -> tuple[Generator, dict[str, Any]]:
    """Trains for ``args.minutes`` from the last checkpoint on; the generator with averaged weights, and its config."""
    accelerator = make_accelerator(args.device, args.threads)
    run, data, sentence = TrainingRun(args.run, args.minutes), Pictograms(args.data, sources=PAINTED), SentenceEncoder()
    vqgan = VQModel.from_pretrained(args.vqgan).eval()
    memory = build_memory(data, load_file(args.latents / "memory.safetensors"), vqgan, sentence)
    parts = make_parts(args, accelerator.device, args.export if run.begins_with(args.export) else None)
    run.track(generator=parts.generator, judge=parts.judge, ema=parts.ema)
    run.track(optimiser=parts.optimiser, judge_optimiser=parts.judge_optimiser)
    run.resume()
    torch.manual_seed(args.seed + run.progress.steps)
    batches = Batches(args.latents, data, memory.seen_in_training(), args.seed + run.progress.steps, alone)
    facts = {"mean": batches.mean.flatten().tolist(), "std": batches.std.flatten().tolist()}
    read = Vectors(sentence)
    for step in run.steps(args.batch):
        factor = cosine_rate(step, 50, args.total_steps)
        parts.optimiser.param_groups[0]["lr"] = args.rate * factor
        parts.judge_optimiser.param_groups[0]["lr"] = args.judge_rate * factor
        latents, neighbours, texts, wrongs = batches.matched(args.batch, ITSELF)
        given = [each.to(accelerator.device) for each in (latents, neighbours, read(texts), read(wrongs))]
        with accelerator.autocast():
            run.log(**training_step(parts, Batch(*given), args.likeness))
        if (step + 1) % args.sheet_every == 0:
            averaged = copy.deepcopy(parts.generator)
            parts.ema.copy_to(averaged.parameters())
            export(averaged, facts, args.run.with_name(f"{args.run.name}-export"))
            model = PictogramGan(averaged.cpu(), vqgan, memory, sentence, facts)
            draw_sheet(model).save(args.run / f"sheet-{step + 1:06d}.webp", quality=85)
    parts.ema.copy_to(parts.generator.parameters())
    return parts.generator, facts


def export(generator: Generator, facts: dict[str, Any], folder: Path) -> None:
    """Half-precision shards under 10 MB and the config; ``facts`` are the latents' mean and deviation."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    state = {name: value.half().contiguous() for name, value in generator.state_dict().items()}
    save_torch_state_dict(state, folder, max_shard_size="9MB")
    (folder / "config.json").write_text(json.dumps({"architecture": ARCHITECTURE, **facts}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.gan", description=__doc__.splitlines()[0])
    common_arguments(parser, "gan")
    parser.add_argument("--latents", type=Path, default=Path("data/latents"), help="what training.latents wrote")
    parser.add_argument("--vqgan", type=Path, default=Path("weights/pictograms-vqgan"))
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--judge-rate", type=float, default=4e-4)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--total-steps", type=int, default=10_000, help="length of the learning-rate schedule")
    parser.add_argument("--likeness", type=float, default=3.0, help="weight of the pull towards the real picture")
    parser.add_argument("--sheet-every", type=int, default=500, help="steps between two looks")
    args = parser.parse_args()
    generator, facts = train(args)
    if args.export:
        export(generator, facts, args.export)


if __name__ == "__main__":
    main()

"""Trains the starter pack's GAN: ``python -m training.gan --minutes 120 --export weights/pictograms-gan``.

Generator and discriminator learn against each other (Goodfellow et al. 2014); the discriminator must also notice words
that do not fit the picture (matching-aware, Reed et al. 2016) and looks through a pretrained network (Projected GANs,
Sauer et al. 2021). Of two pictures of one caption, the one nearer to the real picture is pulled towards it (conditional
implicit maximum likelihood, Li et al. 2020), which brings shapes early and leaves the noise its say.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from huggingface_hub import save_torch_state_dict
from torch import Tensor, nn

from models.families.sentence import SentenceEncoder
from models.gan_generator import Generator
from training.gan_data import Batch, Captioned
from training.gan_judge import Augmentation, Features, Judge
from training.gan_sheet import draw_sheet
from training.loop import TrainingRun, common_arguments, cosine_rate, make_accelerator

ARCHITECTURE = {"channels": (384, 256, 160, 80, 32), "refined": 16, "noise": 64, "text": 384, "words": 128,
                "style": 256}  # fmt: skip
DRAWS = 2  # pictures of every caption
HAZE = 0.25  # length of the noise on sentence vectors of length one: nearby sentences are to give nearby pictures


@dataclass
class Parts:
    """Everything that a training step touches."""

    generator: Generator
    judge: Judge
    features: Features
    optimiser: torch.optim.Optimizer
    judge_optimiser: torch.optim.Optimizer
    ema: EMAModel


def judge_loss(right: Tensor, wrong: Tensor, fake: Tensor) -> Tensor:
    """Matching-aware hinge loss: only real pictures with the right words are to be above zero."""
    return F.relu(1 - right).mean() + (F.relu(1 + wrong).mean() + F.relu(1 + fake).mean()) / 2


def distances(ours: list[Tensor], real: list[Tensor]) -> Tensor:
    """How far pictures are from the real ones in unit-normalised features, strides 4 and up: (N,)."""
    pairs = [(F.normalize(a, dim=1), F.normalize(b, dim=1)) for a, b in zip(ours[1:], real[1:], strict=True)]
    return sum((a - b).square().sum(1).mean((1, 2)) for a, b in pairs) / len(pairs)


def likeness_loss(ours: list[Tensor], real: list[Tensor], fakes: Tensor, pictures: Tensor) -> Tensor:
    """The distance of the nearest of each caption's DRAWS fakes, and that of its colours in cells of 8 x 8 pixels."""
    cells, target = F.avg_pool2d(fakes, 8), F.avg_pool2d(pictures, 8).repeat(DRAWS, 1, 1, 1)
    apart = distances(ours, [each.repeat(DRAWS, 1, 1, 1) for each in real]) + (cells - target).abs().mean((1, 2, 3))
    return apart.view(DRAWS, -1).min(0).values.mean()


def hazy(texts: Tensor) -> Tensor:
    """Sentence vectors a little beside themselves, of unit length again; (N, D)."""
    return F.normalize(texts + HAZE * torch.randn_like(texts) / texts.shape[1] ** 0.5, dim=1)


def training_step(parts: Parts, batch: Batch, likeness: float) -> dict[str, Tensor]:
    """One step of both networks; the losses. Pictures are generated and looked at once, for both of them."""
    told = batch.texts.repeat(DRAWS, 1)
    noise = torch.randn(len(told), parts.generator.noise, device=told.device)
    fakes = parts.generator(noise, hazy(batch.texts).repeat(DRAWS, 1))
    augment = Augmentation(len(batch.texts), fakes.shape[-1], fakes.device)
    with torch.no_grad():
        real = parts.features(augment(batch.pictures))
    ours = parts.features(augment(fakes))

    parts.judge.heads.requires_grad_(True)
    right, wrong = parts.judge(real, batch.texts, batch.wrongs)
    (fake,) = parts.judge([each.detach() for each in ours], told)
    losses = {"judge": judge_loss(right, wrong, fake)}
    parts.judge_optimiser.zero_grad(set_to_none=True)
    losses["judge"].backward()
    parts.judge_optimiser.step()

    parts.judge.heads.requires_grad_(False)  # spares the gradients of weights that do not move now
    losses["fool"] = -parts.judge(ours, told)[0].mean()
    losses["likeness"] = likeness_loss(ours, real, fakes, batch.pictures)
    parts.optimiser.zero_grad(set_to_none=True)
    (losses["fool"] + likeness * losses["likeness"]).backward()
    losses["norm"] = nn.utils.clip_grad_norm_(parts.generator.parameters(), 10.0)
    parts.optimiser.step()
    parts.ema.step(parts.generator.parameters())
    verdicts = {"right": right.mean(), "wrong": wrong.mean(), "fake": fake.mean()}
    return losses | verdicts | {"apart": (fakes[: len(fakes) // DRAWS] - fakes[len(fakes) // DRAWS :]).abs().mean()}


def make_parts(args: argparse.Namespace, device: torch.device) -> Parts:
    """New networks and optimisers; every run with one seed begins with the same."""
    torch.manual_seed(args.seed)
    generator, judge = Generator(**ARCHITECTURE).to(device), Judge().to(device)
    optimiser = torch.optim.Adam(generator.parameters(), args.rate, (0.0, 0.99))
    judge_optimiser = torch.optim.Adam(judge.heads.parameters(), args.judge_rate, (0.0, 0.99))
    ema = EMAModel(generator.parameters(), decay=args.ema)
    ema.to(device)
    return Parts(generator, judge, Features().to(device), optimiser, judge_optimiser, ema)


def train(args: argparse.Namespace) -> Generator:
    """Trains for ``args.minutes`` from the last checkpoint on; returns the generator with averaged weights."""
    accelerator = make_accelerator(args.device, args.threads)
    run, data = TrainingRun(args.run, args.minutes), Captioned(args.pictures)
    parts, sentence = make_parts(args, accelerator.device), SentenceEncoder()
    run.track(generator=parts.generator, judge=parts.judge, ema=parts.ema)
    run.track(optimiser=parts.optimiser, judge_optimiser=parts.judge_optimiser)
    run.resume()
    torch.manual_seed(args.seed + run.progress.steps)
    rng = np.random.default_rng(args.seed + run.progress.steps)
    for step in run.steps(args.batch):
        factor = cosine_rate(step, 50, args.total_steps)
        parts.optimiser.param_groups[0]["lr"] = args.rate * factor
        parts.judge_optimiser.param_groups[0]["lr"] = args.judge_rate * factor
        likeness = args.likeness if step < args.likeness_until else args.likeness_after
        with accelerator.autocast():
            losses = training_step(parts, data.draw(args.batch, rng, accelerator.device), likeness)
        run.log(**losses)
        if (step + 1) % args.sheet_every == 0:
            look(parts, sentence, args.run, step + 1)
    parts.ema.copy_to(parts.generator.parameters())
    return parts.generator


def look(parts: Parts, sentence: SentenceEncoder, folder: Path, step: int) -> None:
    """Saves a sheet of samples of the averaged generator, and its weights as they would be shipped."""
    averaged = copy.deepcopy(parts.generator)
    parts.ema.copy_to(averaged.parameters())
    export(averaged, folder.with_name(f"{folder.name}-export"))
    draw_sheet(averaged, sentence).save(folder / f"sheet-{step:06d}.webp", quality=85)


def export(generator: Generator, folder: Path) -> None:
    """Half-precision shards under 10 MB and the config."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    state = {name: value.half().contiguous() for name, value in generator.state_dict().items()}
    save_torch_state_dict(state, folder, max_shard_size="9MB")
    (folder / "config.json").write_text(json.dumps({"architecture": ARCHITECTURE}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.gan", description=__doc__.splitlines()[0])
    common_arguments(parser, "gan")
    parser.add_argument("--pictures", type=Path, default=Path("data/gan"), help="what training.gan_data wrote")
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--judge-rate", type=float, default=4e-4)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--total-steps", type=int, default=40_000, help="length of the learning-rate schedule")
    parser.add_argument("--likeness", type=float, default=5.0, help="weight of the pull towards the real picture")
    parser.add_argument("--likeness-until", type=int, default=10_000, help="the step from which it is another")
    parser.add_argument("--likeness-after", type=float, default=2.0, help="the weight from then on")
    parser.add_argument("--sheet-every", type=int, default=500, help="steps between two looks")
    parser.set_defaults(batch=16)
    args = parser.parse_args()
    generator = train(args)
    if args.export:
        export(generator, args.export)


if __name__ == "__main__":
    main()

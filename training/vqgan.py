"""Trains the starter pack's VQGAN: ``python -m training.vqgan --minutes 30 --export weights/pictograms-vqgan``.

The first stage of Esser et al. 2021 (VQGAN) as a diffusers ``VQModel``: factor 8, fully convolutional (no attention in
the middle block), so it learns on 64-pixel crops and runs at 128 to 256 pixels. The codebook follows its vectors by
running averages (van den Oord et al. 2017, appendix A.1) and codes that fall out of use restart at fresh vectors.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import VQModel
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from training import redrawn
from training.codebook import Codebook, decorrelation, unfold
from training.loop import TrainingRun, autocast_channels_last, common_arguments, cosine_rate, make_accelerator
from training.perceptual import PerceptualLoss
from training.pictures import PAINTED, Pictograms, random_crops

ARCHITECTURE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (16, 32, 96, 192),
    "layers_per_block": 1,
    "latent_channels": 4,
    "vq_embed_dim": 4,
    "num_vq_embeddings": 4096,
    "norm_num_groups": 8,
    "mid_block_add_attention": False,
    "sample_size": 128,
}


LEARN = {  # what --learn teaches -> how the names of its parameters begin
    "all": ("",),
    "decoder": ("decoder.", "post_quant_conv."),  # codes and latents that were made before stay valid
    "upper": tuple(
        f"decoder.{name}." for name in ("up_blocks.1", "up_blocks.2", "up_blocks.3", "conv_norm_out", "conv_out")
    ),
    "edges": ("decoder.up_blocks.2.", "decoder.up_blocks.3.", "decoder.conv_norm_out.", "decoder.conv_out."),
}


class PatchDiscriminator(nn.Sequential):
    """Says of every 34-pixel patch whether it looks real (pix2pix, Isola et al. 2017); (N, 3, H, W) -> (N, 1, h, w)."""

    def __init__(self, width: int = 32) -> None:
        def block(c_in: int, c_out: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(c_in, c_out, 4, stride, 1), nn.GroupNorm(8, c_out), nn.LeakyReLU(0.2)]

        super().__init__(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            *block(width, width * 2, 2),
            *block(width * 2, width * 4, 1),
            nn.Conv2d(width * 4, 1, 4, 1, 1),
        )


JUDGE_FIRST, JUDGE_PACE = 300, 3.0  # steps before the discriminator is listened to; its rate by the others'
NOISE = 0.15  # of latents of unit variance: about what 4,096 codes in four dimensions will add


@dataclass
class Parts:
    """Everything that the training step touches."""

    model: VQModel
    judge: PatchDiscriminator
    codebook: Codebook
    perceptual: PerceptualLoss
    optimiser: torch.optim.Optimizer
    judge_optimiser: torch.optim.Optimizer


def quantise(parts: Parts, z: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest codes with straight-through gradients: (z_q, commitment loss). Before k-means z passes, with noise."""
    if not parts.codebook.ready:
        free = z.permute(0, 2, 3, 1).flatten(0, 2)
        return z + NOISE * torch.randn_like(z), decorrelation(free)
    vectors = z.detach().permute(0, 2, 3, 1).flatten(0, 2).float()
    z_q, _, (_, _, indices) = parts.model.quantize(z)
    if parts.model.training and z.requires_grad:  # a frozen encoder keeps its codebook, too
        parts.codebook.follow(vectors, indices.flatten())
    nearest = parts.model.quantize.embedding(indices.flatten())
    commitment = (z.permute(0, 2, 3, 1).flatten(0, 2) - nearest.detach()).square().mean()
    return z_q, commitment


def generator_step(
    parts: Parts, pictures: Tensor, adversarial: float, frozen: bool, painted: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """One step of encoder (unless ``frozen``), codebook and decoder on pictures (N, 3, H, W) in [-1, 1].

    The last M of them are decoded from the latents ``painted`` (M, C, h, w), the others from their own.
    The discriminator pulls at the output ``adversarial`` times as hard as all that compares it with the picture (after
    Esser et al. 2021, equation 7, who weigh the pulls at the last layer). Returns losses and the output.
    """
    with torch.set_grad_enabled(not frozen):
        z = parts.model.encode(pictures[: len(pictures) - len(painted)]).latents
    z_q, commitment = quantise(parts, z)
    if frozen:  # the painters' latents are decoded as they are, VQGAN+CLIP's rounded: the decoder learns both
        z_q = torch.where(torch.rand(len(z), 1, 1, 1, device=z.device) < 0.5, z_q, z)
    ours = parts.model.decode(torch.cat([z_q, painted]), force_not_quantize=True).sample
    losses = {
        "l1": (ours - pictures).abs().mean(),
        "l2": (ours - pictures).square().mean(),
        # Edges dominate the other losses; without the mean of each cell greens turn teal and greys lilac.
        "colour": F.avg_pool2d(ours - pictures, 8).abs().mean(),
        "perceptual": parts.perceptual(ours, pictures),
        "commitment": commitment,
    }
    faithful = losses["l1"] + losses["l2"] + 2 * losses["colour"] + 0.5 * losses["perceptual"]
    (pull,) = torch.autograd.grad(faithful, ours)
    if adversarial:
        losses["fool"] = -parts.judge(ours).mean()
        (lure,) = torch.autograd.grad(losses["fool"], ours)
        pull = pull + adversarial * pull.norm() / lure.norm().clamp(min=1e-8) * lure
    parts.optimiser.zero_grad(set_to_none=True)
    ours.backward(pull, retain_graph=not frozen)
    if not frozen:
        (0.25 * commitment).backward()
    nn.utils.clip_grad_norm_(parts.model.parameters(), 1.0)
    parts.optimiser.step()
    return losses, ours.detach()


def draw_batch(
    data: Pictograms, painted: redrawn.Painted | None, args: argparse.Namespace, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Pictures (args.batch, 3, H, W) in [-1, 1], and the latents (M, C, h, w) of the last half; M is 0 without them."""
    if painted is None:
        return random_crops(data, args.batch, args.crop, rng).mul(2).sub(1), torch.empty(
            0, ARCHITECTURE["latent_channels"], args.crop // 8, args.crop // 8
        )
    half = args.batch // 2
    latents, wanted = painted.crops(data, half, args.crop, rng)
    own = random_crops(data, args.batch - half, args.crop, rng)
    return torch.cat([own, wanted]).mul(2).sub(1), latents


def judge_step(parts: Parts, real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the patch discriminator."""
    loss = F.relu(1 - parts.judge(real)).mean() + F.relu(1 + parts.judge(fake)).mean()
    parts.judge_optimiser.zero_grad(set_to_none=True)
    loss.backward()
    parts.judge_optimiser.step()
    return loss.detach()


def train(args: argparse.Namespace) -> VQModel:
    """Trains for ``args.minutes`` from the last checkpoint on; returns the model with averaged weights."""
    if args.redrawn and args.learn == "all":
        raise SystemExit("--redrawn needs --learn decoder, upper or edges: its latents are of the encoder as it is.")
    accelerator = make_accelerator(args.device, args.threads)
    run = TrainingRun(args.run, args.minutes)
    data = Pictograms(args.data, sources=PAINTED)
    torch.manual_seed(args.seed)
    model, judge = VQModel(**ARCHITECTURE), PatchDiscriminator()
    if shipped := run.begins_with(args.export):
        model.load_state_dict(VQModel.from_pretrained(args.export).state_dict())
        if args.new_codebook:
            unfold(model, random_crops(data, 256, args.crop, np.random.default_rng(0)).mul(2).sub(1))
    perceptual = PerceptualLoss()
    for network in (model, judge, perceptual):
        network.to(accelerator.device, memory_format=torch.channels_last)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(LEARN[args.learn]) and "quantize" not in name)
    learned, frozen = [p for p in model.parameters() if p.requires_grad], args.learn != "all"
    optimiser = torch.optim.AdamW(learned, args.rate, (0.8, 0.99), weight_decay=0.01)
    judge_optimiser = torch.optim.AdamW(judge.parameters(), args.rate, (0.5, 0.9))
    codebook, ema = Codebook(model, ready=shipped and not args.new_codebook), EMAModel(model.parameters(), decay=0.998)
    ema.to(accelerator.device)
    run.track(model=model, judge=judge, optimiser=optimiser, judge_optimiser=judge_optimiser, codebook=codebook)
    run.track(ema=ema)
    run.resume()
    if frozen:  # latents made from the exported (averaged) encoder must stay valid
        ema.copy_to(model.parameters())
    parts = Parts(model, judge, codebook, perceptual, optimiser, judge_optimiser)
    rng = np.random.default_rng(args.seed + run.progress.steps)
    painted = redrawn.load(args.redrawn)
    for step in run.steps(args.batch):
        rate = args.rate * cosine_rate(step, 50, args.total_steps)
        optimiser.param_groups[0]["lr"], judge_optimiser.param_groups[0]["lr"] = rate, JUDGE_PACE * rate
        pictures, latents = (part.to(accelerator.device) for part in draw_batch(data, painted, args, rng))
        adversarial = args.adversarial if step >= args.adversarial_after else 0.0
        with autocast_channels_last(accelerator):
            losses, fake = generator_step(parts, pictures, adversarial, frozen, latents)
            if args.adversarial and step >= args.adversarial_after - JUDGE_FIRST:
                losses["judge"] = judge_step(parts, pictures, fake)
        ema.step(model.parameters())
        if not frozen:
            losses["dead"] = tend_codebook(parts, data, args, step, rng)
        run.log(**losses)
    ema.copy_to(model.parameters())
    return model


def tend_codebook(
    parts: Parts, data: Pictograms, args: argparse.Namespace, step: int, rng: np.random.Generator
) -> float:
    """Starts the codebook once the encoder has settled a little, and revives dead codes now and then."""
    if step == args.quantise_after or (step > 0 and step % 200 == 0 and parts.codebook.ready):
        with torch.no_grad():
            device = next(parts.model.parameters()).device
            crops = random_crops(data, 512 if not parts.codebook.ready else 64, args.crop, rng).mul(2).sub(1).to(device)
            vectors = torch.cat([parts.model.encode(part).latents for part in crops.split(64)])
            vectors = vectors.permute(0, 2, 3, 1).flatten(0, 2).float()
        if not parts.codebook.ready:
            parts.codebook.start(vectors)
        else:
            return float(parts.codebook.restart_dead(vectors))
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.vqgan", description=__doc__.splitlines()[0])
    common_arguments(parser, "vqgan")
    parser.add_argument("--crop", type=int, default=64, help="pixels of the training crops")
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--total-steps", type=int, default=20_000, help="length of the learning-rate schedule")
    parser.add_argument("--quantise-after", type=int, default=300, help="steps before the codebook starts")
    parser.add_argument(
        "--new-codebook", action="store_true", help="start from the exported weights, but with latents set free again"
    )
    parser.add_argument("--adversarial", type=float, default=0.0, help="how hard the discriminator pulls, 0 for none")
    parser.add_argument("--adversarial-after", type=int, default=JUDGE_FIRST, help="steps without its pull")
    parser.add_argument("--redrawn", type=Path, nargs="*", default=[], help="folders written by training.redrawn")
    parser.add_argument(
        "--learn", choices=LEARN, default="all", help="but for `all`, codes and latents stay as they are"
    )
    args = parser.parse_args()
    model = train(args)
    if args.export:
        model.eval().save_pretrained(args.export, max_shard_size="9MB")


if __name__ == "__main__":
    main()

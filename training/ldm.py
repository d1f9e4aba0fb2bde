"""Trains the starter pack's latent diffusion: ``python -m training.ldm --minutes 60 --export weights/pictograms-ldm``.

Latent diffusion (Rombach et al. 2022) on cached VQGAN latents with v-prediction (Salimans & Ho 2022): a small diffusers
UNet that MiniLM's sentence vector scales and shifts (adaptive group normalisation, Dhariwal & Nichol 2021), with
cross-attention to its token states where cells are few, shown two retrieved neighbours as extra channels (see
``models/families/pictograms_memory.py``). It sees things alone on white, as it paints them. Text and neighbours are
dropped at random, so that guidance works and so that the network also learns to paint without help.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel, VQModel
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file
from torch import Tensor

from models.families.pictograms_ldm import told
from models.families.pictograms_memory import NEIGHBOURS, Memory
from models.families.sentence import SentenceEncoder
from training.latent_batches import Batches, alone
from training.loop import TrainingRun, autocast_channels_last, common_arguments, cosine_rate, make_accelerator
from training.memory import build_memory, write_memory
from training.pictures import PAINTED, Pictograms
from training.remembered_texts import TextStates

CHANNELS = 4
ARCHITECTURE = {
    "sample_size": 16,
    "in_channels": CHANNELS + NEIGHBOURS * (CHANNELS + 1),
    "out_channels": CHANNELS,
    "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    "block_out_channels": (96, 128, 192),
    "layers_per_block": 1,
    "attention_head_dim": 8,  # diffusers' old name: this is the number of heads
    "cross_attention_dim": 384,
    "norm_num_groups": 16,
    "class_embed_type": "simple_projection",  # of the sentence vector, added to the timestep's
    "projection_class_embeddings_input_dim": 384,
    "resnet_time_scale_shift": "scale_shift",
}
ITSELF = 0.4  # how often the first neighbour is the picture itself: what the words already fit is to be left as it is
SCHEDULE = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}


def loss_of(
    unet: torch.nn.Module, schedule: DDPMScheduler, latents: Tensor, helps: Tensor, words: dict[str, Tensor]
) -> Tensor:
    """v-prediction loss with min-SNR weights (Hang et al. 2023, gamma 5); ``words`` as ``told`` gives them."""
    timesteps = torch.randint(schedule.config.num_train_timesteps, (len(latents),), device=latents.device)
    noise = torch.randn_like(latents)
    noisy = schedule.add_noise(latents, noise, timesteps)
    target = schedule.get_velocity(latents, noise, timesteps)
    output = unet(torch.cat([noisy, helps], 1), timesteps, **words).sample
    alphas = schedule.alphas_cumprod.to(latents.device)[timesteps]
    ratio = alphas / (1 - alphas)
    weight = ratio.clamp(max=5) / (ratio + 1)
    # The weight's mean is far below one; dividing it out keeps the usual learning rates.
    return (F.mse_loss(output, target, reduction="none").mean((1, 2, 3)) * weight / weight.mean()).mean()


def train(args: argparse.Namespace) -> tuple[UNet2DConditionModel, Batches, Memory]:
    """Trains for ``args.minutes`` from the last checkpoint on; the averaged network, its data, the whole memory."""
    accelerator = make_accelerator(args.device, args.threads)
    run, data = TrainingRun(args.run, args.minutes), Pictograms(args.data, sources=PAINTED)
    torch.manual_seed(args.seed)
    sentence = SentenceEncoder(str(accelerator.device))
    vqgan = VQModel.from_pretrained(args.vqgan).eval()
    memory = build_memory(data, load_file(args.latents / "memory.safetensors"), vqgan, sentence)
    # Channels last is what makes bfloat16 worth its while on a CPU.
    unet = UNet2DConditionModel(**ARCHITECTURE).to(accelerator.device, memory_format=torch.channels_last)
    if run.begins_with(args.export):
        unet.load_state_dict(UNet2DConditionModel.from_pretrained(args.export / "unet").state_dict())
    optimiser = torch.optim.AdamW(unet.parameters(), args.rate, (0.9, 0.99), weight_decay=0.01)
    ema = EMAModel(unet.parameters(), decay=args.ema)
    ema.to(accelerator.device)
    run.track(unet=unet, optimiser=optimiser, ema=ema)
    run.resume()
    batches = Batches(args.latents, data, memory.seen_in_training(), args.seed + run.progress.steps, alone)
    schedule, text_states = DDPMScheduler(**SCHEDULE), TextStates(sentence)
    for step in run.steps(args.batch):
        for group in optimiser.param_groups:
            group["lr"] = args.rate * cosine_rate(step, 100, args.total_steps)
        latents, helps, captions = batches.draw(args.batch, ITSELF)
        words = {name: part.to(accelerator.device) for name, part in told(*text_states(captions)).items()}
        with autocast_channels_last(accelerator):
            loss = loss_of(unet, schedule, latents.to(accelerator.device), helps.to(accelerator.device), words)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        ema.step(unet.parameters())
        run.log(loss=loss, norm=norm)
    ema.copy_to(unet.parameters())
    return unet, batches, memory


def export(unet: UNet2DConditionModel, batches: Batches, memory: Memory, folder: Path) -> None:
    """Half-precision network, memory and config, each shard under 10 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.safetensors"), *folder.glob("unet/*")):
        old.unlink()
    unet.half().save_pretrained(folder / "unet", max_shard_size="9MB")
    write_memory(memory, folder)
    facts = {"schedule": SCHEDULE, "mean": batches.mean.flatten().tolist(), "std": batches.std.flatten().tolist()}
    (folder / "config.json").write_text(json.dumps(facts, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.ldm", description=__doc__.splitlines()[0])
    common_arguments(parser, "ldm")
    parser.add_argument("--latents", type=Path, default=Path("data/latents"))
    parser.add_argument("--vqgan", type=Path, default=Path("weights/pictograms-vqgan"))
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--total-steps", type=int, default=10_000, help="length of the learning-rate schedule")
    args = parser.parse_args()
    export(*train(args), args.export) if args.export else train(args)


if __name__ == "__main__":
    main()

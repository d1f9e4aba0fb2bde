"""Trains the starter pack's CLIP: ``python -m training.clip --minutes 30 --export weights/pictograms-clip``.

Contrastive training (Radford et al. 2021) of EfficientNet-lite0 against the frozen MiniLM sentence encoder. Two things
keep real photographs understood although no photograph is used: the image tower starts from its ImageNet weights and
moves slowly, and the rows of the ImageNet classifier, blurred by noise, stand in for features of photographs under
"a photo of a ..." captions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file
from torch import Tensor, nn

from models.families.efficientnet import MEAN, STD, imagenet_state
from models.families.pictograms_clip import ARCHITECTURE, TEXT_TOWER, build, read_folder
from models.families.sentence import SentenceEncoder
from training.compose import Sample, pair, render, single
from training.loop import TrainingRun, common_arguments, cosine_rate, make_accelerator
from training.pictures import Pictograms

SHARD_BYTES = 9_000_000


class Prototypes:
    """The ImageNet classifier's rows as features of typical photographs, with their class names."""

    def __init__(self) -> None:
        from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

        self.names = IMAGENET_CLASSNAMES
        rows = imagenet_state()["classifier.weight"]
        # Measured pooled features of pictograms have norms of 18 (224 px) to 30 (128 px).
        # A feature that the classifier calls class k lies along row k
        self.features = F.normalize(rows - rows.mean(0), dim=1) * 20

    def batch(self, n: int, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, list[str]]:
        """n noisy prototypes (n, 1280) with captions."""
        picks = rng.choice(len(self.names), n, replace=False)
        features = self.features[picks] + 0.15 * torch.randn(n, self.features.shape[1])
        return features.clamp(min=0).to(device), [f"a photo of a {self.names[k]}" for k in picks]


def draw(data: Pictograms, n: int, rng: np.random.Generator) -> list[Sample]:
    """A batch: mostly single pictograms, some pairs."""
    rows = rng.choice(data.rows, n, replace=False)
    partners = rng.choice(data.rows, n)
    return [
        pair(data, int(row), int(other), rng) if rng.random() < 0.15 else single(data, int(row), rng)
        for row, other in zip(rows, partners, strict=True)
    ]


def contrastive(images: Tensor, texts: Tensor, scale: Tensor, captions: list[str]) -> Tensor:
    """Symmetric cross-entropy over unit vectors (N, D); pairs with equal captions do not count against each other."""
    logits = scale.exp().clamp(max=100) * images @ texts.T
    same = torch.tensor([[a == b for b in captions] for a in captions], device=logits.device)
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -1e4)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def encode_texts(model: nn.Module, sentence: SentenceEncoder, captions: list[str]) -> Tensor:
    """Unit vectors (N, D); gradients reach the projection only, the sentence encoder is frozen."""
    states, mask = sentence.token_states(captions, length=77)
    pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return F.normalize(model.text.proj(pooled), dim=-1)


def augment(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Small shifts, zooms and noise of a batch (N, 3, H, W) in [0, 1]: what cut-outs and generators show a ranker."""
    n = len(pictures)
    zoom = torch.from_numpy(rng.uniform(0.85, 1.3, n)).float()
    shift = torch.from_numpy(rng.uniform(-0.12, 0.12, (n, 2))).float()
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = zoom
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta.to(pictures), list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    noise = torch.from_numpy(rng.uniform(0, 0.06, n)).to(moved)[:, None, None, None]
    return (moved + noise * torch.randn_like(moved)).clamp(0, 1).float()


def train(args: argparse.Namespace) -> nn.Module:
    """Trains for ``args.minutes`` from the last checkpoint on; returns the model with averaged weights."""
    accelerator = make_accelerator(args.device, args.threads)
    device, run, data = accelerator.device, TrainingRun(args.run, args.minutes), Pictograms(args.data)
    torch.manual_seed(args.seed)
    sentence, prototypes = SentenceEncoder(str(device)), Prototypes()
    model = build(ARCHITECTURE, sentence).to(device)
    model.visual.trunk.load_state_dict(imagenet_state(), strict=False)
    if run.begins_with(args.export):
        model.load_state_dict(read_folder(args.export, sentence).model.state_dict())
    tower = list(model.visual.trunk.parameters())
    heads = [*model.visual.head.parameters(), *model.text.proj.parameters(), model.logit_scale]
    optimiser = torch.optim.AdamW([{"params": heads, "rate": args.rate}, {"params": tower, "rate": args.tower_rate}])
    ema = EMAModel([*heads, *tower], decay=0.998)
    ema.to(device)
    run.track(visual=model.visual, projection=model.text.proj, optimiser=optimiser, ema=ema, scale=Scale(model))
    run.resume()
    model.eval()  # batch statistics stay ImageNet's: batches of flat pictures would spoil them for photographs
    mean, std = (torch.tensor(value, device=device)[:, None, None] for value in (MEAN, STD))
    rng = np.random.default_rng(args.seed + run.progress.steps)
    for step in run.steps(args.batch):
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * cosine_rate(step, 100, args.total_steps)
        samples = draw(data, args.batch, rng)
        pictures = augment(render(samples), rng).to(device)
        features, class_captions = prototypes.batch(args.batch // 4, rng, device)
        captions = [sample.caption for sample in samples] + class_captions
        with accelerator.autocast():
            with torch.set_grad_enabled(args.tower_rate > 0):
                seen = model.visual.trunk((pictures - mean) / std)
            images = model.visual.head(torch.cat([seen, features.to(seen)]))
            loss = contrastive(
                F.normalize(images.float(), dim=-1),
                encode_texts(model, sentence, captions),
                model.logit_scale,
                captions,
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        ema.step([*heads, *tower])
        run.log(loss=loss.detach(), scale=model.logit_scale.detach().exp())
    ema.copy_to([*heads, *tower])
    return model


class Scale:
    """The temperature as something a checkpoint can hold."""

    def __init__(self, model: nn.Module) -> None:
        self.parameter = model.logit_scale

    def state_dict(self) -> dict[str, Tensor]:
        return {"logit_scale": self.parameter.detach()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.parameter.data.copy_(state["logit_scale"])


def export(model: nn.Module, folder: Path) -> None:
    """Half-precision shards under 10 MB and the config; the text tower is not ours and stays in its package."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    state = {n: v for n, v in model.state_dict().items() if not n.startswith(TEXT_TOWER)}
    state = {n: v.half().contiguous() if v.is_floating_point() else v for n, v in state.items()}
    shards: list[dict[str, Tensor]] = [{}]
    for name, value in state.items():
        if sum(v.nbytes for v in shards[-1].values()) + value.nbytes > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = value
    for number, shard in enumerate(shards, 1):
        save_file(shard, folder / f"model-{number:05d}-of-{len(shards):05d}.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": ARCHITECTURE}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.clip", description=__doc__.splitlines()[0])
    common_arguments(parser, "clip")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of the projections")
    parser.add_argument(
        "--tower-rate",
        type=float,
        default=1e-4,
        help="learning rate of the image tower; 0 trains the projections only, about five times faster on a CPU",
    )
    parser.add_argument("--total-steps", type=int, default=2_000, help="length of the learning-rate schedule")
    parser.set_defaults(batch=128)
    args = parser.parse_args()
    model = train(args)
    if args.export:
        export(model.eval(), args.export)


if __name__ == "__main__":
    main()

"""Trains the starter pack's CLIP: ``python -m training.clip --minutes 30 --export weights/pictograms-clip``.

Contrastive training (Radford et al. 2021) of EfficientNet-lite0's upper layers against the frozen MiniLM sentence
encoder, on the maps that ``training.clip_maps`` has cached. Two things keep real photographs understood although no
photograph is used: the ImageNet classifier must go on saying about pictograms what it said before, and features that
it is sure about stand in for photographs under "a photo of a ..." captions.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file
from torch import Tensor, nn

from models.families.efficientnet import LITE0, LITE2, imagenet_state
from models.families.pictograms_clip import LOOKS, TEXT_TOWER, architecture, build, read_folder
from models.families.sentence import SentenceEncoder
from training.clip_maps import SPLIT, means, upper
from training.loop import TrainingRun, common_arguments, cosine_rate, make_accelerator

SHARD_BYTES = 9_000_000


@dataclass(frozen=True)
class Batch:
    """``maps`` (N, C, 8, 8), ``texts`` and ``wrong`` (N, 384) float32; ``captions`` numbers equal captions alike."""

    maps: Tensor
    texts: Tensor
    wrong: Tensor
    captions: Tensor


class Cache:
    """The cached maps and texts, drawn from at random."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "captions.jsonl").exists():
            raise SystemExit(f"{folder} holds no maps; make them: python -m training.clip_maps --out {folder}")
        self.maps, self.texts, self.wrong = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("maps", "texts", "negatives")
        )
        with open(folder / "captions.jsonl") as file:
            captions = [json.loads(line)["caption"] for line in file]
        numbers: dict[str, int] = {}
        self.captions = np.array([numbers.setdefault(caption, len(numbers)) for caption in captions])

    def batch(self, n: int, rng: np.random.Generator, device: torch.device) -> Batch:
        """n samples, drawn with replacement."""
        rows = np.sort(rng.integers(len(self.captions), size=n))
        maps, texts, wrong = (
            torch.from_numpy(part[rows]).float().to(device) for part in (self.maps, self.texts, self.wrong)
        )
        return Batch(maps, texts, wrong, torch.from_numpy(self.captions[rows]).to(device))


class Photographs:
    """Stand-ins for photographs, of which there are none: features that the ImageNet classifier is sure about.

    The last batch normalisation remembers each channel's mean and spread over the photographs of ImageNet (Yin et al.
    2020, DeepInversion, make use of them likewise). Features drawn about that mean, mixed with pictograms' features,
    and moved along a row of the classifier are taken for photographs of that class. CLIP shall then name them among a
    thousand "a photo of a ..." as the classifier does, doubts included.
    """

    SHAPE = 0.37  # of the gamma distribution of a channel: features then resemble their mean with a cosine of 0.52
    NORM = 30.0  # about that of pooled features of sharp pictures

    def __init__(self, sentence: SentenceEncoder, device: torch.device, network: str = LITE0) -> None:
        from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

        state = imagenet_state(network)
        self.rows, self.bias = state["classifier.weight"].to(device), state["classifier.bias"].to(device)
        self.directions = F.normalize(self.rows - self.rows.mean(0), dim=1)
        spread = torch.special.ndtri(torch.linspace(0.001, 0.999, 999, device=device))[:, None]
        self.mean = (state["bn2.bias"].to(device) + state["bn2.weight"].to(device) * spread).clamp(0, 6).mean(0)
        captions = [f"a photo of a {name}" for name in IMAGENET_CLASSNAMES]
        parts = [means(sentence, captions[start : start + 100]) for start in range(0, len(captions), 100)]
        self.texts = torch.from_numpy(np.concatenate(parts)).float().to(device)

    def classify(self, features: Tensor) -> Tensor:
        """Pooled features (N, 1280) to ImageNet logits (N, 1000)."""
        return F.linear(features, self.rows, self.bias)

    def batch(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features of pictograms (n, 1280) to such of photographs of random things, and the numbers of what the
        classifier takes them for (n,)."""
        classes = torch.randint(len(self.texts), (len(features),), device=features.device)
        shape = torch.full_like(features, self.SHAPE)
        drawn = self.NORM * F.normalize(self.mean * torch._standard_gamma(shape), dim=1)
        share = torch.rand(len(features), 1, device=features.device)
        mixed = share * drawn + (1 - share) * features
        # Of a feature of norm 30: after a step of 5 the classifier is seldom sure of the class, after 12 always.
        step = torch.empty(len(features), 1, device=features.device).uniform_(5, 12)
        photos = (mixed + step * self.directions[classes]).clamp(min=0)
        return photos, self.classify(photos).argmax(1)


def contrastive(images: Tensor, texts: Tensor, wrong: Tensor, scale: Tensor, captions: Tensor) -> Tensor:
    """Symmetric cross-entropy over unit vectors (N, D); pairs with equal captions do not count against each other.

    ``wrong`` (N, D) are each picture's own almost-true captions, all zeros where it has none: one more column to beat.
    """
    factor = scale.exp().clamp(max=100)
    logits = factor * images @ texts.T
    same = (captions[:, None] == captions).fill_diagonal_(False)
    logits = logits.masked_fill(same, -1e4)
    almost = (factor * (images * wrong).sum(1)).masked_fill(wrong.abs().sum(1) == 0, -1e4)
    target = torch.arange(len(logits), device=logits.device)
    by_image = F.cross_entropy(torch.cat([logits, almost[:, None]], 1), target)
    return (by_image + F.cross_entropy(logits.T, target)) / 2


def losses_of(
    model: nn.Module, before: nn.Module, batch: Batch, photographs: Photographs
) -> tuple[Tensor, Tensor, Tensor]:
    """What a step minimises: the loss on pictograms, that on stand-ins for photographs, and what was forgotten.

    ``before`` are the upper layers as they came. Forgotten is the divergence between what the ImageNet classifier says
    about a quarter of the pictograms through them and through the layers as they are now (Li and Hoiem 2016, LwF).
    """
    pooled = upper(model.visual.trunk, batch.maps)
    with torch.no_grad():
        original = upper(before, batch.maps[: max(len(batch.maps) // 4, 1)])
        features, _ = photographs.batch(original.repeat(2, 1))
    images = F.normalize(model.visual.head(torch.cat([pooled, features])).float(), dim=-1)
    texts = F.normalize(model.text.proj(torch.cat([batch.texts, photographs.texts])).float(), dim=-1)
    has_wrong = batch.wrong.abs().sum(1, keepdim=True) > 0
    wrong = F.normalize(model.text.proj(batch.wrong).float(), dim=-1) * has_wrong
    count, scale = len(batch.maps), model.logit_scale
    pictograms = contrastive(images[:count], texts[:count], wrong, scale, batch.captions)
    said = (scale.exp().clamp(max=100) * images[count:] @ texts[count:].T).log_softmax(1)
    naming = F.kl_div(said, photographs.classify(features).softmax(1), reduction="batchmean")
    now, then = (photographs.classify(each).log_softmax(1) for each in (pooled[: len(original)], original))
    return pictograms, naming, F.kl_div(now, then, reduction="batchmean", log_target=True)


def train(args: argparse.Namespace) -> nn.Module:
    """Trains for ``args.minutes`` from the last checkpoint on; returns the model with averaged weights."""
    accelerator = make_accelerator(args.device, args.threads)
    device, run, cache = accelerator.device, TrainingRun(args.run, args.minutes), Cache(args.maps)
    torch.manual_seed(args.seed)
    sentence = SentenceEncoder(str(device))
    photographs = Photographs(sentence, device, args.network)
    model = build(architecture(args.network), sentence).to(device)
    model.visual.trunk.load_state_dict(imagenet_state(args.network), strict=False)
    before = copy.deepcopy(model.visual.trunk).eval()
    if run.begins_with(args.export):
        shipped = read_folder(args.export, sentence).model.state_dict()
        # Places are left behind: ``training.places`` teaches them anew when the rest is learned.
        model.load_state_dict({name: shipped[name] for name in model.state_dict()})
    else:
        begin_names(model, photographs)
    trunk = model.visual.trunk
    tower = [p for part in (*trunk.blocks[SPLIT:], trunk.conv_head, trunk.bn2) for p in part.parameters()]
    heads = [*model.visual.head.parameters(), *model.text.proj.parameters(), model.logit_scale]
    optimiser = torch.optim.AdamW(
        [{"params": heads, "rate": args.rate}, {"params": tower, "rate": args.tower_rate}], weight_decay=0.05
    )
    ema = EMAModel([*heads, *tower], decay=0.998)
    ema.to(device)
    run.track(visual=model.visual, projection=model.text.proj, optimiser=optimiser, ema=ema, scale=Scale(model))
    run.resume()
    model.eval()  # batch statistics stay ImageNet's: batches of flat pictures would spoil them for photographs
    rng = np.random.default_rng(args.seed + run.progress.steps)
    for step in run.steps(args.batch):
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * cosine_rate(step, 100, args.total_steps)
        with accelerator.autocast():
            parts = losses_of(model, before, cache.batch(args.batch, rng, device), photographs)
            loss = parts[0] + args.naming * parts[1] + args.keeping * parts[2]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        ema.step([*heads, *tower])
        told = dict(zip(("pictograms", "naming", "forgotten"), (part.detach() for part in parts), strict=True))
        run.log(**told, scale=model.logit_scale.detach().exp())
    ema.copy_to([*heads, *tower])
    return model


@torch.no_grad()
def begin_names(model: nn.Module, photographs: Photographs) -> None:
    """The classifier of the naming head is ImageNet's, its names are the vectors of "a photo of a ..."."""
    head = model.visual.head
    head.classifier.weight.copy_(photographs.rows)
    head.classifier.bias.copy_(photographs.bias)
    names = F.normalize(model.text.proj(photographs.texts).float(), dim=1)
    features, _ = photographs.batch(photographs.mean.expand(256, -1))
    head.names.copy_(names * head.projection(features).norm(dim=1).mean())  # as long as what the projection gives


class Scale:
    """The temperature as something a checkpoint can hold."""

    def __init__(self, model: nn.Module) -> None:
        self.parameter = model.logit_scale

    def state_dict(self) -> dict[str, Tensor]:
        return {"logit_scale": self.parameter.detach()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.parameter.data.copy_(state["logit_scale"])


def blend(model: nn.Module, folder: Path, share: float) -> None:
    """Moves the weights by ``share`` of the way back to the shipped ones in ``folder``, which they began with.

    What was learned since and what was known before add up better than either (Wortsman et al. 2022, WiSE-FT).
    """
    old = read_folder(folder, SentenceEncoder()).model.state_dict()
    mixed = {n: v.lerp(old[n].to(v), share) for n, v in model.state_dict().items() if v.is_floating_point()}
    model.load_state_dict(mixed, strict=False)


def export(model: nn.Module, shape: dict[str, Any], folder: Path) -> None:
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
    (folder / "config.json").write_text(json.dumps({"architecture": shape, "looks": LOOKS}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.clip", description=__doc__.splitlines()[0])
    common_arguments(parser, "clip")
    parser.add_argument("--network", choices=(LITE0, LITE2), default=LITE0, help="the judge has other eyes: lite2")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of the projections")
    parser.add_argument("--tower-rate", type=float, default=2e-4, help="learning rate of the upper image layers")
    parser.add_argument("--naming", type=float, default=0.5, help="weight of naming stand-ins for photographs")
    parser.add_argument("--keeping", type=float, default=0.3, help="weight of not forgetting ImageNet")
    parser.add_argument("--maps", type=Path, default=Path("data/clip_maps"))
    parser.add_argument("--total-steps", type=int, default=3_000, help="length of the learning-rate schedule")
    parser.add_argument("--blend", type=float, default=0.0, help="share of the shipped weights in what is exported")
    parser.set_defaults(batch=256)
    args = parser.parse_args()
    model = train(args)
    if args.export:
        if args.blend and (args.export / "config.json").exists():
            blend(model, args.export, args.blend)
        export(model.eval(), architecture(args.network), args.export)


if __name__ == "__main__":
    main()

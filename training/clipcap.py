"""Trains the starter pack's captioners: ``python -m training.clipcap --export weights/pictograms-clipcap``.

ClipCap (Mokady et al. 2021): a mapper turns what CLIP sees into a prefix, which a small GPT-2 continues; here both
learn together, on captioned pictograms, on stand-ins for photographs (``training.clip``), and on captions alone, whose
vectors lie where those of their pictures would (Nukrai et al. 2022, CapDec). Noise keeps near pictures' captions near.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from models.decoding.mappers import MlpMapper, TransformerMapper
from models.families.efficientnet import imagenet_state
from training.caption_pairs import FEATURES, VECTOR, Pairs
from training.clip import Photographs
from training.clipcap_export import export
from training.loop import TrainingRun, common_arguments, cosine_rate, make_accelerator

GPT2 = {"n_embd": 256, "n_layer": 4, "n_head": 8, "n_positions": 64, "activation_function": "gelu_new"}
PREFIX = CLIP_LENGTH = 8
LOGIT = 4.0  # logits of the classifier are divided by it, for layers begin with values about 1


class Captioner(nn.Module):
    """Mapper and language model under the names of published ClipCap checkpoints."""

    def __init__(self, mapper: str, vocabulary: int, size: int = FEATURES + VECTOR) -> None:
        from transformers import GPT2Config, GPT2LMHeadModel

        super().__init__()
        width = GPT2["n_embd"]
        if mapper == "mlp":
            self.clip_project: nn.Module = MlpMapper([size, width * PREFIX * 3 // 4, width * PREFIX], PREFIX)
        else:
            self.clip_project = TransformerMapper(size, width, PREFIX, CLIP_LENGTH, layers=4)
        settings = {
            "resid_pdrop": 0.1,
            "embd_pdrop": 0.1,
            "attn_pdrop": 0.1,
            "bos_token_id": None,
            "eos_token_id": None,
        }
        self.gpt = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, **GPT2, **settings))

    def forward(self, vectors: Tensor, names: Tensor, tokens: Tensor) -> Tensor:
        """CLIP features (N, d), names that are told (N, n) int64, and padded texts (N, T) int64, -1 behind their end:
        mean loss of their tokens."""
        words = self.gpt.transformer.wte(torch.cat([names, tokens.clamp(min=0)], 1))
        inputs = torch.cat([self.clip_project(vectors), words], 1)
        logits = self.gpt(inputs_embeds=inputs).logits[:, PREFIX + names.shape[1] - 1 : -1]
        return F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), ignore_index=-1)


def train(args: argparse.Namespace) -> tuple[Captioner, Pairs]:
    """Trains for ``args.minutes`` from the last checkpoint on; returns the model with averaged weights."""
    accelerator = make_accelerator(args.device, args.threads)
    device, run = accelerator.device, TrainingRun(args.run, args.minutes)
    torch.manual_seed(args.seed)
    shipped = args.export if run.begins_with(args.export) else None
    known = next(
        (folder / "tokenizer.json" for folder in (args.run, shipped, args.language) if has_tokenizer(folder)), None
    )
    pairs = Pairs(args.data, args.maps, args.clip, tokenizer=known)
    pairs.tokenizer.save(str(args.run / "tokenizer.json"))
    model = Captioner(args.mapper, pairs.tokenizer.get_vocab_size())
    take_classes(model)
    if shipped:
        model.load_state_dict(state_of(shipped))
    elif args.language:
        take_language(model, args.language)
    model.to(device)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.05, betas=(0.9, 0.95))
    ema = EMAModel(model.parameters(), decay=0.998)
    ema.to(device)
    run.track(model=model, optimiser=optimiser, ema=ema)
    run.resume()
    rng = np.random.default_rng(args.seed + run.progress.steps)
    model.train()
    for step in run.steps(args.batch):
        for group in optimiser.param_groups:
            group["lr"] = args.rate * cosine_rate(step, 100, args.total_steps)
        batch = (part.to(device) for part in pairs.batch(args.batch, rng))
        with accelerator.autocast():
            loss = model(*batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        ema.step(model.parameters())
        run.log(loss=loss.detach(), norm=norm)
    ema.copy_to(model.parameters())
    return model.eval(), pairs


@torch.no_grad()
def take_classes(model: Captioner) -> None:
    """Begins the mapper's first layer with ImageNet's classifier: what things there are need not be learnt anew.

    The thousand logits become the first of its outputs, the others stay random.
    """
    mapper = model.clip_project
    first = mapper.model[0] if isinstance(mapper, MlpMapper) else mapper.linear
    state = imagenet_state()
    rows, bias = state["classifier.weight"], state["classifier.bias"]
    first.weight[: len(rows)] = 0
    first.weight[: len(rows), :FEATURES] = rows * Photographs.NORM / LOGIT
    first.bias[: len(rows)] = bias / LOGIT


def take_language(model: Captioner, folder: Path) -> None:
    """Begins with the language model of an exported captioner, so that only the mapper starts from nothing."""
    state = {name.removeprefix("gpt."): value for name, value in state_of(folder).items() if name.startswith("gpt.")}
    model.gpt.load_state_dict(state)


def state_of(folder: Path) -> dict[str, Tensor]:
    """The weights of an exported captioner, float32."""
    from safetensors.torch import load_file

    state = {name: v.float() for shard in folder.glob("*.safetensors") for name, v in load_file(shard).items()}
    return {**state, "gpt.lm_head.weight": state["gpt.transformer.wte.weight"]}  # tied


def has_tokenizer(folder: Path | None) -> bool:
    return folder is not None and (folder / "tokenizer.json").exists()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.clipcap", description=__doc__.splitlines()[0])
    common_arguments(parser, "clipcap")
    parser.add_argument("--mapper", choices=("transformer", "mlp"), default="transformer")
    parser.add_argument("--maps", type=Path, default=Path("data/clip_maps"))
    parser.add_argument("--clip", type=Path, default=Path("weights/pictograms-clip"))
    parser.add_argument("--language", type=Path, help="begin with the language model of this exported captioner")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--total-steps", type=int, default=3_000, help="length of the learning-rate schedule")
    parser.set_defaults(batch=128)
    args = parser.parse_args()
    model, pairs = train(args)
    if args.export:
        export(model, pairs, args.mapper, args.clip.name, args.export)


if __name__ == "__main__":
    main()

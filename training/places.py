"""Teaches a trained starter CLIP where things are: ``python -m training.places --export weights/pictograms-clip``.

Only what ``models/places.py`` adds is learned, so what the CLIP says of a whole picture stays as it is. Every picture
of two things has a twin whose halves have changed places, and captions that turn the sides or the two things around: of
the twin, these are true. Texts alone then cannot tell which caption is the right one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.families.pictograms_clip import architecture, build, read_folder
from models.families.sentence import SentenceEncoder
from models.places import PlacedTower
from training.caption_pairs import samples_of
from training.clip import contrastive, export
from training.clip_maps import last_maps, seen
from training.compose import Sample
from training.hard_captions import hard_caption, wrong_caption
from training.loop import TrainingRun, common_arguments, cosine_rate, make_accelerator
from training.token_states import TokenStates

NARROW = 48  # width of a half's part
TURNED = ("side", "order")  # the almost true captions that are true of the twin
SHARE = 0.5  # of a batch: pictures of two things with a twin
_SWAPPED = {True: (0, 2, 1, 3, 4), False: (0, 1, 2, 4, 3)}  # regions of the twin, of things side by side or not


@dataclass(frozen=True)
class Batch:
    """``regions`` (N, 5, D) float32 of pictures, token ``states`` of their captions and of almost true ones, each
    (N, L, C) with a mask (N, L); ``has_wrong`` (N,) says which have one, ``numbers`` (N,) are alike for like captions.
    """

    regions: Tensor
    texts: tuple[Tensor, Tensor]
    wrong: tuple[Tensor, Tensor]
    has_wrong: Tensor
    numbers: Tensor


class Places:
    """Pictures seen in halves, with their captions, from what ``training.clip_maps`` drew."""

    def __init__(self, folder: Path, clip: Path, sentence: SentenceEncoder, seed: int = 0) -> None:
        samples, rng = samples_of(folder), np.random.default_rng(seed)
        rows = _half_of_two_things(samples, rng)
        samples = [samples[row] for row in rows]
        self.regions = torch.from_numpy(_regions(folder, clip, sentence, rows))  # (M, 5, D) float16
        turned = [[hard_caption(sample, kind, rng) for kind in TURNED] for sample in samples]
        self.with_twin = np.array([k for k, texts in enumerate(turned) if all(texts)])
        self.without = np.setdiff1d(np.arange(len(samples)), self.with_twin)
        self.beside = np.array([" of" in sample.relation for sample in samples])
        wrong = [hard_caption(sample, "binding", rng) or wrong_caption(sample, rng) for sample in samples]
        captions = [sample.caption for sample in samples]
        texts = [*captions, *wrong, *(text for k in self.with_twin for text in turned[k])]
        self.states = _states(folder, sentence, texts)
        self.has_wrong = np.array([bool(text) for text in wrong])
        numbers: dict[str, int] = {}
        self.numbers = np.array([numbers.setdefault(text, len(numbers)) for text in captions])

    def batch(self, n: int, rng: np.random.Generator) -> Batch:
        """n pictures drawn with replacement, then the twins of the first of them."""
        count, twins = len(self.numbers), int(n * SHARE)
        which = rng.integers(len(self.with_twin), size=twins)
        first = self.with_twin[which]
        rows = np.concatenate([first, rng.choice(self.without, n - twins)])
        swap = torch.tensor([_SWAPPED[bool(side)] for side in self.beside[first]])
        regions = self.regions[rows].float()
        swapped = torch.gather(regions[:twins], 1, swap[..., None].expand(-1, -1, regions.shape[2]))
        turned = 2 * count + len(TURNED) * which + rng.integers(len(TURNED), size=twins)
        has_wrong = torch.from_numpy(np.concatenate([self.has_wrong[rows], np.zeros(twins, bool)]))
        numbers = np.concatenate([self.numbers[rows], turned])
        texts = self.states.rows(np.concatenate([rows, turned]))
        wrong = self.states.rows(np.concatenate([count + rows, turned]))
        return Batch(torch.cat([regions, swapped]), texts, wrong, has_wrong, torch.from_numpy(numbers))


def _half_of_two_things(samples: list[Sample], rng: np.random.Generator) -> np.ndarray:
    """The numbers of all samples that have a place in their caption, and of as many others, in ascending order."""
    placed = np.array([bool(sample.relation) for sample in samples])
    others = np.flatnonzero(~placed)
    return np.sort([*np.flatnonzero(placed), *rng.choice(others, min(len(others), placed.sum()), replace=False)])


def _regions(folder: Path, clip: Path, sentence: SentenceEncoder, rows: np.ndarray) -> np.ndarray:
    """What the CLIP makes of the whole and the halves of these maps: (M, 5, D) float16; kept beside them."""
    visual = read_folder(clip, sentence).model.visual
    tower = visual if isinstance(visual, PlacedTower) else PlacedTower(visual.trunk, visual.head, 256, NARROW)
    return seen(folder, "regions", clip, lambda maps: tower.regions(last_maps(tower.trunk, maps)), rows)


def _states(folder: Path, sentence: SentenceEncoder, texts: list[str]) -> TokenStates:
    """The token states of these texts; kept beside the maps, for they take minutes."""
    name = "states-" + hashlib.blake2b("\n".join(texts).encode(), digest_size=6).hexdigest()
    if not (folder / f"{name}.npy").exists():
        TokenStates.of(sentence, texts).write(folder, name)
    return TokenStates.read(folder, name)


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """The contrastive loss of training the CLIP itself, over pictures and twins."""
    images = F.normalize(model.visual.of_regions(batch.regions), dim=1)
    texts = F.normalize(model.text.of_states(*batch.texts), dim=1)
    wrong = F.normalize(model.text.of_states(*batch.wrong), dim=1) * batch.has_wrong[:, None]
    return contrastive(images, texts, wrong, model.logit_scale, batch.numbers)


def train(args: argparse.Namespace) -> tuple[nn.Module, dict]:
    """Trains for ``args.minutes``, at most ``args.total_steps``, from the last checkpoint on; model and its shape."""
    make_accelerator(args.device, args.threads)
    run, sentence = TrainingRun(args.run, args.minutes), SentenceEncoder()
    torch.manual_seed(args.seed)
    data = Places(args.maps, args.clip, sentence, args.seed)
    known = json.loads((args.clip / "config.json").read_text())["architecture"]
    shape = architecture(known["vision_cfg"]["timm_model_name"], places=NARROW)
    model = build(shape, sentence)
    model.load_state_dict(read_folder(args.clip, sentence).model.state_dict(), strict=False)
    model.requires_grad_(False)
    reader, tower = model.text, model.visual
    added = nn.ModuleList([reader.down, reader.layer, reader.norm, reader.choose, reader.narrow, tower.narrow])
    learned = [*added.parameters(), reader.positions, reader.nothing, model.logit_scale]
    for parameter in learned:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(learned, args.rate, weight_decay=0.05)
    run.track(model=Added(model), optimiser=optimiser)
    run.resume()
    model.text.layer.train()
    rng = np.random.default_rng(args.seed + run.progress.steps)
    for step in run.steps(args.batch):
        if step >= args.total_steps:
            break
        for group in optimiser.param_groups:
            group["lr"] = args.rate * cosine_rate(step, 50, args.total_steps)
        loss = loss_of(model, data.batch(args.batch, rng))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        run.log(loss=loss, scale=model.logit_scale.detach().exp())
    run.save()
    return model.eval(), shape


class Added:
    """What is learned of a model, as something that a checkpoint can hold."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self.model.named_parameters() if value.requires_grad}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state, strict=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.places", description=__doc__.splitlines()[0])
    common_arguments(parser, "places")
    parser.add_argument("--clip", type=Path, default=Path("weights/pictograms-clip"), help="the CLIP that is taught")
    parser.add_argument("--maps", type=Path, default=Path("data/clip_maps"))
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--total-steps", type=int, default=1_000)
    parser.set_defaults(batch=192)
    args = parser.parse_args()
    model, shape = train(args)
    if args.export:
        export(model, shape, args.export)


if __name__ == "__main__":
    main()

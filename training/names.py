"""Names by which a starter CLIP looks things up: ``python -m training.names --clip weights/pictograms-clip``.

They are those of all pictograms but silhouettes, whose names are of games more than of things, and of ImageNet's
thousand classes. Captioners are told the nearest ones (``models/families/clipcap_names.py``). A name lies half where
its phrase does and half where the training pictures of it do (a prototype, Snell et al. 2017), for of things met in
another style pictures know more than words; in the place of photographs are their stand-ins (``training.clip``). To be
run again whenever the CLIP is new.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from models.families.clipcap_names import NAMES, PHRASES
from models.families.pictograms_clip import read_folder
from models.families.sentence import SentenceEncoder
from training.clip import Photographs
from training.clip_maps import means
from training.loop import digest
from training.pictures import PAINTED, Pictograms, on_background

EVERYTHING = ("train", "held_out", "held_out_style")
BATCH = 64
STAND_INS = 5  # for photographs of each of ImageNet's classes, on the average


def photographed() -> list[str]:
    """The names of ImageNet's thousand classes."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    return [name.split(" (")[0] for name in IMAGENET_CLASSNAMES]


def listed(data: Pictograms) -> list[tuple[str, str]]:
    """Names, each with CLIP's phrase for it: those of the data, and ImageNet's as of photographs."""
    rows = (data.records[row] for row in data.rows)
    names = sorted({record["name"] for record in rows if record["source"] in PAINTED})
    return [*((name, name) for name in names), *((name, f"a photo of a {name}") for name in photographed())]


@torch.no_grad()
def vectors_of(model: nn.Module, sentence: SentenceEncoder, texts: list[str]) -> Tensor:
    """Unit vectors (K, d) of texts that speak about whole pictures."""
    parts = [means(sentence, texts[start : start + 100]) for start in range(0, len(texts), 100)]
    return F.normalize(model.text.proj(torch.from_numpy(np.concatenate(parts)).float()), dim=1)


@dataclass(frozen=True)
class Known:
    """What a CLIP knows about names: unit vectors of their ``phrases`` (K, d) and of training ``pictures`` (n, d), and
    the numbers of the names ``of`` those (n,); ``rows`` are their rows in the data, -1 for photographs' stand-ins."""

    names: list[str]
    phrases: Tensor
    pictures: Tensor
    of: Tensor
    rows: list[int]

    def vectors(self) -> Tensor:
        """Unit vectors (K, d) of the names."""
        return self._mixed(self.phrases, self._sums(), self._counts())

    def without(self) -> Tensor:
        """The vectors (n, d) that the names of the pictures would have, were each picture itself not known."""
        sums = self._sums()[self.of] - self.pictures
        return self._mixed(self.phrases[self.of], sums, self._counts()[self.of] - 1)

    def _sums(self) -> Tensor:
        return torch.zeros_like(self.phrases).index_add_(0, self.of, self.pictures)

    def _counts(self) -> Tensor:
        return torch.bincount(self.of, minlength=len(self.names))

    @staticmethod
    def _mixed(phrases: Tensor, sums: Tensor, counts: Tensor) -> Tensor:
        """Half the phrase and half the mean picture; the phrase alone where there is no picture."""
        seen = (counts > 0)[:, None]
        return F.normalize(phrases + torch.where(seen, F.normalize(sums, dim=1), 0), dim=1)


def known_to(clip: Path, data: Pictograms) -> Known:
    """What the CLIP in this folder knows about all names of ``data``; pictures are those of its training split."""
    sentence = SentenceEncoder()
    ranker = read_folder(clip, sentence)
    names, phrases = (list(part) for part in zip(*listed(data), strict=True))
    texts, drawn = vectors_of(ranker.model, sentence, phrases), len(names) - len(photographed())
    number = {name: k for k, name in enumerate(names[:drawn])}
    rows = [int(row) for row in data.rows if _is_shown(data.records[row])]
    pictures = seen(ranker, clip, data, rows, texts.shape[1])
    of = torch.tensor([number[data.records[row]["name"]] for row in rows], dtype=torch.long)
    photos, classes = stand_ins(ranker.model, sentence)
    # Phrases are moved to where pictures lie (Liang et al. 2022, the modality gap), each kind by its own way.
    moved = [
        F.normalize(part + shown.mean(0) - part[of_part].mean(0), dim=1) if len(shown) else part
        for part, shown, of_part in ((texts[:drawn], pictures, of), (texts[drawn:], photos, classes))
    ]
    everything, every = torch.cat([pictures, photos]), torch.cat([of, classes + drawn])
    return Known(names, torch.cat(moved), everything, every, [*rows, *[-1] * len(photos)])


def _is_shown(record: dict[str, Any]) -> bool:
    return record["split"] == "train" and record["source"] in PAINTED


def seen(ranker: Any, clip: Path, data: Pictograms, rows: list[int], width: int) -> Tensor:
    """Unit vectors (n, d) of these pictures on white; kept beside the data by the weights of ``clip`` and its looks."""
    kept = data.folder / f"vectors-{len(rows)}-{digest(clip)}-{len(ranker.looks)}.npy"
    if not kept.exists():
        found = []
        for start in tqdm(range(0, len(rows), BATCH), desc="pictures", unit="batch"):
            rgba = torch.from_numpy(np.asarray(data.rgba[rows[start : start + BATCH]]))
            vectors = ranker.encode_images(on_background(rgba, torch.ones(len(rgba), 3)))[:, :width]
            found.append(F.normalize(vectors, dim=1).half().numpy())
        np.save(kept, np.concatenate(found) if found else np.zeros((0, width), np.float16))
    return torch.from_numpy(np.load(kept)).float()


@torch.no_grad()
def stand_ins(model: nn.Module, sentence: SentenceEncoder) -> tuple[Tensor, Tensor]:
    """Unit vectors (n, d) of stand-ins for photographs, and their ImageNet classes (n,); the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        photographs = Photographs(sentence, torch.device("cpu"))
        drawn = [photographs.batch(photographs.mean.expand(1000, -1)) for _ in range(STAND_INS)]
        features, classes = (torch.cat(part) for part in zip(*drawn, strict=True))
        return F.normalize(model.visual.head(features), dim=1), classes


def write(clip: Path, data: Pictograms) -> None:
    """The names of ``data`` and their vectors into the folder of a CLIP."""
    known = known_to(clip, data)
    vectors = known.vectors()
    scale = vectors.abs().amax() / 127  # bytes are enough to tell names apart
    save_file({"phrases": (vectors / scale).round().to(torch.int8), "scale": scale}, clip / PHRASES)
    (clip / NAMES).write_text(json.dumps(known.names, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.names", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--clip", type=Path, default=Path("weights/pictograms-clip"))
    args = parser.parse_args()
    write(args.clip, Pictograms(args.data, EVERYTHING))


if __name__ == "__main__":
    main()

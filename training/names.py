"""Names by which a starter CLIP looks things up: ``python -m training.names --clip weights/pictograms-clip``.

They are those of all pictograms but silhouettes, whose names are of games more than of things, and of ImageNet's
thousand classes. Captioners are told the nearest ones (``models/families/clipcap_names.py``); reading some 4,000
phrases takes seconds, so their vectors are shipped. To be run again whenever the CLIP is new.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from models.families.clipcap_names import NAMES, PHRASES
from models.families.pictograms_clip import read_folder
from models.families.sentence import SentenceEncoder
from training.clip_maps import means
from training.pictures import PAINTED, Pictograms

EVERYTHING = ("train", "held_out", "held_out_style")


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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.names", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--clip", type=Path, default=Path("weights/pictograms-clip"))
    args = parser.parse_args()
    write(args.clip, Pictograms(args.data, EVERYTHING))


def write(clip: Path, data: Pictograms) -> None:
    """The names of ``data`` and their vectors into the folder of a CLIP."""
    sentence, names = SentenceEncoder(), listed(data)
    vectors = vectors_of(read_folder(clip, sentence).model, sentence, [phrase for _, phrase in names])
    scale = vectors.abs().amax() / 127  # bytes are enough to tell names apart
    save_file({"phrases": (vectors / scale).round().to(torch.int8), "scale": scale}, clip / PHRASES)
    (clip / NAMES).write_text(json.dumps([name for name, _ in names], ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

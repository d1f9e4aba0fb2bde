"""What captioners learn from: what CLIP saw in pictures, several captions of each, and a tokenizer made of them.

They read the pooled features of CLIP's image tower and not its vectors: the projection keeps what captions of
pictograms need, and of a thousand ImageNet classes it forgets most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from tqdm import tqdm

from models.families.pictograms_clip import read_folder
from models.families.sentence import SentenceEncoder
from training.clip import Photographs
from training.clip_maps import upper
from training.compose import Sample, recaption
from training.data.captions import spoken_caption
from training.pictures import Pictograms

VOCABULARY, LONGEST = 3000, 28  # tokens
END = "<|endoftext|>"
BATCH = 256
PHOTOS = 0.3  # share of stand-ins for photographs in a batch
_A_PHOTO = ("a photo of a {n}", "a photograph of a {n}", "a close-up photo of a {n}")


class Pairs:
    """Pooled features with captions, of the pictures that ``training.clip_maps`` drew."""

    def __init__(self, data: Path, maps: Path, clip: Path, seed: int = 0, variants: int = 4) -> None:
        from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

        pictograms, rng = Pictograms(data), np.random.default_rng(seed)
        samples = samples_of(maps)
        self.captions = [_captions(pictograms, sample, variants, rng) for sample in samples]
        self.names = [name.split(" (")[0] for name in IMAGENET_CLASSNAMES]
        photos = (template.format(n=name) for name in self.names for template in _A_PHOTO)
        self.tokenizer = make_tokenizer([*(text for texts in self.captions for text in texts), *photos])
        self.vectors, self.photos = _encode(maps, clip)

    def batch(self, n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Unit vectors (n, d) float32 and their captions' tokens (n, T) int64, an end token last and -1 behind it."""
        photos = int(n * PHOTOS)
        rows = rng.integers(len(self.captions), size=n - photos)
        texts = [str(rng.choice(self.captions[row])) for row in rows]
        vectors, classes = self.photos(photos, rng)
        texts += [str(rng.choice(_A_PHOTO)).format(n=self.names[k]) for k in classes]
        return torch.cat([self.vectors[rows].float(), vectors]), self.tokens(texts)

    def tokens(self, texts: list[str]) -> Tensor:
        """Texts to tokens (N, T) int64, an end token last and -1 behind it."""
        end = self.tokenizer.token_to_id(END)
        rows = [torch.tensor([*each.ids[: LONGEST - 1], end]) for each in self.tokenizer.encode_batch(texts)]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


def samples_of(maps: Path) -> list[Sample]:
    """The samples behind the cached maps, without their pixels."""
    with open(maps / "captions.jsonl") as file:
        rows = [json.loads(line) for line in file]
    none = {"rgba": np.zeros((0, 0, 4), np.uint8), "background": np.zeros(3, np.float32)}
    return [Sample(**{name: value for name, value in row.items() if name != "wrong"}, **none) for row in rows]


def _captions(data: Pictograms, sample: Sample, variants: int, rng: np.random.Generator) -> list[str]:
    """Captions of one sample; every second one of a single thing is the full sentence that a captioner should say."""
    texts = [recaption(data, sample, rng) for _ in range(variants)]
    if not sample.relation and not sample.count:
        spoken = spoken_caption(data.records[sample.rows[0]], sample.colours[0], sample.ground)
        texts[::2] = [spoken] * len(texts[::2])
    return texts


def make_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A byte-level BPE as GPT-2's, with a vocabulary made for these texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class PhotoFeatures:
    """Pooled features of stand-ins for photographs."""

    def __init__(self, features: Tensor, sentence: SentenceEncoder) -> None:
        self._features = features
        self._photographs = Photographs(sentence, features.device)

    @torch.no_grad()
    def __call__(self, n: int, rng: np.random.Generator) -> tuple[Tensor, list[int]]:
        """n unit vectors (n, d) float32, and the numbers of their ImageNet classes."""
        features, classes = self._photographs.batch(self._features[rng.integers(len(self._features), size=n)].float())
        return F.normalize(features, dim=1), classes.tolist()


@torch.no_grad()
def _encode(folder: Path, clip: Path) -> tuple[Tensor, PhotoFeatures]:
    """Features (M, d) float16 of unit length of all cached maps, and those of photographs to draw from."""
    maps, sentence = np.load(folder / "maps.npy", mmap_mode="r"), SentenceEncoder()
    trunk = read_folder(clip, sentence).model.visual.trunk
    units, features = [], []
    for start in tqdm(range(0, len(maps), BATCH), desc="features", unit="batch"):
        seen = upper(trunk, torch.from_numpy(np.array(maps[start : start + BATCH])).float())
        units.append(F.normalize(seen, dim=1).half())
        if len(features) < 16:
            features.append(seen)
    return torch.cat(units), PhotoFeatures(torch.cat(features), sentence)

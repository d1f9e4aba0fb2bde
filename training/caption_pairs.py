"""What captioners learn from: what CLIP saw in pictures, several captions of each, and a tokenizer made of them.

They read two things side by side: the pooled features of CLIP's image tower, in which there is more than words, and
its vector, whose neighbours are words. From captions alone there are vectors only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

from models.families.clipcap_names import Names
from models.families.pictograms_clip import read_folder
from models.families.sentence import SentenceEncoder
from training.clip import Photographs
from training.clip_maps import seen, upper
from training.compose import Sample, recaption
from training.data.captions import spoken_caption
from training.names import known_to, photographed
from training.pictures import Pictograms

VOCABULARY, LONGEST = 3000, 28  # tokens
END = "<|endoftext|>"
FEATURES, VECTOR = 1280, 256  # values of the two
SLOTS, NAME = 3, 5  # names that are told, and tokens of each
PHOTOS, WORDS = 0.25, 0.25  # shares of a batch: stand-ins for photographs, and captions alone
BLIND = 0.15  # share of the others that show their vector only
NOISE = 0.7  # at most, as a share of a vector's length
_A_PHOTO = ("a photo of a {n}", "a photograph of a {n}", "a close-up photo of a {n}")


class Pairs:
    """What CLIP sees in the pictures that ``training.clip_maps`` drew, with captions."""

    def __init__(
        self, data: Path, maps: Path, clip: Path, seed: int = 0, variants: int = 4, tokenizer: Path | None = None
    ) -> None:
        """``tokenizer``: the file of one that was made before, for a captioner that learns on."""
        pictograms, rng = Pictograms(data), np.random.default_rng(seed)
        samples = samples_of(maps)
        self.captions = [_captions(pictograms, sample, variants, rng) for sample in samples]
        self.names = photographed()
        photos = (template.format(n=name) for name in self.names for template in _A_PHOTO)
        self.tokenizer = (
            Tokenizer.from_file(str(tokenizer))
            if tokenizer
            else make_tokenizer([*(text for texts in self.captions for text in texts), *photos])
        )
        self.eye = Eye(maps, clip)
        self.said = [sample.caption for sample in samples]
        known = known_to(clip, pictograms)
        self.known = Names(known.names, known.vectors(), self.encode, **self.told())
        self.names_of, self.without = known.of, known.without()
        place = {row: k for k, row in enumerate(known.rows)}
        self.shown = [[place[row] for row in sample.rows if row in place] for sample in samples]

    def told(self) -> dict[str, int]:
        """How names are told: see ``Names``."""
        return {"slots": SLOTS, "length": NAME, "pad": self.tokenizer.token_to_id(END)}

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without an end."""
        return self.tokenizer.encode(text).ids

    def batch(self, n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """What is seen (n, FEATURES + VECTOR) float32, the names that are told (n, SLOTS * NAME) int64, looked up with
        what is seen, noise included, and captions' tokens (n, T) int64, an end token last and -1 behind it.

        First pictograms, then photographs, then captions alone, half of them of photographs.
        """
        photos, words = int(n * PHOTOS), int(n * WORDS)
        rows = rng.integers(len(self.captions), size=n - photos - words)
        texts = [str(rng.choice(self.captions[row])) for row in rows]
        seen, classes = self.eye.photographs(photos, rng)
        alone, named = rng.integers(len(self.said), size=words - words // 2), rng.integers(1000, size=words // 2)
        texts += [str(rng.choice(_A_PHOTO)).format(n=self.names[k]) for k in classes]
        texts += [*(self.said[row] for row in alone), *(f"a photo of a {self.names[k]}" for k in named)]
        parts = [self.eye.pictures(rows), seen, self.eye.words(alone, named)]
        seen = self._troubled(torch.cat(parts), rng)
        return seen, self.known.told(self._likeness(seen[:, FEATURES:], rows)), self.tokens(texts)

    def _likeness(self, vectors: Tensor, rows: np.ndarray) -> Tensor:
        """Of all names to vectors (N, VECTOR), the first of which are of these pictures: as if the names were known
        from other pictures only, for that is how it will be."""
        likeness = self.known.likeness(vectors)
        for k, row in enumerate(rows):
            for picture in self.shown[row]:
                likeness[k, self.names_of[picture]] = vectors[k] @ self.without[picture]
        return likeness

    @staticmethod
    def _troubled(seen: Tensor, rng: np.random.Generator) -> Tensor:
        """Noise on both parts, of a strength of its own for each row, and features that are not seen."""
        noise = torch.from_numpy(rng.standard_normal(seen.shape, np.float32))
        strength = NOISE * torch.from_numpy(rng.random((len(seen), 1), np.float32))
        blind = torch.from_numpy(rng.random((len(seen), 1)) < BLIND) | (seen[:, :1].isnan())
        features, vectors = seen.split([FEATURES, VECTOR], 1)
        first, second = noise.split([FEATURES, VECTOR], 1)
        features = F.normalize(features + strength * first / FEATURES**0.5, dim=1).masked_fill(blind, 0)
        return torch.cat([features, F.normalize(vectors + strength * second / VECTOR**0.5, dim=1)], 1)

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


class Eye:
    """What the CLIP in the folder ``clip`` sees in cached maps; all rows are (FEATURES + VECTOR) float32."""

    def __init__(self, maps: Path, clip: Path) -> None:
        sentence = SentenceEncoder()
        self._model = read_folder(clip, sentence).model
        self._features = torch.from_numpy(
            seen(maps, "features", clip, partial(upper, self._model.visual.trunk))
        )  # (M, FEATURES) float16
        self._photographs = Photographs(sentence, self._features.device)
        self._texts = np.load(maps / "texts.npy", mmap_mode="r")
        self._gap = self._between()

    @torch.no_grad()
    def pictures(self, rows: np.ndarray) -> Tensor:
        """Those of these pictures."""
        return self._both(self._features[rows].float())

    @torch.no_grad()
    def photographs(self, n: int, rng: np.random.Generator) -> tuple[Tensor, list[int]]:
        """n stand-ins for photographs, and the numbers of their ImageNet classes."""
        rows = rng.integers(len(self._features), size=n)
        features, classes = self._photographs.batch(self._features[rows].float())
        return self._both(features), classes.tolist()

    @torch.no_grad()
    def words(self, rows: np.ndarray, classes: np.ndarray) -> Tensor:
        """Of the captions of these pictures, then of photographs of these classes; the features are NaN."""
        texts = torch.cat([torch.from_numpy(self._texts[rows]).float(), self._photographs.texts[classes]])
        vectors = F.normalize(self._said(texts) + self._gap, dim=1)
        return torch.cat([torch.full((len(vectors), FEATURES), torch.nan), vectors], 1)

    def _both(self, features: Tensor) -> Tensor:
        vectors = F.normalize(self._model.visual.head(features), dim=1)
        return torch.cat([F.normalize(features, dim=1), vectors], 1)

    def _said(self, texts: Tensor) -> Tensor:
        return F.normalize(self._model.text.proj(texts), dim=1)

    @torch.no_grad()
    def _between(self) -> Tensor:
        """From where captions lie on the average to where pictures do (Liang et al. 2022, the modality gap)."""
        rows = np.linspace(0, len(self._texts) - 1, min(len(self._texts), 4096)).astype(int)
        texts = torch.from_numpy(self._texts[rows]).float()
        return self._both(self._features[rows].float())[:, FEATURES:].mean(0) - self._said(texts).mean(0)

"""Token states of many texts on disk, one behind the other, each as long as its text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models.families.sentence import SentenceEncoder

LENGTH = 77  # tokens that the starter CLIP reads
BATCH = 128


class TokenStates:
    """`states` (T, 384) float16 of all texts' tokens, of which the texts have `lengths` (N,)."""

    def __init__(self, states: np.ndarray, lengths: np.ndarray) -> None:
        self.states, self.lengths = states, lengths
        self.ends = np.cumsum(lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """The texts of these numbers: states (n, L, 384) float32, zeros behind the end, and mask (n, L) bool."""
        parts = [
            torch.from_numpy(self.states[self.ends[k] - self.lengths[k] : self.ends[k]].astype(np.float32))
            for k in rows
        ]
        states = nn.utils.rnn.pad_sequence(parts, batch_first=True)
        lengths = torch.from_numpy(self.lengths[rows])
        return states, torch.arange(states.shape[1]) < lengths[:, None]

    @classmethod
    def of(cls, sentence: SentenceEncoder, texts: list[str]) -> TokenStates:
        """Those of `texts`, in memory; of "" those of its two markers."""
        found: dict[str, np.ndarray] = {}
        distinct = sorted(set(texts), key=len)  # those of a batch are about as long as each other
        for start in tqdm(range(0, len(distinct), BATCH), desc="texts", unit="batch", disable=len(distinct) < 5_000):
            part = distinct[start : start + BATCH]
            states, mask = sentence.token_states(part, length=LENGTH)
            rows = (row[kept].cpu().half().numpy() for row, kept in zip(states, mask, strict=True))
            found.update(zip(part, rows, strict=True))
        return cls(np.concatenate([found[text] for text in texts]), np.array([len(found[text]) for text in texts]))

    @classmethod
    def read(cls, folder: Path, name: str) -> TokenStates:
        """What `write` left, memory-mapped."""
        return cls(np.load(folder / f"{name}.npy", mmap_mode="r"), np.load(folder / f"{name}-lengths.npy"))

    def write(self, folder: Path, name: str) -> None:
        """Leaves `name`.npy and `name`-lengths.npy in the folder."""
        np.save(folder / f"{name}.npy", self.states)
        np.save(folder / f"{name}-lengths.npy", self.lengths)

"""What MiniLM says of captions that training reads over and over: each is read once and kept in half precision."""

from __future__ import annotations

import torch
from torch import Tensor

from models.families.sentence import SentenceEncoder


class Vectors:
    """MiniLM sentence vectors."""

    def __init__(self, sentence: SentenceEncoder) -> None:
        self.sentence = sentence
        self.known: dict[str, Tensor] = {}

    def __call__(self, texts: list[str]) -> Tensor:
        """Unit vectors (N, 384) float32."""
        if new := [text for text in dict.fromkeys(texts) if text not in self.known]:
            self.known |= dict(zip(new, self.sentence.encode(new).half().cpu(), strict=True))
        return torch.stack([self.known[text] for text in texts]).float()


class TextStates:
    """MiniLM token states."""

    def __init__(self, sentence: SentenceEncoder) -> None:
        self.sentence = sentence
        self.known: dict[str, Tensor] = {}

    def __call__(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """States (N, L, 384) float32 and mask (N, L) bool, as ``SentenceEncoder.token_states`` gives them."""
        new = [caption for caption in dict.fromkeys(captions) if caption not in self.known]
        if new:
            states, mask = self.sentence.token_states(new)
            for caption, rows, real in zip(new, states, mask, strict=True):
                self.known[caption] = rows[real].half().cpu()
        each = [self.known[caption].float() for caption in captions]
        lengths = torch.tensor([len(rows) for rows in each])
        padded = torch.nn.utils.rnn.pad_sequence(each, batch_first=True)
        return padded, torch.arange(padded.shape[1]) < lengths[:, None]

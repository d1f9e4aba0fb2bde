"""Which candidates to look at first, where looking at all of them at every step would take too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from models.prompting.readers import Reader


@dataclass(frozen=True, eq=False)
class Compared:
    """The best of some phrases to add: the cosine that the prompt then has, and its vector (D,)."""

    phrase: str
    cosine: float
    vector: Tensor


class Promises:
    """What is known of candidates without reading them once more behind the prompt as it now is.

    Two things: how much each gained when it was last read, and, where the phrases' own `vectors` (N, D) are given, the
    cosine of a mixture of its vector with the prompt's. Only the order of looking hangs on them.
    """

    def __init__(
        self, reader: Reader, image: Tensor, phrases: Sequence[str], vectors: Tensor | None, sign: float
    ) -> None:
        self._reader, self._image, self._vectors, self._sign = reader, image, vectors, sign
        self._rows = {phrase: row for row, phrase in enumerate(phrases)}
        self._gains: dict[str, float] = {}
        self._tokens, self._prompt = 0, image

    @property
    def known(self) -> bool:
        """Whether any candidate was read yet."""
        return bool(self._gains)

    def learn(self, phrases: Sequence[str], gains: Sequence[float]) -> None:
        """Phrases were read; by how much the cosine rose with each."""
        self._gains |= zip(phrases, gains, strict=True)

    def prompt(self, text: str, found: Compared) -> None:
        """The prompt has become `text`, whose vector is that of `found`."""
        self._tokens, self._prompt = self._reader.length(text), found.vector

    def order(self, phrases: Sequence[str]) -> list[str]:
        """The phrases, the most promising first: by last gain and by mixture in turn."""
        by_gain = sorted(phrases, key=lambda phrase: -self._sign * self._gains.get(phrase, 0.0))
        if self._vectors is None:
            return by_gain
        mixed = self._mixed(phrases)
        by_mixture = [phrases[row] for row in (-self._sign * mixed).argsort(stable=True).tolist()]
        return list(dict.fromkeys(phrase for pair in zip(by_gain, by_mixture, strict=True) for phrase in pair))

    def _mixed(self, phrases: Sequence[str]) -> Tensor:
        """The cosines (N,) that phrases would lead to if a text's vector were the mean of its parts', by their tokens.

        For a tower that averages the states of its tokens that is nearly so.
        """
        import torch

        lengths = torch.tensor([self._reader.length(phrase) for phrase in phrases], dtype=torch.float32)
        own = self._vectors[[self._rows[phrase] for phrase in phrases]]  # (N, D)
        share = (lengths / (lengths + self._tokens))[:, None]
        mixed = torch.lerp(self._prompt.expand_as(own), own, share)
        return torch.nn.functional.normalize(mixed, dim=-1) @ self._image

"""Names that a small captioner is told before it speaks: those of a long list that its CLIP finds nearest the picture.

What a thing is called need not be squeezed through the mapper then; the language model copies it, also a name that it
never learned (retrieval-augmented captioning as in SmallCap, Ramos et al. 2023, with names in place of captions).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

FILE = "names.json"  # {what stands before them in CLIP's phrase: [names]}


class Names:
    """`listed` are names, each with the phrase by which CLIP looks it up ("koala", "a photo of a koala"); `slots` of
    them are told, with `length` tokens each, `pad` behind shorter ones."""

    def __init__(
        self, listed: Sequence[tuple[str, str]], phrases: Tensor, encode: Callable[[str], list[int]],
        slots: int, length: int, pad: int,
    ) -> None:  # fmt: skip
        """`phrases`: their CLIP vectors (K, D)."""
        import torch

        self.phrases, self.slots = phrases, slots
        tokens = [encode(f" {name}")[:length] for name, _ in listed]  # a caption's words have a space before them
        self.tokens = torch.tensor([[*each, *[pad] * (length - len(each))] for each in tokens])  # (K, length)

    @classmethod
    def read(cls, folder: Path, ranker: Any, encode: Callable[[str], list[int]], told: dict[str, int]) -> Names:
        """From the list in a captioner's folder; `told` is "names" of its config. Of a CLIP that knows places, what it
        says of halves counts for nothing."""
        lists: dict[str, list[str]] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        listed = [(name, opening + name) for opening, names in lists.items() for name in names]
        encode_phrases = getattr(ranker, "encode_phrases", ranker.encode_texts)
        phrases = encode_phrases([phrase for _, phrase in listed])
        return cls(listed, phrases, encode, told["slots"], told["length"], told["pad"])

    def nearest(self, vectors: Tensor) -> Tensor:
        """What is told about pictures whose CLIP vectors are (N, D): tokens (N, slots * length) int64, the nearest
        name first."""
        similarity = vectors.float().cpu() @ self.phrases.T
        return self.tokens[similarity.topk(self.slots).indices].flatten(1)

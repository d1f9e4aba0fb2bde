"""Names that a small captioner is told before it speaks: those of a long list that its CLIP finds nearest the picture.

What a thing is called need not be squeezed through the mapper then; the language model copies it, also a name that it
never learned (retrieval-augmented captioning as in SmallCap, Ramos et al. 2023, with names in place of captions).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# In a CLIP's folder: the names, and the vectors of the phrases by which it looks them up, as bytes with one scale.
NAMES, PHRASES = "names.json", "names.safetensors"


class Names:
    """`slots` names are told, nearest first, with `length` tokens each, `pad` behind shorter ones."""

    def __init__(
        self, names: Sequence[str], phrases: Tensor, encode: Callable[[str], list[int]],
        slots: int, length: int, pad: int,
    ) -> None:  # fmt: skip
        """`phrases`: CLIP's unit vectors (K, d) for the `names`, made of phrases ("a photo of a koala"), of pictures or
        of both."""
        import torch

        self.phrases, self.slots = phrases, slots
        tokens = [encode(f" {name}")[:length] for name in names]  # a caption's words have a space before them
        self.tokens = torch.tensor([[*each, *[pad] * (length - len(each))] for each in tokens])  # (K, length)

    @classmethod
    def read(cls, folder: Path, encode: Callable[[str], list[int]], told: dict[str, int]) -> Names:
        """From the folder of a CLIP; `told` is "names" of a captioner's config."""
        from safetensors.torch import load_file

        names, parts = json.loads((folder / NAMES).read_text(encoding="utf-8")), load_file(folder / PHRASES)
        return cls(names, parts["phrases"].float() * parts["scale"], encode, **told)

    def nearest(self, vectors: Tensor) -> Tensor:
        """What is told about pictures whose CLIP vectors are (N, D), D at least d: tokens (N, slots * length) int64.
        Of a CLIP that knows places, only what comes first, about the whole picture, counts."""
        return self.told(self.likeness(vectors))

    def likeness(self, vectors: Tensor) -> Tensor:
        """Cosines (N, K), but for the vectors' lengths."""
        return vectors[:, : self.phrases.shape[1]].float().cpu() @ self.phrases.T

    def told(self, likeness: Tensor) -> Tensor:
        """What `nearest` gives, from what `likeness` gave."""
        return self.tokens[likeness.topk(self.slots).indices].flatten(1)

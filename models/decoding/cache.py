"""Keys and values of a causal transformer while many hypotheses grow from one beginning."""

from __future__ import annotations

from torch import Tensor


class TreeCache:
    """Keys and values of every token that any hypothesis of a picture ever had, in the order of their making.

    Hypotheses of one picture share their beginnings, so they form a tree. Nothing in it is ever moved or repeated
    when the beams change places: a token's keys are written once, and each hypothesis has a row in a mask that says
    which tokens are its own past. (The usual cache is copied beam by beam at every step instead.) All beams of a
    picture then read the same keys in one product, the picture's prefix included.

    `layers`: how many keep keys. `size`: tokens a picture may come to have, `prefix + beams · steps`.
    """

    def __init__(self, layers: int, pictures: int, beams: int, heads: int, size: int, like: Tensor) -> None:
        """`like`: a tensor of the wanted dtype and device whose last dimension is the width of one head."""
        shape = (pictures, heads, size, like.shape[-1])
        self.keys = [like.new_empty(shape) for _ in range(layers)]
        self.values = [like.new_empty(shape) for _ in range(layers)]
        # Added to the products of queries and keys: 0 where a hypothesis sees a token, minus infinity elsewhere.
        self.hidden = like.new_full((pictures, beams, size), float("-inf"))
        self.beams, self.length = beams, 0

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep keys and values (N, H, q, D) of the newest q tokens; all of that layer's so far, (N, H, S, D)."""
        end = self.length + keys.shape[2]
        self.keys[layer][:, :, self.length : end] = keys
        self.values[layer][:, :, self.length : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def begin(self, tokens: int) -> None:
        """The first `tokens` tokens, which all hypotheses share, have been written in every layer."""
        self.hidden[:, :, :tokens] = 0
        self.length = tokens

    def branch(self, source: Tensor) -> Tensor:
        """Hypothesis b continues `source[:, b]` (N, B) by one token, written next: the mask (N, 1, B, S) for it.

        `advance` must follow when every layer has written.
        """
        end = self.length + self.beams
        past = self.hidden[:, :, : self.length]
        if self.beams > 1:
            self.hidden[:, :, : self.length] = past.gather(1, source[..., None].expand_as(past))
        self.hidden[:, :, self.length : end].diagonal(dim1=1, dim2=2).zero_()
        return self.hidden[:, None, :, :end]

    def advance(self) -> None:
        """One token of every hypothesis has been written in every layer."""
        self.length += self.beams

    def keep(self, pictures: Tensor) -> None:
        """Forget all pictures but these, (K,) int64; done when a picture's captions are finished."""
        self.keys = [keys[pictures] for keys in self.keys]
        self.values = [values[pictures] for values in self.values]
        self.hidden = self.hidden[pictures]

"""From tokens to captions and back, for any tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import exp
from typing import TYPE_CHECKING

from common.errors import BadRequest
from models.families.caption_contract import Caption, Decoding

if TYPE_CHECKING:
    from torch import Tensor

    from models.decoding.search import Hypothesis, Tokens

Encode = Callable[[str], list[int]]
Decode = Callable[[Sequence[int]], str]


class Wording:
    """A tokenizer as captions need it.

    `encode` and `decode` leave special tokens out. `pieces`: how each token is written in the vocabulary. `stop`:
    tokens that end a caption; those in `silent` are not part of its text, such as an end marker, while a full stop is.
    """

    def __init__(
        self,
        encode: Encode,
        decode: Decode,
        pieces: Callable[[], list[str | None]],
        stop: Sequence[int],
        silent: Sequence[int] = (),
        forbidden: Sequence[int] = (),
    ) -> None:
        self.encode, self.decode, self.pieces = encode, decode, pieces
        self.stop, self.silent, self.forbidden = tuple(stop), frozenset(silent), tuple(forbidden)

    def tokens(self, decoding: Decoding) -> Tokens:
        """What a search must know. Raises BadRequest for required words that cannot be written: `max_tokens` has no
        room for them, or one ends the caption."""
        from models.decoding.search import Tokens

        if not decoding.required:
            return Tokens(self.stop, self.forbidden)
        required = tuple(self._spellings(word) for word in decoding.required)
        needed = sum(len(spellings[0]) for spellings in required)
        if needed > decoding.max_tokens:
            raise BadRequest(
                f"the required words take {needed} tokens, and max_tokens is {decoding.max_tokens}; raise it or "
                "require fewer."
            )
        return Tokens(self.stop, self.forbidden, required, self._continues())

    def text(self, tokens: Sequence[int]) -> str:
        """Tokens as a sentence, without what is silent."""
        return tidy(self.decode([token for token in tokens if token not in self.silent]))

    def caption(self, opening: Sequence[int], found: Hypothesis, detail: str = "caption") -> Caption:
        """The caption of a search's result, after the tokens that it was begun with; `detail` is what was asked for."""
        tokens = [*opening, *found.tokens]
        log_probs = [0.0] * len(opening) + list(found.log_probs)  # what was given is certain
        text = self.text(tokens)
        sums = [sum(log_probs[token] for token in places) for places in self.places(tokens, text)]
        confidences = tuple(min(1.0, exp(each)) for each in sums)
        return Caption(text, tuple(text.split()), confidences, sum(found.log_probs), tuple(tokens), detail)

    def places(self, tokens: Sequence[int], text: str) -> list[list[int]]:
        """For each word of `text`, which tokens say it, by what the text grows with each."""
        spans = [match.span() for match in re.finditer(r"\S+", text)]
        words: list[list[int]] = [[] for _ in spans]
        before = 0
        for place, token in enumerate(tokens):
            after = before if token in self.silent else len(self.text(tokens[: place + 1]))
            for word, (start, end) in enumerate(spans):
                if max(start, before) < min(end, after):
                    words[word].append(place)
            before = max(before, after)
        return words

    def _spellings(self, word: str) -> tuple[tuple[int, ...], ...]:
        """In the middle of a sentence first, then at its beginning, small and capital."""
        word = word.strip()
        forms = (f" {word}", word, f" {word.capitalize()}", word.capitalize())
        spellings = tuple(dict.fromkeys(tuple(self.encode(form)) for form in forms))
        if not spellings[0]:
            raise BadRequest(f"“{word}” is required, but this model has no tokens for it.")
        ends = [token for token in spellings[0] if token in self.stop]
        if ends:
            mark = self.decode(ends[:1]).strip()
            what = f"“{mark}”, which ends" if mark else "what ends"
            raise BadRequest(f"“{word}” is required, but it contains {what} this model's captions; leave that out.")
        return tuple(filter(None, spellings))

    def _continues(self) -> Tensor | None:
        """(V,) bool: tokens that go on with a word, by the mark that this kind of vocabulary writes."""
        import torch

        pieces = [piece or "" for piece in self.pieces()]  # a vocabulary may be larger than its tokenizer
        if any(piece.startswith("##") for piece in pieces):  # WordPiece
            return torch.tensor([piece.startswith("##") for piece in pieces])
        for mark in ("Ġ", "▁"):  # byte-level BPE, SentencePiece
            if any(piece.startswith(mark) for piece in pieces):
                return torch.tensor([piece[:1].isalnum() and not piece.startswith(mark) for piece in pieces])
        return None  # CLIP's marks the ends of words, so a complete word cannot go on


def tidy(text: str) -> str:
    """One space between words, none before a full stop or comma."""
    return re.sub(r"\s+([.,!?;:])", r"\1", " ".join(text.split()))

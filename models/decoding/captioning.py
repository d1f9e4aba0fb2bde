"""What captioners that continue a sequence share: batches, the stream of texts, and which tokens say a word."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from common.errors import BadRequest
from models.decoding.wording import Wording
from models.families.caption_contract import Caption, Captioner, Decoding

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from models.decoding.search import Continuation

ROWS = 80  # hypotheses in one batch: more gain nothing on a CPU, and their keys must fit into memory


class SearchingCaptioner(Captioner):
    """A captioner whose words our own searches choose. `wording`: its tokenizer."""

    wording: Wording
    rows: int = ROWS

    @abstractmethod
    def begin(
        self, pictures: Sequence[Image], opening: Sequence[int], decoding: Decoding, hypotheses: int
    ) -> Continuation:
        """A network that has seen the pictures and continues the tokens `opening`, maybe none."""

    def caption(self, pictures: Sequence[Image], decoding: Decoding) -> Iterator[list[str] | list[list[Caption]]]:
        """See `Captioner.caption`."""
        from models.decoding.search import hypotheses_of

        self.check(decoding)
        opening = self.wording.encode(decoding.opening.strip()) if decoding.opening.strip() else []
        self.check_length(len(opening) + decoding.max_tokens)
        known = self.wording.tokens(decoding)
        hypotheses = hypotheses_of(decoding)
        size = max(1, self.rows // hypotheses)
        done: list[list[Caption]] = []
        texts = [""] * len(pictures)
        for start in range(0, len(pictures), size):
            part = pictures[start : start + size]
            search = yield from self._search(part, opening, decoding, hypotheses, known, texts, start)
            done += [
                [self.wording.caption(opening, each, decoding.detail) for each in found[: decoding.count]]
                for found in search.results
            ]
        yield done

    def check_length(self, tokens: int) -> None:
        """Raise BadRequest when a text of so many tokens is longer than the network can read."""

    def room(self, decoding: Decoding) -> int:
        """See `Captioner.room`; at least 1, so that a beginning that fills the network is told of as such."""
        opening = self.wording.encode(decoding.opening.strip()) if decoding.opening.strip() else []
        fits = (tokens for tokens in range(decoding.max_tokens, 1, -1) if self._has_room(len(opening) + tokens))
        return next(fits, 1)

    def _has_room(self, tokens: int) -> bool:
        try:
            self.check_length(tokens)
        except BadRequest:
            return False
        return True

    def _search(self, pictures, opening, decoding, hypotheses, known, texts, start):
        """Captions of one batch; yields `texts` with what is new of it, after every token."""
        import torch

        from models.decoding.search import make_search

        with torch.inference_mode():
            network = self.begin(pictures, opening, decoding, hypotheses)
        search = make_search(network, decoding, known)
        while not search.finished:
            search.step()
            texts[start : start + len(pictures)] = [self.wording.text([*opening, *best]) for best in search.best]
            yield list(texts)
        return search

    def asked(self, caption: Caption, word: int) -> tuple[list[int], list[int]]:
        """The caption's tokens, its own where it has them, and which of them say its word number `word`. Raises
        BadRequest for no such word."""
        if not 0 <= word < len(caption.words):
            raise BadRequest(f"word is {word}, and the caption's words are numbered 0 to {len(caption.words) - 1}.")
        tokens = list(caption.tokens) or self.wording.encode(caption.text)
        places = self.wording.places(tokens, self.wording.text(tokens))
        return tokens, places[word] if word < len(places) else []


def as_heat(values: Tensor) -> Tensor:
    """Any (h, w) -> float32 in [0, 1] on the CPU, negative values 0, the largest 1."""
    heat = values.detach().float().clamp(min=0).nan_to_num(0.0).cpu()
    return heat / heat.max().clamp(min=1e-12)


def gradient_heat(features: Tensor, gradient: Tensor) -> Tensor:
    """How much each of a picture's tokens (S, C) spoke for something, by its gradient: (S,), 0 where it spoke against
    it (Selvaraju et al. 2017, without the pooling: every token has its own gradient)."""
    return (features * gradient).sum(-1).clamp(min=0)


def onto_picture(heat: Tensor, size: tuple[int, int], cropped: bool) -> Tensor:
    """Heat (h, w) over what a network saw -> over the whole picture of `size` (width, height): where it `cropped` the
    middle out, what it did not see is 0; where it squashed the picture, the same."""
    import torch.nn.functional as F

    if not cropped:
        return heat
    rows, columns = heat.shape
    scale = min(size[0] / columns, size[1] / rows)  # pixels of the picture per cell
    wide, high = max(columns, round(size[0] / scale)), max(rows, round(size[1] / scale))
    left, top = (wide - columns) // 2, (high - rows) // 2
    return F.pad(heat, (left, wide - columns - left, top, high - rows - top))

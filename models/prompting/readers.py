"""How any ranker reads prompts that grow: the fastest exact way that its text tower allows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

JOIN = ", "
BATCH = 64


class Reader(ABC):
    """Reads prompts for one loaded ranker. `limit`: the tokens that it reads at most, both markers included; `budget`:
    those that a prompt may grow to, at most as many.

    `shares` says whether what prompts have in common is read once, so that an addition costs its own tokens alone.
    """

    shares = False

    def __init__(self, ranker: Any) -> None:
        self.ranker, self.limit = ranker, int(ranker.token_limit)
        self.budget = self.limit
        self._lengths: dict[str, int] = {}

    @cached_property
    def markers(self) -> int:
        """How many markers stand around a text: a start and an end, or an end alone."""
        return self.count("")

    @abstractmethod
    def count(self, text: str) -> int:
        """Tokens of `text`, both markers included, however many are read."""

    @abstractmethod
    def read(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (N, D) float32 on the CPU; of each text the first `limit` tokens count."""

    def length(self, text: str) -> int:
        """Tokens of `text` without markers, remembered."""
        if text not in self._lengths:
            self._lengths[text] = self.count(text) - self.markers
        return self._lengths[text]

    def extend(self, prompt: str, additions: Sequence[str]) -> Tensor:
        """Unit vectors (N, D) float32 of the prompt with each of the additions behind a comma; exact."""
        return self.read([joined(prompt, each) for each in additions])

    def fits(self, prompt: str, addition: str) -> bool:
        """Whether the prompt with this addition is read to its end and within the budget."""
        return self.count(joined(prompt, addition)) <= self.budget

    def beyond(self, text: str, tokens: int) -> str:
        """The end of a text, from the first word on that does not fit into so many tokens, markers included."""
        words = text.split()
        low, high = 0, len(words)  # so many words fit
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.count(" ".join(words[:middle])) <= tokens else (low, middle - 1)
        return " ".join(words[low:])


def joined(prompt: str, addition: str) -> str:
    """The prompt with one more phrase."""
    return f"{prompt}{JOIN}{addition}" if prompt else addition


class WholeReader(Reader):
    """Reads every prompt from its first word, as a tower must in which each token sees all others.

    A ranker that knows places may read phrases otherwise than sentences: `encode_phrases`.
    """

    def count(self, text: str) -> int:
        """See `Reader.count`. Counted as the ranker's own tokenizer does, or in words where it has none."""
        ranker = self.ranker
        if hasattr(ranker, "sentence"):
            return len(ranker.sentence.tokenizer(text, verbose=False)["input_ids"])
        tokenizer = getattr(ranker, "tokenizer", None)
        if tokenizer is None:
            return len(text.split()) + 2
        if hasattr(tokenizer, "encode"):
            return len(tokenizer.encode(text)) + 2
        return len(tokenizer.tokenizer(tokenizer.clean_fn(text), verbose=False).input_ids)

    def fits(self, prompt: str, addition: str) -> bool:
        """See `Reader.fits`: the parts are counted by themselves, which can only count a token too many."""
        return sum(map(self.length, (prompt, JOIN.strip(), addition))) + self.markers <= self.budget

    def read(self, texts: Sequence[str]) -> Tensor:
        """See `Reader.read`. Texts of one length together, because a batch is as slow as its longest."""
        import torch

        encode = getattr(self.ranker, "encode_phrases", self.ranker.encode_texts)
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        parts = []
        for start in range(0, len(order), BATCH):
            with torch.inference_mode():
                some = [texts[number] for number in order[start : start + BATCH]]
                parts.append(encode(some).float().cpu())
        back = torch.tensor(order).argsort()
        return torch.cat(parts)[back].clone()


class SharingReader(Reader):
    """Reads what prompts share once: for open_clip's causal towers with CLIP's tokenizer."""

    shares = True

    def __init__(self, ranker: Any) -> None:
        from models.prompting.causal import CausalText

        super().__init__(ranker)
        self._tower, self._tokenizer = CausalText(ranker.model), ranker.tokenizer
        self._own: dict[str, list[int]] = {}  # tokens by text, without markers

    def count(self, text: str) -> int:
        """See `Reader.count`."""
        return len(self._tokens(text)) + 2

    def fits(self, prompt: str, addition: str) -> bool:
        """See `Reader.fits`."""
        return len(self._joined(prompt, addition)) + 2 <= self.budget

    def read(self, texts: Sequence[str]) -> Tensor:
        """See `Reader.read`."""
        return self._tower.vectors([self._marked(self._tokens(text)) for text in texts])

    def extend(self, prompt: str, additions: Sequence[str]) -> Tensor:
        """See `Reader.extend`."""
        return self._tower.vectors([self._marked(self._joined(prompt, each)) for each in additions])

    def _marked(self, tokens: list[int]) -> list[int]:
        end = self._tokenizer.eot_token_id
        if end in tokens:  # written out in the text, where the tower would stop reading too
            tokens = tokens[: tokens.index(end)]
        return [self._tokenizer.sot_token_id, *tokens[: self.limit - 2], end]

    def _joined(self, prompt: str, addition: str) -> list[int]:
        """The tokens of the prompt with its addition. No token of CLIP's spans a blank, so those of both parts."""
        if not prompt:
            return self._tokens(addition)
        if not (prompt.isascii() and addition.isascii()):
            return self._tokens(joined(prompt, addition))  # its repair of broken letters looks at the whole text
        return self._tokens(prompt + JOIN.rstrip()) + self._tokens(addition)

    def _tokens(self, text: str) -> list[int]:
        if text not in self._own:
            self._own[text] = self._tokenizer.encode(text)
        return self._own[text]


def reader_of(ranker: Any) -> Reader:
    """The reader for a loaded ranker of the catalog."""
    model, tokenizer = getattr(ranker, "model", None), getattr(ranker, "tokenizer", None)
    # CLIP's own tokenizer, with its own way of cutting long texts.
    if model is not None and hasattr(tokenizer, "encode") and not getattr(tokenizer, "reduction_fn", None):
        from models.prompting.causal import is_causal

        if is_causal(model):
            return SharingReader(ranker)
    return WholeReader(ranker)

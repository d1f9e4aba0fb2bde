"""The interrogator: a prompt for a picture from a caption and lists of phrases, in the modes of CLIP Interrogator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from common.errors import BadRequest
from models.prompting.readers import joined
from pipelines.image_to_prompt.chain import EXACT, PRUNED, Chain, Effort, Prompt
from pipelines.image_to_prompt.lists import NEGATIVE, PhraseList
from pipelines.image_to_prompt.worth import attributed, described

if TYPE_CHECKING:
    from torch import Tensor

    from models.prompting.readers import Reader

MODES = ("best", "fast", "classic", "negative", "analyse")
ADDING = MODES[:3]  # to a beginning, what the picture shows
SUBJECTS = ("subjects", "things")  # what a prompt begins with when there is no caption
IN_CLASSIC = ("media", "artists", "movements", "styles", "lighting", "composition", "palettes")  # one phrase of each
CLASSIC_FLAVOURS, SHORT_FLAVOURS = 32, 3
SHOWN = 5
FIRST = 32  # phrases among which one that fits is nearly always found


@dataclass(frozen=True)
class Found:
    """A phrase of the list `kind` and its `cosine` to the picture; `share` of the softmax over its list at the ranker's
    own temperature, in [0, 1]."""

    phrase: str
    kind: str
    cosine: float
    share: float = 0.0


class Interrogator:
    """Works with one ranker, behind `reader`, and with lists whose vectors are known.

    `vectors` holds (N, D) unit vectors for each list by name, `temperature` is the ranker's `logit_scale`. `effort`
    None stands for what suits the reader.
    """

    def __init__(
        self,
        reader: Reader,
        lists: Sequence[PhraseList],
        vectors: Mapping[str, Tensor],
        temperature: float = 100.0,
        effort: Effort | None = None,
        attribute: bool = True,
    ) -> None:
        self.reader, self.temperature, self.attribute = reader, temperature, attribute
        self.effort = effort or (EXACT if reader.shares else PRUNED)
        self.lists = {each.name: each for each in lists}
        self.vectors = dict(vectors)
        self._places = {each.name: {phrase: row for row, phrase in enumerate(each.phrases)} for each in lists}

    def rank(self, image: Tensor, kinds: Sequence[str], count: int, away: bool = False) -> list[Found]:
        """The `count` phrases of these lists with the highest (with `away` lowest) cosine, best first; exact."""
        import torch

        kinds = [kind for kind in kinds if kind in self.lists]
        if not kinds:
            return []
        named = [(phrase, kind) for kind in kinds for phrase in self.lists[kind].phrases]
        cosines = torch.cat([self.vectors[kind] @ image for kind in kinds])  # (N,)
        top = cosines.topk(min(count, len(cosines)), largest=not away)
        return [Found(*named[row], value) for value, row in zip(top.values.tolist(), top.indices.tolist(), strict=True)]

    def analyse(self, image: Tensor, count: int = SHOWN) -> dict[str, tuple[Found, ...]]:
        """The `count` best phrases of each list."""
        found = {}
        for kind, each in self.lists.items():
            cosines = self.vectors[kind] @ image
            shares = (self.temperature * cosines).softmax(0)
            top = cosines.topk(min(count, len(cosines)))
            rows = zip(top.values.tolist(), top.indices.tolist(), strict=True)
            found[kind] = tuple(Found(each.phrases[row], kind, value, float(shares[row])) for value, row in rows)
        return found

    def run(self, mode: str, image: Tensor, caption: str = "") -> Iterator[Prompt]:
        """Prompts for a picture's unit vector (D,), as they grow; the last one is the answer.

        `mode` is one of MODES but "analyse". `caption` is what the prompt begins with; "" lets the lists find a
        beginning. Whoever stops early keeps the best: `best_of` of what was yielded.
        """
        if mode == "negative":
            yield from self._negative(image)
            return
        caption = caption or self.beginning(image)
        if not caption:
            raise self._nothing_fits()
        if mode != "best":
            prompt = (self._fast if mode == "fast" else self._classic)(image, caption)
            yield self._finished(image, prompt)
            return
        best: Prompt | None = None
        for best in self._best(image, caption):
            yield best
        if best is not None:
            yield self._finished(image, best)

    def chain(self, image: Tensor, caption: str) -> Chain:
        """The chain of mode “best” before its first step."""
        candidates = [(each.phrase, each.kind) for each in self.rank(image, self.wanted, self.effort.pool)]
        return self._chain(image, caption, _fresh(caption, candidates))

    def _best(self, image: Tensor, caption: str) -> Iterator[Prompt]:
        chain = self.chain(image, caption)
        if chain.best is not None:
            yield chain.best
        yield from chain.grow()
        if self.effort.gain and chain.best is not None:  # where each phrase must be worth its place,
            yield chain.best  # prompts that were filled up are no rivals
            return
        others = [self._fast(image, caption), self._classic(image, caption)]
        found = [chain.best] if chain.best is not None else []
        yield max([*found, *others], key=lambda each: each.cosine)  # the first of equals, which is the chain's

    def _negative(self, image: Tensor) -> Iterator[Prompt]:
        """Grows away from the picture: the terms that fit least, among those that nobody wants in a picture."""
        unwanted = self.rank(image, [NEGATIVE], self.effort.pool, away=True)
        flavours = self.rank(image, self.wanted, self.effort.pool, away=True)
        candidates = {each.phrase: each.kind for each in (*unwanted, *flavours)}
        chain = self._chain(image, "", _fresh("", list(candidates.items())), away=True)
        yield from chain.grow()
        if chain.best is None:
            raise self._nothing_fits()
        yield self._finished(image, chain.best)

    def _chain(self, image: Tensor, start: str, phrases: Sequence[tuple[str, str]], away: bool = False) -> Chain:
        import torch

        rows = [self.vectors[kind][self._places[kind][phrase]] for phrase, kind in phrases]
        vectors = torch.stack(rows) if rows and self.effort.keep is not None else None
        effort = replace(self.effort, gain=0.0) if away else self.effort  # of what is not there more is better
        return Chain(self.reader, image, start, phrases, effort, away, vectors)

    def _fast(self, image: Tensor, caption: str) -> Prompt:
        found = self.rank(image, self.wanted, 2 * self.effort.top + len(caption.split()))  # some say the same
        return self._fitted(image, caption, [(each.phrase, each.kind) for each in found], self.effort.top)

    def _classic(self, image: Tensor, caption: str) -> Prompt:
        firsts = [found for kind in IN_CLASSIC for found in self.rank(image, [kind], 1)]
        rest = [kind for kind in self.wanted if kind not in (*IN_CLASSIC, *SUBJECTS)]
        count = CLASSIC_FLAVOURS if self.effort.top >= CLASSIC_FLAVOURS else SHORT_FLAVOURS
        parts = [(each.phrase, each.kind) for each in (*firsts, *self.rank(image, rest, count))]
        return self._fitted(image, caption, parts, len(parts))

    def _fitted(self, image: Tensor, caption: str, parts: Sequence[tuple[str, str]], most: int) -> Prompt:
        """The caption with the first of the phrases, as many as the ranker reads."""
        text, taken = caption, []
        for phrase, kind in _fresh(caption, parts)[:most]:
            if not self.reader.fits(text, phrase):
                break
            text = joined(text, phrase)
            taken.append((phrase, kind))
        return described(self.reader, image, caption, taken)

    def beginning(self, image: Tensor) -> str:
        """The phrase to begin with where there is no caption: the best subject that fits, or the best of all.

        "" where none fits.
        """
        for kinds in (SUBJECTS, self.wanted):
            for count in (FIRST, sum(len(self.lists[kind]) for kind in kinds if kind in self.lists)):
                for each in self.rank(image, kinds, count):
                    if self.reader.fits("", each.phrase):
                        return each.phrase
        return ""

    @property
    def wanted(self) -> list[str]:
        """The lists of phrases that a picture may be described by: all but that of what nobody wants."""
        return [kind for kind in self.lists if kind != NEGATIVE]

    def _nothing_fits(self) -> BadRequest:
        told = f"No phrase of the lists fits into {self.reader.budget} tokens"
        return BadRequest(f"{told}; raise the token budget, or choose lists of shorter phrases.")

    def _finished(self, image: Tensor, prompt: Prompt) -> Prompt:
        return attributed(self.reader, image, prompt) if self.attribute else prompt


def best_of(prompts: Sequence[Prompt], away: bool = False) -> Prompt:
    """The prompt nearest to its picture, with `away` the farthest; the last of equals."""
    return max(reversed(prompts), key=lambda each: -each.cosine if away else each.cosine)


def _fresh(text: str, parts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of the phrases that neither the text nor one before says already; "parrot" says what "a parrot" says."""
    said = f" {text.casefold()} ".replace(",", " ")
    kept = {_bare(phrase): (phrase, kind) for phrase, kind in reversed(parts)}  # of equals the first
    return [part for part in parts if kept[_bare(part[0])] == part and f" {_bare(part[0])} " not in said]


def _bare(phrase: str) -> str:
    return phrase.casefold().removeprefix("a ").removeprefix("an ").removeprefix("the ")

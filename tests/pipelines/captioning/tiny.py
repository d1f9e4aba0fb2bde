"""Captioners that name the colour of a picture, word by word, and a ranker that sees colours: real code, no weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from models.families.caption_contract import Caption, Captioner, Decoding
from models.families.sentence import SPECS as SENTENCE
from models.spec import LoadContext, ModelSpec
from tests.tabs.tiny_pack import COLOURS, TinyJudge

NAMES = {"red": (219, 51, 46), "green": (51, 158, 77), "blue": (51, 92, 217), "yellow": (242, 204, 51)}
BREAKS_AT = (64, 48)  # pictures of this size make the fragile captioner fail
TOO_MANY = 3  # pictures that do not fit into the greedy captioner's memory together


class ColourNamer(Captioner):
    """Says "a NAME picture" of the nearest colours, as often as captions are asked for."""

    device = "cpu"
    title = "Colour namer"
    supports: ClassVar[frozenset[str]] = frozenset(("method", "beams", "count", "max_tokens", "seed", "opening"))

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.closed = 0

    def caption(self, pictures: Sequence[Any], decoding: Decoding) -> Iterator[list[str] | list[list[Caption]]]:
        self.check(decoding)
        self.batches.append(len(pictures))
        ranked = [self._ranked(picture) for picture in pictures]
        try:
            for count in range(1, 4):
                yield [" ".join(self._words(names[0])[:count]) for names in ranked]
        except GeneratorExit:
            self.closed += 1
            raise
        yield [[self._caption(name, place) for place, name in enumerate(names[: decoding.count])] for names in ranked]

    def heat(self, picture: Any, caption: Caption, word: int) -> Any:
        """Hot on the left for the first word and on the right for the last."""
        import torch

        ramp = torch.linspace(1, 0, 4).expand(3, 4)
        return ramp if word == 0 else ramp.flip(1)

    def _words(self, name: str) -> list[str]:
        return ["a", name, "picture"]

    def _caption(self, name: str, place: int) -> Caption:
        words = tuple(self._words(name))
        chance = 0.5 / (place + 1)
        return Caption(" ".join(words), words, (1.0, chance, 1.0), math.log(chance))

    def _ranked(self, picture: Any) -> list[str]:
        mean = picture.resize((1, 1)).getpixel((0, 0))
        return sorted(NAMES, key=lambda name: math.dist(mean, NAMES[name]))


class Contrary(ColourNamer):
    """Names the least likely colours first, and cannot point at them."""

    title = "Contrary namer"

    def _ranked(self, picture: Any) -> list[str]:
        return super()._ranked(picture)[::-1]

    def heat(self, picture: Any, caption: Caption, word: int) -> None:
        return None


class Fragile(ColourNamer):
    """Fails, by a bug, for pictures of one size."""

    def caption(self, pictures: Sequence[Any], decoding: Decoding) -> Iterator[list[str] | list[list[Caption]]]:
        yield [""] * len(pictures)
        if any(picture.size == BREAKS_AT for picture in pictures):
            raise IndexError("index out of range in self")
        yield from super().caption(pictures, decoding)


class Hungry(ColourNamer):
    """Has memory for two pictures."""

    def caption(self, pictures: Sequence[Any], decoding: Decoding) -> Iterator[list[str] | list[list[Caption]]]:
        if len(pictures) >= TOO_MANY:
            self.batches.append(-len(pictures))
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        yield from super().caption(pictures, decoding)


def _broken(context: LoadContext) -> Any:
    raise ValueError("Error while deserializing header: incomplete metadata")


def _spec(name: str, role: str, load: Any, memory_mb: float = 1) -> ModelSpec:
    about = {"pack": "starter", "source": name, "revision": "abc", "licence": "MIT", "download_mb": 1, "controls": {}}
    return ModelSpec(name=name, title=name.title(), role=role, memory_mb=memory_mb, load=load, **about)


CAPTIONERS = {"namer": ColourNamer, "contrary": Contrary, "fragile": Fragile, "hungry": Hungry}
SPECS = (
    *(_spec(name, "captioner", lambda context, kind=kind: kind()) for name, kind in CAPTIONERS.items()),
    _spec("broken", "captioner", _broken),
    _spec("huge", "captioner", lambda context: ColourNamer(), memory_mb=1e6),
    _spec("big", "captioner", lambda context: ColourNamer(), memory_mb=1000),
    _spec("judge", "ranker", lambda context: TinyJudge(), memory_mb=50),
    *SENTENCE,
)
assert set(NAMES) <= set(COLOURS)

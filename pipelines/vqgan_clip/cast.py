"""Who pulls at a step: the prompts of all kinds in one row, before any CLIP turns them into vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.vqgan_clip import prompts as grammar
from pipelines.vqgan_clip.prompts import Scene
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.story import active


@dataclass(frozen=True)
class Part:
    """One prompt at one step. `region` is 0 for the whole canvas, else the number of the region.

    Words lie `share` of the way from the text `first` to `second`; `picture` is the place of an image prompt, `seed`
    that of a noise prompt.
    """

    label: str
    weight: float
    stop: float = grammar.NEVER
    region: int = 0
    first: str = ""
    second: str = ""
    share: float = 0.0
    picture: int | None = None
    seed: int | None = None


class Cast:
    """All prompts of a request, and which of them pull when."""

    def __init__(self, request: VqganClipRequest) -> None:
        self.scenes: tuple[Scene, ...] = grammar.parse(request.prompts) if request.prompts.strip() else ()
        self._steps, self._fade = request.steps, request.fade
        self._others = [*_regions(request), *_pictures(request), *_noises(request)]

    def at(self, step: int) -> tuple[Part, ...]:
        """Those that pull at a step (from 0), each with a label of its own."""
        now = active(self.scenes, step, self._steps, self._fade) if self.scenes else ()
        words = [
            Part(each.label, each.weight, each.stop, first=each.first, second=each.second, share=each.share)
            for each in now
        ]
        return _labelled([*words, *self._others])

    def texts(self) -> list[str]:
        """Every text of every scene and region, once."""
        words = [prompt.text for scene in self.scenes for prompt in scene]
        return list(dict.fromkeys([*words, *(part.first for part in self._others if part.first)]))


def _regions(request: VqganClipRequest) -> list[Part]:
    found = []
    for number, region in enumerate(request.regions, 1):
        for each in grammar.parse(region.prompts)[0]:
            label = f"{each.text} (region {number})"
            found.append(Part(label, each.weight, each.stop, number, first=each.text, second=each.text))
    return found


def _pictures(request: VqganClipRequest) -> list[Part]:
    return [
        Part(f"image prompt {k + 1}", each.weight, each.stop, picture=k) for k, each in enumerate(request.image_prompts)
    ]


def _noises(request: VqganClipRequest) -> list[Part]:
    noises = grammar.parse_noise(request.noise_prompts)
    return [Part(f"noise {each.seed}", each.weight, seed=each.seed) for each in noises]


def _labelled(parts: list[Part]) -> tuple[Part, ...]:
    """The same with a number behind labels that would else be equal."""
    seen: dict[str, int] = {}
    named = []
    for part in parts:
        count = seen[part.label] = seen.get(part.label, 0) + 1
        named.append(replace(part, label=f"{part.label} #{count}") if count > 1 else part)
    return tuple(named)

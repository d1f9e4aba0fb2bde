"""Prompts of all kinds as the vectors of one CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.vqgan_clip import cutouts, draw, starts
from pipelines.vqgan_clip.cast import Part
from pipelines.vqgan_clip.losses import Goals
from pipelines.vqgan_clip.presets import Preset
from pipelines.vqgan_clip.story import slerp
from pipelines.vqgan_clip.towers import Tower

if TYPE_CHECKING:
    from torch import Tensor

VIEWS = 16  # cuts of an image prompt: how many ways it is looked at, once before the first step


class Targets:
    """Where a tower's vectors shall go. Remembers the vectors of every text, picture and seed it has met.

    `pictures` are the image prompts, each (3, H, W) float in [0, 1] on the tower's device; they are cut as the canvas
    is, `augment` being the strength of it.
    """

    def __init__(
        self, tower: Tower, pictures: Sequence[Tensor], preset: Preset, augment: float, seed: int, device: Any
    ) -> None:
        self.tower, self._device = tower, device
        self._texts: dict[str, Tensor] = {}
        self._noises: dict[int, Tensor] = {}
        self._pictures = [self._views(picture, preset, augment, seed + k) for k, picture in enumerate(pictures)]

    def learn(self, texts: Sequence[str]) -> None:
        """Encode the texts that were not met before."""
        for text in texts:
            if text not in self._texts:
                # Each alone: in other company it would be padded and rounded otherwise, and a run that goes on from a
                # checkpoint meets its texts in another order.
                self._texts[text] = self.tower.ranker.encode_texts([text]).float()[0]

    def goals(self, parts: Sequence[Part]) -> Goals:
        """The vectors of these prompts, on the tower's device."""
        import torch

        device = self._device
        rows = [self._rows(part) for part in parts]  # (M, D) each
        counts = [len(each) for each in rows]

        def spread(values: Sequence[float | int], dtype: torch.dtype) -> Tensor:
            return torch.tensor(values, dtype=dtype).repeat_interleave(torch.tensor(counts)).to(device)

        return Goals(
            vectors=torch.cat(rows).to(device),
            owner=spread(range(len(parts)), torch.int64),
            weight=spread([abs(part.weight) / n for part, n in zip(parts, counts, strict=True)], torch.float32),
            sign=spread([-1 if part.weight < 0 else 1 for part in parts], torch.float32),
            stop=spread([part.stop for part in parts], torch.float32),
            region=spread([part.region for part in parts], torch.int64),
        )

    def _rows(self, part: Part) -> Tensor:
        """The vectors of one prompt, (M, D) on the CPU."""
        if part.picture is not None:
            return self._pictures[part.picture]
        if part.seed is not None:
            return self._noise(part.seed)
        self.learn([part.first, part.second])
        return slerp(self._texts[part.first], self._texts[part.second], part.share)[None]

    def _noise(self, seed: int) -> Tensor:
        import torch

        if seed not in self._noises:
            width = len(next(iter(self._texts.values()))) if self._texts else self._width()
            drawn = torch.randn(1, width, generator=starts.generator(seed, "prompt"))
            self._noises[seed] = drawn / drawn.norm()
        return self._noises[seed]

    def _width(self) -> int:
        return self.tower.ranker.encode_texts([""]).shape[1]

    def _views(self, picture: Tensor, preset: Preset, augment: float, seed: int) -> Tensor:
        import torch

        random = [starts.generator(seed, "image prompt")]
        cuts = draw.draw(preset, VIEWS, tuple(picture.shape[-2:]), random, augment).to(self._device)
        with torch.no_grad():
            seen = cutouts.take(picture[None], cuts, self.tower.size, preset.pooled)
            return self.tower(seen[0]).cpu()

"""What looks at the canvases: the CLIPs, what each of them looks for, and where the cuts of a step are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.ranking import unread_note
from pipelines.vqgan_clip import cutouts, draw, losses
from pipelines.vqgan_clip.cast import Cast, Part
from pipelines.vqgan_clip.draw import Cuts
from pipelines.vqgan_clip.losses import Goals
from pipelines.vqgan_clip.pictures import Pictures, fractions
from pipelines.vqgan_clip.presets import PRESETS
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.targets import Targets
from pipelines.vqgan_clip.towers import Tower

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Box = tuple[float, float, float, float]
GROWN = 1.15  # cuts for a region see a little of what is around it


class Eye:
    """The rankers `clips` on `device`, and the prompts of a request, as they are at each step."""

    def __init__(self, clips: Sequence[Any], request: VqganClipRequest, pictures: Pictures, device: Any) -> None:
        import torch

        assert request.seed is not None
        self.preset, self._device = PRESETS[request.preset], device
        self.towers = [Tower(clip, request.normalise, request.cut_size) for clip in clips]
        seen = [fractions(picture, device) for picture in pictures.prompts]
        about = (seen, self.preset, request.augment, request.seed, device)
        self._targets = [Targets(tower, *about) for tower in self.towers]
        masks = [fractions(mask) for mask in pictures.regions]
        self._masks = torch.stack(masks).to(device) if masks else None
        self._homes: list[Box] = [draw.WHOLE_CANVAS, *(_box(mask) for mask in masks)]
        self._known: tuple[tuple[Part, ...], list[Goals]] = ((), [])
        self.tell(request)

    def tell(self, request: VqganClipRequest) -> None:
        """Take over the prompts and schedules of a request, whose pictures must be the same as before."""
        self.request = request
        self.cast = Cast(request)
        for targets in self._targets:
            targets.learn(self.cast.texts())

    def unread(self) -> list[str]:
        """A sentence for each text of which a CLIP does not read the end, "" for those that are read."""
        texts = self.cast.texts()
        return [unread_note(tower.ranker.overflow(text), "CLIP") for tower in self.towers for text in texts]

    def count(self, step: int) -> int:
        """How many cuts a step (from 0) takes: an even course from first to last, and at least one for each region."""
        first, last = self.request.cuts, self.request.cuts_end
        assert first is not None and last is not None
        course = round(first + (last - first) * min(step / max(self.request.steps - 1, 1), 1.0))
        return max(course, len(self._homes))

    def goals(self, step: int) -> tuple[tuple[Part, ...], list[Goals]]:
        """Who pulls at a step, and the vectors of each tower for it. Made anew only when they change."""
        parts = self.cast.at(step)
        if parts != self._known[0]:
            self._known = parts, [targets.goals(parts) for targets in self._targets]
        return self._known

    def cuts(self, step: int, size: tuple[int, int], random: Sequence[torch.Generator]) -> tuple[Cuts, Tensor]:
        """The cuts of a step for canvases of `size` (H, W), and how much each counts, see `losses.attention`."""
        import torch

        count, device = self.count(step), self._device
        cuts = draw.draw(self.preset, count, size, random, self.request.augment, self._homes).to(device)
        everywhere = (torch.arange(count) % len(self._homes) == 0).float().to(device)
        overlap = None if self._masks is None else cutouts.overlap(self._masks, cuts)
        return cuts, losses.attention(overlap, everywhere)

    def dislike(self, pixels: Tensor) -> Tensor:
        """How far pictures (N, 3, H, W) in [0, 1] are from the first step's prompts for the whole canvas, (N,)."""
        import torch
        import torch.nn.functional as F

        parts, goals = self.goals(0)
        total = torch.zeros(len(pixels), device=pixels.device)
        with torch.no_grad():
            for tower, goal in zip(self.towers, goals, strict=True):
                seen = F.interpolate(pixels, (tower.size, tower.size), mode="bilinear", antialias=True)
                features = torch.cat([tower(part) for part in seen.split(8)])[:, None]
                everywhere = torch.zeros(len(pixels), 1, len(self._homes), device=pixels.device)
                everywhere[..., 0] = 1
                total += losses.pulls(features, everywhere, goal, len(parts))[0]
        return total

    def noises(self, count: int, random: Sequence[torch.Generator]) -> list[Tensor | None]:
        """For each tower the noise to add to its cuts, (B, N, 3, c, c), each cut's of its own strength; or None."""
        import torch

        if not self.request.noise:
            return [None for _ in self.towers]
        found = []
        for tower in self.towers:
            rows = []
            for generator in random:  # one per canvas, so that a canvas alone sees what it sees among others
                strength = torch.rand(count, 1, 1, 1, generator=generator, device=generator.device)
                shape = (count, 3, tower.size, tower.size)
                normal = torch.randn(shape, generator=generator, device=generator.device)
                rows.append(normal.mul_(strength * self.request.noise))
            found.append(torch.stack(rows))
        return found


def _box(mask: Tensor) -> Box:
    """Around the white part of a mask (H, W), a little larger: left, top, right, bottom in [-1, 1]."""
    box: list[float] = []
    for axis in (0, 1):  # the columns, then the rows, that hold any white
        line = (mask.amax(axis) >= 0.5).nonzero().flatten()
        length = mask.shape[1 - axis]
        low, high = 2 * int(line[0]) / length - 1, 2 * (int(line[-1]) + 1) / length - 1
        middle, half = (low + high) / 2, (high - low) / 2 * GROWN
        box += [max(middle - half, -1.0), min(middle + half, 1.0)]
    return box[0], box[2], box[1], box[3]

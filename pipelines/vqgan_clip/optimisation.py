"""The optimisation itself: one step after another from a canvas of codes to a picture that CLIP agrees with.

VQGAN+CLIP (Crowson et al. 2022): a latent z in the space of a VQGAN's codebook is quantised, decoded, looked at through
many cut-outs by a CLIP, and moved so that their vectors come nearer to those of the prompts. The networks are frozen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines.vqgan_clip import losses, quantise, starts, state, steering
from pipelines.vqgan_clip.eye import Eye
from pipelines.vqgan_clip.gradient import Gradient
from pipelines.vqgan_clip.look import Look
from pipelines.vqgan_clip.moment import Moment
from pipelines.vqgan_clip.optimisers import make_optimiser, set_rate
from pipelines.vqgan_clip.pictures import Pictures, fractions
from pipelines.vqgan_clip.planner import Plan
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.steering import Steer

if TYPE_CHECKING:
    from torch import Tensor

REGULARISERS = ("smoothness", "start")


class Optimisation:
    """The state of one run on a batch of B canvases. `opening.opened` makes it from a request.

    To read: `z` (B, C, h, w) float32; `size` (H, W) of a canvas in pixels; `step_number`, the steps done; `seeds`, one
    per canvas; `request`, which follows `steer`, and `begun`, what was asked for at first; `log`, the changes made
    between the two, as `steering.entry` writes them; `other`, the names of settings that changed at a checkpoint.
    `vqgan`, `clips` (rankers) and `pictures` are those of the resolved request; `chunk` is the number of cuts of a
    canvas that are looked at together, which changes no result; `drafts` (B, 3, H, W) in [0, 1] are what the start
    "draft" begins with.
    """

    def __init__(
        self,
        vqgan: Any,
        clips: Sequence[Any],
        request: VqganClipRequest,
        pictures: Pictures | None = None,
        chunk: int = 1000,
        drafts: Tensor | None = None,
    ) -> None:
        assert request.width and request.height and request.seed is not None
        self.vqgan, self.pictures = vqgan, pictures or Pictures()
        self.request = self.begun = request
        self.size = (request.height, request.width)
        self.seeds = [request.seed + k for k in range(request.runs)]
        self.step_number = 0
        self.log: list[dict[str, Any]] = []
        self.other: tuple[str, ...] = ()
        self._replay = list(request.log)
        self.eye = Eye(clips, request, self.pictures, vqgan.device)
        self._begin(drafts)
        self.random = {"cuts": [], "noise": []}
        for seed in self.seeds:
            self.random["cuts"].append(starts.generator(seed, "cuts"))
            self.random["noise"].append(starts.generator(seed, "noise", str(self.z.device)))
        self.gradient = Gradient(vqgan, self.eye.towers, self.eye.preset.pooled, chunk)
        self.gradient.freeze(self.goal, self.pictures)
        self.plan: Plan | None = None

    def _begin(self, drafts: Tensor | None) -> None:
        """Set up z, its average, its goal and the optimiser."""
        import torch

        request, start = self.request, None
        if self.pictures.start is not None:
            start = fractions(self.pictures.start, self.vqgan.device)[None]
        own = [start for _ in self.seeds] if drafts is None else drafts.split(1)
        self.z = torch.cat(list(map(self._first, self.seeds, own))).requires_grad_()
        self.average, self.averaged = self.z.detach().clone(), 0  # and of how many steps it is
        self.goal = self.average.clone() if start is None else self._encoded(start)
        self.pull_weight: float | None = None  # None: that of the request, which decays
        self.optimiser = make_optimiser(request.optimiser, self.z, request.rate)

    def _first(self, seed: int, start: Tensor | None) -> Tensor:
        """The canvas of one seed, (1, C, h, w). Of many spots of other colours, the one that the eye likes best."""
        if self.request.start != "spot":
            return starts.first_latent(self.vqgan, self.request.start, self.size, seed, start)
        spots = starts.spots(*self.size, starts.generator(seed, "start")).to(self.vqgan.device)
        best = self.eye.dislike(spots).argmin()
        return self.vqgan.encode(spots[best : best + 1]).float()

    def step(self) -> Moment:
        """One step of the optimiser on all canvases.

        Changes that the request's log holds for this moment are made first. When memory runs out, the same step is
        made again with half the cuts at a time; raises OutOfMemory when that cannot help either.
        """
        for change in steering.logged(self._replay, self.step_number):
            self.steer(change)
        look, labels = self._look()
        pixels, table = self.gradient(self.z, look)
        self._move()
        self.step_number += 1
        return Moment(self.step_number, pixels, table, labels)

    def picture(self) -> Tensor:
        """The canvases as they stand, (B, 3, H, W) float32 in [0, 1]: decoded from the average of z if there is one."""
        import torch

        with torch.no_grad():
            return self.gradient.decode(self.average if self.request.ema else self.z.detach())

    def show(self, pixels: Tensor, keep: float = 0.0) -> None:
        """Go on from other pixels (B or 1, 3, H, W) in [0, 1]: z := (1 - keep) * encode(pixels) + keep * z.

        The average begins anew there; the optimiser keeps its moments, so the run stays in motion (camera flights,
        restyled films).
        """
        import torch

        with torch.no_grad():
            self.z.copy_(torch.lerp(self._encoded(pixels), self.z, keep))
            self.average.copy_(self.z)
        self.averaged = 0

    def restart(self) -> None:
        """Forget the motion so far: a new scene must not begin with the momentum of the last one."""
        self.optimiser = make_optimiser(self.request.optimiser, self.z, self.request.rate)

    def pull(self, pixels: Tensor | None, weight: float) -> None:
        """Pull z towards encode(pixels), (B or 1, 3, H, W), by weight / 2 * MSE from now on; None lets go."""
        self.pull_weight = 0.0 if pixels is None else float(weight)
        if pixels is not None:
            self.goal = self._encoded(pixels)

    def steer(self, change: Steer) -> None:
        """Make a change before the next step and note it in `log`. Raises BadRequest when it does not fit."""
        if len(self.log) >= steering.MAX_CHANGES:
            raise BadRequest(f"This run was changed {steering.MAX_CHANGES} times, which is as often as it can be.")
        request = steering.steered(self.request, change)
        self.eye.tell(request)
        self.request = request
        set_rate(self.optimiser, request.rate)
        self.log.append(steering.entry(self.step_number, change))

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as tensors by name; copies, on the CPU. See `state.read`."""
        return state.read(self)

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go to a state of an optimisation of the same shape.

        Raises BadRequest for a state that does not fit, and then nothing has changed.
        """
        state.write(self, tensors)
        self.gradient.freeze(self.goal, self.pictures)

    def came_from(self, begun: VqganClipRequest, log: Sequence[Mapping[str, Any]], other: Sequence[str] = ()) -> None:
        """Say that this run goes on from another, which began so, after these changes.

        `other` are settings that are not as they were and that no log can tell of.
        """
        self.other = tuple(other)
        self.begun, self.log = begun, [dict(line) for line in log]
        self._replay = [line for line in self._replay if line not in self.log]

    def _look(self) -> tuple[Look, tuple[str, ...]]:
        """What this step looks at, and the names of its losses."""
        import torch

        parts, goals = self.eye.goals(self.step_number)
        cuts, counts = self.eye.cuts(self.step_number, self.size, self.random["cuts"])
        noises = self.eye.noises(len(cuts), self.random["noise"])
        pull = self.pull_weight
        if pull is None:
            request = self.request
            pull = losses.decayed(request.start_weight, request.start_decay, self.step_number, request.steps)
        look = Look(cuts, counts, noises, goals, len(parts), tv=self.request.tv)
        if pull:
            look = replace(look, start=self.goal, pull=torch.tensor([pull], device=self.z.device))
        return look, (*(part.label for part in parts), *REGULARISERS)

    def _move(self) -> None:
        """Follow the gradient, stay inside the codebook's box, and let the average follow."""
        import torch

        width = losses.coarseness(self.request.coarse, self.step_number, self.request.steps)
        with torch.no_grad():
            self.z.grad = quantise.smoothed(self.z.grad, width)
        self.optimiser.step()
        self.averaged += 1
        # A plain running mean at first, so that the start does not linger in it (Adam's bias correction, in one step).
        share = (1 - self.request.ema) / (1 - self.request.ema**self.averaged)
        with torch.no_grad():
            self.z.copy_(self.z.clamp(self.vqgan.low, self.vqgan.high))
            self.average.lerp_(self.z, share)

    def _encoded(self, pixels: Tensor) -> Tensor:
        """Pixels (B or 1, 3, H, W) as latents (B, C, h, w)."""
        z = self.vqgan.encode(pixels.to(self.vqgan.device)).float()
        return z.expand(len(self.seeds), -1, -1, -1).clone()

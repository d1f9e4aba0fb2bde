"""VQGAN+CLIP: a run as a generator of steps, with previews, steering, population and checkpoints, and what it made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import OutOfMemory
from common.images import to_pil
from pipelines.ranking import recipe_table
from pipelines.services import Services
from pipelines.steps import Result, Run
from pipelines.vqgan_clip import population
from pipelines.vqgan_clip.drafts import drafting
from pipelines.vqgan_clip.judging import Judge
from pipelines.vqgan_clip.keeper import Keeper
from pipelines.vqgan_clip.listening import Listener
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.plain import to_plain
from pipelines.vqgan_clip.population import Refill
from pipelines.vqgan_clip.progress import Progress
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.steering import Steer
from safeguards.recipe import Recipe
from safeguards.release import release, safety_note

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.vqgan_clip.optimisation import Moment, Optimisation
    from pipelines.vqgan_clip.planner import Footprint

TASK = "vqgan_clip"
KEEP_CHECKPOINT = "its recipe alone does not make it again, so keep the checkpoint."


@dataclass(frozen=True)
class Picture:
    """One canvas: `index` in the batch, `seed`, its PNG `path` (None when withheld), and the judge's `score`."""

    index: int
    seed: int
    path: Path | None
    score: float


@dataclass(frozen=True, kw_only=True, eq=False)
class VqganClipResult(Result):
    """Pictures, best first, by the ranker `judge`, which `fair` says was not optimised itself.

    People know the judge as `judge_title`. `steps` are those done; `checkpoints` the files by step; `log` the changes
    made on the way; `refills` the canvases replaced; `curves` (see `Progress`) with their steps `at`; `pace` seconds a
    step; `footprint` what a step keeps in memory; `notes` sentences.
    """

    pictures: tuple[Picture, ...]
    judge: str = ""
    judge_title: str = ""
    fair: bool = False
    steps: int = 0
    checkpoints: dict[int, Path] = field(default_factory=dict)
    log: tuple[dict[str, Any], ...] = ()
    refills: tuple[Refill, ...] = ()
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    at: list[int] = field(default_factory=list)
    pace: float = 0.0
    footprint: Footprint | None = None
    notes: tuple[str, ...] = ()


def run(
    request: VqganClipRequest,
    services: Services,
    device: str | None = None,
    watch: Callable[[Moment], None] | None = None,
) -> Run:
    """Optimise; yields a `Step` after each step, after those of `drafting`, and the `VqganClipResult` at the end.

    Takes `Stop`, `Steer`, `Pause` and `Resume`. `watch` is called with what each step saw. On `Stop` the pictures are
    finished as they are and a checkpoint is left. Raises what `opened` raises, Blocked when the safety model objects to
    every picture, and AtelierError when the losses are no numbers any more.

    `Step.data`: "losses" (by label the latest value of each canvas), "curves" and "at" (see `Progress`), "rate",
    "cuts", "prompts", "seeds", "seconds_per_step", "left" (s), "changes" (how many were made), "log" (which), "scores"
    (the judge's last ones, by canvas), "planned_mb" (memory beside the models), "paused" when it is.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    drafts = yield from drafting(request, services, device)
    stopped = drafts.stopped
    with opened(request, services, device, drafts) as canvases:
        session = _Session(request, services, device, canvases)
        with session.keeper.rescuing(canvases):
            while not stopped and canvases.step_number < request.steps:
                step_began = time.monotonic()
                moment = canvases.step()
                if watch is not None:
                    watch(moment)
                session.after(canvases)
                step = session.progress.step(canvases, moment, time.monotonic() - step_began, session.listener.hint)
                asked = yield from session.listener.heard((yield step))
                stopped = asked and canvases.step_number < request.steps
        session.keeper.keep(canvases)
        pictures = to_pil(canvases.picture())
    made = session.finish(canvases, pictures)
    yield VqganClipResult(seconds=time.monotonic() - began, stopped=stopped, **made)


class _Session:
    """What stands around one run: who watches it, what was said to it, what it leaves."""

    def __init__(
        self, request: VqganClipRequest, services: Services, device: str | None, canvases: Optimisation
    ) -> None:
        self._request, self._services, self._device = request, services, device
        self._folder = services.settings.output / TASK
        self.progress = Progress(request.steps)
        self.keeper = Keeper(request.steps, services, self._folder)
        self._judge = Judge(canvases.request, canvases.pictures, services, device)
        self._rounds = population.rounds(request.runs, request.steps, request.refill)
        # Of one canvas there is nothing to compare, so no model is loaded beside it just for its score.
        self._looks = population.looks(request.steps) if request.runs > 1 or not self._judge.fair else frozenset()
        self._refills: list[Refill] = []
        self._notes = [*canvases.pictures.notes, *canvases.eye.unread()]
        if canvases.other:
            named = ", ".join(canvases.other)
            self._notes.append(f"It went on from a checkpoint with other settings ({named}): {KEEP_CHECKPOINT}")
        if canvases.plan is not None:
            self._notes.append(canvases.plan.sentence(max(request.cuts or 0, request.cuts_end or 0)))
        self.listener = Listener(lambda change: self._steer(change, canvases), lambda: self.progress.paused(canvases))

    def after(self, canvases: Optimisation) -> None:
        """Look after each step whether canvases are to be dropped, and whether to leave a checkpoint."""
        step = canvases.step_number
        try:
            if step in self._looks | self._rounds:
                scores = self._judge.scores(to_pil(canvases.picture()))
                self.progress.scores = dict(enumerate(scores))
                if step in self._rounds:
                    self._renew(canvases, scores)
        except OutOfMemory:  # of the judge beside the models; at the end there is room for it alone
            self._rounds = self._looks = frozenset()
        self.keeper.watch(canvases)

    def _renew(self, canvases: Optimisation, scores: list[float]) -> None:
        made = population.renew(canvases, scores)
        self._refills += made
        replaced = {each.index for each in made}
        self.progress.scores = {k: score for k, score in enumerate(scores) if k not in replaced}
        self.listener.hint = f"{len(self._refills)} weaker canvases made room for branches"

    def _steer(self, change: Steer, canvases: Optimisation) -> None:
        canvases.steer(change)
        self._judge.tell(canvases.request)

    def finish(self, canvases: Optimisation, images: Sequence[Image]) -> dict[str, Any]:
        """Score and save the pictures; the fields of the result."""
        request, services = self._request, self._services
        scores = self._judge.scores(images)
        done = {"steps": canvases.step_number, "log": tuple(canvases.log), "refills": tuple(self._refills)}
        recipes = [self._recipe(canvases, {"canvas": k, "score": score}) for k, score in enumerate(scores)]
        paths = release(images, recipes, self._folder, services.settings, services.pool, self._device)
        made = [Picture(k, canvases.seeds[k], path, scores[k]) for k, path in enumerate(paths)]
        notes = [*self._notes, self.listener.note, self.keeper.note, self._judge.note()]
        notes.append(safety_note(self._recipe(canvases, {}), services.catalog))
        return {
            **done,
            "model": services.catalog.get(request.model).title,
            "recipe": recipe_table(self._recipe(canvases, {})),
            "pictures": tuple(sorted(made, key=lambda each: (-each.score, each.index))),
            "judge": self._judge.name,
            "judge_title": services.catalog.get(self._judge.name).title,
            "fair": self._judge.fair,
            "checkpoints": self.keeper.kept,
            "curves": self.progress.curves,
            "at": self.progress.at,
            "pace": self.progress.pace,
            "footprint": canvases.plan.footprint if canvases.plan else None,
            "notes": tuple(note for note in notes if note),
        }

    def _recipe(self, canvases: Optimisation, scores: dict[str, Any]) -> Recipe:
        request = replace(canvases.begun, log=tuple(canvases.log))
        settings = {name: value for name, value in to_plain(request).items() if name != "seed"}
        revision = self._services.catalog.get(request.model).revision or ""
        return Recipe(TASK, request.model, revision, settings, request.seed, scores, parents=canvases.pictures.parents)

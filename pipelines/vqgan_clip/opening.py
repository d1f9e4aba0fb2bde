"""From a request to an optimisation that can make its first step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines.services import Services
from pipelines.vqgan_clip import checkpoint, steering
from pipelines.vqgan_clip.checkpoint import Saved
from pipelines.vqgan_clip.drafts import Drafts, drafted
from pipelines.vqgan_clip.optimisation import Optimisation
from pipelines.vqgan_clip.pictures import Pictures, admitted
from pipelines.vqgan_clip.plain import to_plain
from pipelines.vqgan_clip.planner import plan
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.state import OPTIMISER
from pipelines.vqgan_clip.swift import quick

if TYPE_CHECKING:
    from torch import Tensor


ROOTED = ("cuts_end", "start", "start_image", "draft_model", "seed")  # what a branch has from its root


@contextmanager
def opened(
    request: VqganClipRequest, services: Services, device: str | None = None, drafts: Drafts | None = None
) -> Iterator[Optimisation]:
    """An `Optimisation` of a request, its models kept loaded until the block ends. Without `drafts` they are made here.

    A generator may `yield` inside the block: nothing of torch's thread state is held. Raises what `resolve`, the
    safeguards and the pool raise, and OutOfMemory when even the smallest way of running cannot fit.
    """
    request = request.resolve(services.catalog)
    saved = checkpoint.load(request.checkpoint) if request.start == "checkpoint" and request.checkpoint else None
    if saved is not None:
        _check(request, saved)
    pictures = admitted(request, services.settings, None if saved is None else saved.pictures)
    drafts = drafts or drafted(request, services, device)
    with ExitStack() as stack:
        vqgan = stack.enter_context(services.pool.use(request.model, device))
        clips = [stack.enter_context(services.pool.use(name, device)) for name in request.clips]
        # The model is shared: whoever uses it next finds it as it was.
        stack.callback(vqgan.checkpoint, False)
        stack.enter_context(quick(vqgan))
        yield _prepared(vqgan, clips, request, pictures, saved, drafts.pictures)


def _prepared(
    vqgan: Any,
    clips: list[Any],
    request: VqganClipRequest,
    pictures: Pictures,
    saved: Saved | None,
    drafts: Tensor | None,
) -> Optimisation:
    optimisation = Optimisation(vqgan, clips, request, pictures, drafts=drafts)
    most = max(request.cuts or 1, request.cuts_end or 1)
    optimisation.plan = plan(vqgan, optimisation.eye.towers, optimisation.size, request.runs, most)
    gradient = optimisation.gradient
    gradient.chunk, gradient.checkpointed = optimisation.plan.chunk, optimisation.plan.checkpointed
    if saved is not None:
        state = saved.state
        if saved.request.optimiser != request.optimiser:  # another kind has no use for its moments
            state = {name: value for name, value in state.items() if not name.startswith(OPTIMISER)}
        optimisation.load_state_dict(state)
        optimisation.came_from(*_history(request, saved))
    return optimisation


def _history(request: VqganClipRequest, saved: Saved) -> tuple[VqganClipRequest, list[dict[str, Any]], tuple[str, ...]]:
    """What a run that goes on from a checkpoint began as, and all changes since, that of branching off among them.

    Together they make the branch again from its root, unless settings that cannot be steered have changed: those are
    taken from `request`, and named third.
    """
    old, log = saved.steered(), list(saved.log)
    change = steering.difference(old, request)
    if change is not None:
        log.append(steering.entry(saved.step, change))
        old = steering.steered(old, change)
    root = {each.name: getattr(saved.request, each.name) for each in fields(steering.Steer) if each.name != "weight"}
    root |= {name: getattr(saved.request, name) for name in ROOTED}
    told, asked = to_plain(old), to_plain(request)
    other = tuple(name for name in asked if name not in {*ROOTED, "judge", "log"} and asked[name] != told[name])
    return replace(request, **root, checkpoint=None), log, other


def _check(request: VqganClipRequest, saved: Saved) -> None:
    """Refuse a checkpoint that this request cannot go on from."""
    if saved.request.model != request.model:
        raise BadRequest(f"The checkpoint was made with {saved.request.model}, not {request.model}. Choose that model.")
    if not saved.step < request.steps:
        raise BadRequest(
            f"The checkpoint has {saved.step:,} steps behind it, and the number of steps in all is {request.steps:,}; "
            f"it must be at least {saved.step + 1:,} to go on."
        )

"""Watching a job for a page: what it does now, how far it is, how long it will take.

A handler never works itself, it only watches. So a closed page loses nothing: the job goes on, and the next page that
knows its id sees it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest

if TYPE_CHECKING:
    from jobs.queue import JobQueue
    from pipelines.steps import Result, Step

ENDED = ("done", "failed", "cancelled")
FRAME_SECONDS = 0.3  # previews are sent at most this often
LEFT_SECONDS = 120.0  # a job that nobody watches for so long is thrown away, for its page was closed and not reloaded
TICK_SECONDS = 1.0  # a page that waits is told so at least this often, for its clock and its place in the queue


@dataclass(frozen=True)
class View:
    """One look at a job: `state` is waiting, running, done, failed or cancelled; times are in seconds."""

    state: str
    ahead: int = 0
    starts_in: float | None = None
    step: Step | None = None
    elapsed: float = 0.0
    left: float | None = None
    result: Result | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


async def watch(jobs: JobQueue, job_id: str) -> AsyncIterator[View]:
    """Looks at a job until it has ended; the last one has its result or its error.

    Steps that come faster than `FRAME_SECONDS` are skipped. Leaving early leaves the job alone.
    """
    shown = 0.0
    async for view in _ticking(jobs, job_id):
        if view.ended or monotonic() - shown >= FRAME_SECONDS:
            shown = monotonic()
            yield view
        if view.ended:
            return


def leave(jobs: JobQueue, job_id: str, owner: str, seconds: float = LEFT_SECONDS) -> None:
    """To be called when a page stops watching: cancels the job unless someone watches it again within `seconds`."""

    def discard() -> None:
        try:
            if not jobs.get(job_id).watchers:
                jobs.cancel(job_id, owner=owner)
        except BadRequest:
            pass  # it ended and was forgotten meanwhile

    asyncio.get_running_loop().call_later(seconds, discard)


async def finished(jobs: JobQueue, job_id: str, owner: str) -> View:
    """The last look at a job. When the caller is cancelled so is the job, for nobody else knows it."""
    try:
        async for view in _ticking(jobs, job_id):
            if view.ended:
                return view
    except (asyncio.CancelledError, GeneratorExit):
        jobs.cancel(job_id, owner=owner)
        raise
    return look(jobs, job_id)


async def _ticking(jobs: JobQueue, job_id: str) -> AsyncIterator[View]:
    events = jobs.watch(job_id)
    pending: asyncio.Task[Any] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(events, None))
            done, _ = await asyncio.wait({pending}, timeout=TICK_SECONDS)
            if done and pending.result() is None:
                yield look(jobs, job_id)
                return
            if done:
                pending = None
            yield look(jobs, job_id)
    finally:
        if pending is not None:
            pending.cancel()


def look(jobs: JobQueue, job_id: str) -> View:
    """The job as it is now. Raises BadRequest when nobody knows it any more."""
    job = jobs.get(job_id)
    if job.state == "waiting":
        return View("waiting", ahead=max(0, job.position() - 1), starts_in=jobs.estimate(job_id))
    began = job.started if job.started is not None else job.submitted
    elapsed = (job.ended if job.ended is not None else monotonic()) - began
    return View(
        job.state,
        step=job.step,
        elapsed=elapsed,
        left=_seconds_left(job.step, elapsed),
        result=job.result,
        error=str(job.error or ""),
    )


def _seconds_left(step: Step | None, elapsed: float) -> float | None:
    if step is None or step.number < 1:
        return None
    return elapsed / step.number * max(0, step.total - step.number)

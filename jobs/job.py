"""One job, and what is told about it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from common.errors import AtelierError
from pipelines.steps import Command, Result, Run, Step

ENDED = frozenset({"done", "failed", "cancelled"})


@dataclass(eq=False)
class Job:
    """A pipeline that waits, runs, or has ended. Only `JobQueue` changes it, with its lock held; others read.

    `state` is "waiting", "running", "done", "failed" or "cancelled". The times are seconds of the queue's monotonic
    clock. `result` is set exactly when the state is "done", `error` exactly when it is "failed" or "cancelled".
    """

    owner: str
    task: str
    cost: float
    start: Callable[[str], Run] | None  # makes the generator; dropped at the end, since it may hold uploads
    submitted: float
    place: Callable[[Job], int]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)  # 122 random bits: who knows the id may watch
    state: str = "waiting"
    device: str = ""
    started: float | None = None
    ended: float | None = None
    step: Step | None = None
    result: Result | None = None
    error: AtelierError | None = None
    version: int = 0  # counts changes, so that a watcher knows whether it has seen the latest
    commands: deque[Command] = field(default_factory=lambda: deque(maxlen=64))
    stopping: bool = False  # asked to finish now and keep what there is
    discarded: bool = False  # nobody wants the result any more
    watchers: set[Watcher] = field(default_factory=set)

    def position(self) -> int:
        """1 for the job that starts next, 2 for the one after it; 0 when this job no longer waits."""
        return self.place(self)

    def changed(self) -> None:
        """Let every watcher look again."""
        self.version += 1
        for watcher in self.watchers:
            watcher.wake()

    def end(self, now: float, state: str, result: Result | None = None, error: AtelierError | None = None) -> None:
        """Enter a last state and let go of everything that only a running job needs."""
        self.state, self.ended, self.result, self.error = state, now, result, error
        self.start = None
        self.commands.clear()
        if self.step is not None:  # how far it came stays of interest, the previews do not
            self.step = Step(self.step.number, self.step.total, self.step.note)
        self.changed()


@dataclass(frozen=True, eq=False)
class Event:
    """The state of a job at one moment.

    Every event is complete, so missing one loses nothing but its preview. `position` counts from 1 while the job waits
    and is 0 after; `wait` is the estimated seconds until it starts, None when nothing like it was ever measured.
    """

    job_id: str
    state: str
    position: int = 0
    wait: float | None = None
    step: Step | None = None
    result: Result | None = None
    error: AtelierError | None = None

    @property
    def ended(self) -> bool:
        """True for the last event of a job."""
        return self.state in ENDED


class Watcher:
    """Wakes one coroutine, on whichever event loop it runs, from any thread.

    Holds no events: the coroutine looks at the job itself once it is awake. A browser that reads slowly therefore costs
    one flag and not a growing list, and what it misses are steps only. `wake` and `rearm` want the queue's lock held.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._called = False

    def wake(self) -> None:
        if self._called:
            return  # one call is on its way; a busy loop shall not find a thousand
        self._called = True
        with contextlib.suppress(RuntimeError):  # a closed loop has nobody left to wake
            self._loop.call_soon_threadsafe(self._awake.set)

    def rearm(self) -> None:
        """To be called before looking at the job: a change from now on wakes again."""
        self._called = False
        self._awake.clear()

    async def sleep(self) -> None:
        await self._awake.wait()


@dataclass(frozen=True)
class RunningJob:
    """What anyone may know about a running job: neither whose it is nor what is in it."""

    device: str
    task: str
    number: int  # of the last step, 0 before the first
    total: int
    seconds: float  # since its start


@dataclass(frozen=True)
class QueueStatus:
    """What runs now, how many jobs wait, and for which devices."""

    running: tuple[RunningJob, ...]
    waiting: int
    devices: tuple[str, ...]

"""The queue of jobs, as handlers and workers see it.

A handler submits a pipeline and watches its job; the pipeline itself runs on the thread of a device (`jobs.worker`).
So a page that is closed, refreshed or slow changes nothing for the device, any number of pages can watch one job, and
one that comes back finds it by its id.

Everything is guarded by one lock, which nobody holds while a pipeline runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence

from jobs.job import Event, Job, QueueStatus, Watcher
from jobs.schedule import Schedule
from jobs.worker import Discarded, Outcome, Worker
from pipelines.steps import Command, Run, Step, Stop


class JobQueue:
    """Jobs for some devices, with one worker thread each.

    At most `max_waiting` jobs wait, and at most `max_per_owner` of one owner wait or run. A job can be watched and
    fetched until `keep_seconds` after its end. All methods may be called from any thread, and none of them but `close`
    blocks for longer than the bookkeeping takes. `clock` returns monotonic seconds.
    """

    def __init__(
        self,
        devices: Sequence[str] = ("cpu",),
        max_waiting: int = 30,
        max_per_owner: int = 3,
        keep_seconds: float = 900,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._schedule = Schedule(tuple(devices), max_waiting, max_per_owner, keep_seconds, clock)
        self._lock = threading.Condition()  # guards the schedule and all jobs; idle workers wait on it
        self._workers = [Worker(self, device) for device in devices]
        for worker in self._workers:
            worker.start()

    # For handlers.

    def submit(self, owner: str, task: str, start: Callable[[str], Run], cost: float = 1.0) -> Job:
        """Add a job; `start(device)` makes its generator later, on the device's thread.

        `cost` says how much work it is, in any unit that is the same for all jobs of `task`; only estimates use it.
        Raises QueueFull when too many jobs wait, ValueError for a cost that is not positive.
        """
        if not cost > 0:
            raise ValueError(f"cost must be positive, got {cost}")
        with self._lock:
            job = Job(owner, task, cost, start, submitted=self._schedule.clock(), place=self._place)
            self._schedule.add(job)
            self._lock.notify()
            return job

    def get(self, job_id: str) -> Job:
        """The job of that id. Raises BadRequest when there is none, or none any more."""
        with self._lock:
            return self._schedule.ledger.get(job_id)

    async def watch(self, job_id: str) -> AsyncIterator[Event]:
        """The job's state now, then every change, until it ended. Raises BadRequest as `get` does.

        Works on any event loop, for any number of watchers and at any time until the result expires. A watcher that
        is slower than the job gets the latest state and misses steps in between, never the end. Leaving early (or
        being cancelled) leaves the job alone.
        """
        job = self.get(job_id)
        watcher, seen = Watcher(), -1
        with self._lock:
            job.watchers.add(watcher)
        try:
            while True:
                with self._lock:
                    watcher.rearm()
                    event = None if job.version == seen else self._schedule.event(job)
                    seen = job.version
                if event is not None:
                    yield event
                    if event.ended:
                        return
                await watcher.sleep()
        finally:
            with self._lock:
                job.watchers.discard(watcher)

    def command(self, job_id: str, command: Command, *, owner: str) -> None:
        """Say something to the job; its pipeline hears it after the step it is at.

        A job that has ended no longer listens. Raises BadRequest when `owner` has no such job.
        """
        with self._lock:
            self._schedule.tell(self._schedule.ledger.get(job_id, owner), command)

    def stop(self, job_id: str, *, owner: str) -> None:
        """Finish now and keep what there is; a job that waits is taken out at once. Raises as `command`."""
        self.command(job_id, Stop(), owner=owner)

    def cancel(self, job_id: str, *, owner: str) -> None:
        """Throw the job away; its device is free after the step it is at. Raises as `command`."""
        with self._lock:
            self._schedule.discard(self._schedule.ledger.get(job_id, owner))

    def estimate(self, job_id: str) -> float | None:
        """Seconds until the job starts, 0 when it has; None while nothing like it was ever measured."""
        with self._lock:
            return self._schedule.until_start(self._schedule.ledger.get(job_id))

    def status(self) -> QueueStatus:
        """What runs and how many wait, for everyone to see."""
        with self._lock:
            return self._schedule.status()

    def close(self, patience: float = 5.0) -> None:
        """Cancel everything and wait up to `patience` seconds for the workers to finish the step they are at."""
        with self._lock:
            self._schedule.closed = True
            for job in [*self._schedule.running, *self._schedule.waiting.order()]:
                self._schedule.discard(job)
            self._lock.notify_all()
        until = time.monotonic() + patience
        for worker in self._workers:
            worker.join(max(until - time.monotonic(), 0))

    def _place(self, job: Job) -> int:
        with self._lock:
            return self._schedule.place(job)

    # For workers.

    def take(self, device: str) -> Job | None:
        """Wait for the next job and mark it as running on `device`; None when the queue has closed."""
        with self._lock:
            while not self._schedule.closed:
                if job := self._schedule.take(device):
                    return job
                # Not for ever, so that results are dropped on time in a quiet app too.
                self._lock.wait(self._schedule.ledger.next_expiry())
            return None

    def report(self, job: Job, step: Step) -> Command | None:
        """Publish a step and return what to tell the pipeline. Raises Discarded when the job was cancelled."""
        with self._lock:
            if job.discarded:
                raise Discarded
            return self._schedule.step(job, step)

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Publish the end of a running job."""
        with self._lock:
            self._schedule.finish(job, outcome)

"""Every change that can happen to a job, without locks or threads; `jobs.queue` adds those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from common.errors import AtelierError, Cancelled, QueueFull
from jobs.fair import FairQueue
from jobs.job import ENDED, Event, Job, QueueStatus, RunningJob
from jobs.ledger import Ledger
from jobs.timing import Timing
from jobs.worker import Outcome
from pipelines.steps import Command, Step, Stop


class Schedule:
    """Which jobs wait, run, and have ended, and what follows from that.

    waiting ──take──▶ running ──finish──▶ done, failed or cancelled
       └─────────────take_out─────────────────────────▶ cancelled
    """

    def __init__(
        self,
        devices: tuple[str, ...],
        max_waiting: int,
        max_per_owner: int,
        keep_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.ledger = Ledger(keep_seconds, clock)
        self.waiting = FairQueue()
        self.running: set[Job] = set()
        self.closed = False
        self._devices, self._max_waiting, self._max_per_owner = devices, max_waiting, max_per_owner
        self._timing = Timing()
        self.clock = clock

    def add(self, job: Job) -> None:
        """Let `job` wait. Raises QueueFull."""
        self._forget_old()
        self._refuse_when_full(job.owner)
        self.ledger.add(job)
        self.waiting.push(job)
        self._moved()  # a newcomer's first job goes ahead of the second jobs of others

    def take(self, device: str) -> Job | None:
        """Let the next job run on `device`; None when no job waits."""
        self._forget_old()
        job = self.waiting.pop()
        if job is not None:
            job.state, job.device, job.started = "running", device, self.clock()
            self.running.add(job)
            job.changed()
            self._moved()
        return job

    def step(self, job: Job, step: Step) -> Command | None:
        """Note a step of a running job and return what to tell its pipeline.

        Steps without previews have nothing new to see, so the last ones stay for whoever looks next.
        """
        if not step.previews and job.step is not None:
            step = replace(step, previews=job.step.previews)
        job.step = step
        job.changed()
        return job.commands.popleft() if job.commands else None

    def finish(self, job: Job, outcome: Outcome) -> None:
        """A running job has ended."""
        if job.discarded:
            outcome = Outcome("cancelled", error=Cancelled("This job was cancelled."))
        self.running.remove(job)
        self._end(job, outcome)
        if outcome.result is not None and not outcome.result.stopped:
            self._timing.record(job)

    def take_out(self, job: Job) -> None:
        """A waiting job will not run."""
        self.waiting.remove(job)
        error = Cancelled("This job was taken out of the queue before it started.")
        self._end(job, Outcome("cancelled", error=error))

    def tell(self, job: Job, command: Command) -> None:
        """Leave a command for the pipeline of `job`."""
        if job.state in ENDED:
            return
        if not isinstance(command, Stop):
            job.commands.append(command)
        elif job.state == "waiting":
            self.take_out(job)
        elif not job.stopping:
            job.stopping = True
            job.commands.appendleft(command)  # people expect Stop to answer within one step

    def discard(self, job: Job) -> None:
        """Nobody wants the result of `job` any more."""
        job.discarded = True
        if job.state == "waiting":
            self.take_out(job)

    def place(self, job: Job) -> int:
        """1 for the job that starts next; 0 for one that does not wait."""
        return self.waiting.order().index(job) + 1 if job.state == "waiting" else 0

    def until_start(self, job: Job) -> float | None:
        """Estimated seconds until `job` starts, 0 when it has, None when that cannot be known yet."""
        if job.state != "waiting":
            return 0.0
        return self._timing.until_start(job, self.waiting.order(), self.running, len(self._devices), self.clock())

    def event(self, job: Job) -> Event:
        """What to tell a watcher of `job` now."""
        return Event(job.id, job.state, self.place(job), self.until_start(job), job.step, job.result, job.error)

    def status(self) -> QueueStatus:
        """What runs and how many wait."""
        running = sorted(self.running, key=lambda job: job.device)
        return QueueStatus(tuple(map(self._running_job, running)), len(self.waiting), self._devices)

    def _end(self, job: Job, outcome: Outcome) -> None:
        job.end(self.clock(), outcome.state, outcome.result, outcome.error)
        self.ledger.ended(job)
        self._moved()

    def _moved(self) -> None:
        for job in self.waiting.order():
            job.changed()

    def _forget_old(self) -> None:
        if self.ledger.expire():
            self.waiting.forget(self.ledger.owners())

    def _refuse_when_full(self, owner: str) -> None:
        if self.closed:
            raise AtelierError("The app is closing and takes no new jobs.")
        mine, waiting = self.ledger.live(owner), len(self.waiting)
        if mine >= self._max_per_owner:
            raise QueueFull(
                f"You have {mine} jobs waiting or running, and {self._max_per_owner} are allowed at a time; "
                f"{waiting} jobs wait in all. Stop one of yours or wait until one is done."
            )
        if waiting >= self._max_waiting:
            raise QueueFull(f"{waiting} jobs are waiting already, which is all there is room for. Try again soon.")

    def _running_job(self, job: Job) -> RunningJob:
        number, total = (job.step.number, job.step.total) if job.step else (0, 0)
        seconds = self.clock() - (self.clock() if job.started is None else job.started)
        return RunningJob(job.device, job.task, number, total, seconds)

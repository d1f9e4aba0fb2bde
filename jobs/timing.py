"""How long things take, learnt from what they took."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from statistics import median

from jobs.job import Job


class Timing:
    """Seconds per unit of cost for each task, as the median of the last five jobs.

    A median, because the first job of a task also loads its model and would spoil a mean for long.
    """

    def __init__(self) -> None:
        self._rates: dict[str, deque[float]] = {}

    def record(self, job: Job) -> None:
        """Learn from a job that ran to its end."""
        if job.started is not None and job.ended is not None:
            self._rates.setdefault(job.task, deque(maxlen=5)).append((job.ended - job.started) / job.cost)

    def expected(self, job: Job) -> float | None:
        """Seconds from start to end, None when this task was never measured."""
        rates = self._rates.get(job.task)
        return median(rates) * job.cost if rates else None

    def remaining(self, job: Job, now: float) -> float | None:
        """Seconds until a running `job` ends, from its own steps when it has made some, else from its task."""
        elapsed = now - (now if job.started is None else job.started)
        if job.step is not None and job.step.number > 0:
            return elapsed / job.step.number * max(job.step.total - job.step.number, 0)
        expected = self.expected(job)
        return None if expected is None else max(expected - elapsed, 0.0)

    def until_start(
        self, job: Job, order: Sequence[Job], running: Iterable[Job], devices: int, now: float
    ) -> float | None:
        """Seconds until `job` starts, which waits in this `order`; None when something ahead was never measured."""
        busy = [self.remaining(each, now) for each in running]
        ahead = [self.expected(each) for each in order[: order.index(job)]]
        if len(busy) < devices and not ahead:
            return 0.0
        if None in busy or None in ahead:
            return None
        free_in = [0.0] * (devices - len(busy)) + busy
        heapq.heapify(free_in)
        for seconds in ahead:
            heapq.heapreplace(free_in, free_in[0] + seconds)  # the next one goes to the device that is free first
        return free_in[0]

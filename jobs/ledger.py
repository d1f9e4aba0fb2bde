"""The jobs that can be asked for: those that wait or run, and for a while those that ended."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from common.errors import BadRequest
from jobs.job import ENDED, Job


class Ledger:
    """Jobs by id, dropped `keep_seconds` after their end. Without locks; `jobs.queue` guards it."""

    def __init__(self, keep_seconds: float, clock: Callable[[], float]) -> None:
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._ended: deque[Job] = deque()  # oldest first
        self._live: Counter[str] = Counter()  # owner: jobs that wait or run

    def add(self, job: Job) -> None:
        self._jobs[job.id] = job
        self._live[job.owner] += 1

    def ended(self, job: Job) -> None:
        """Note that a job has just ended."""
        self._ended.append(job)
        self._live -= Counter([job.owner])  # and forgets owners at zero

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """The job of that id, and of that owner if one is named. Raises BadRequest.

        A stranger's job is refused in the words for one that never was, so that ids cannot be tried out.
        """
        self.expire()
        job = self._jobs.get(job_id)
        if job is None or owner not in (None, job.owner):
            kept = f"{self._keep_seconds / 60:g} minutes"
            raise BadRequest(f"You have no job {str(job_id)[:40]!r}; results are kept for {kept} after their end.")
        return job

    def live(self, owner: str) -> int:
        """How many jobs of `owner` wait or run."""
        return self._live[owner]

    def owners(self) -> set[str]:
        """Everyone with a job in here, ended ones included."""
        return {job.owner for job in self._jobs.values()}

    def expire(self) -> bool:
        """Drop what ended too long ago; True when there was something to drop."""
        before = len(self._jobs)
        while self._ended and self._seconds_left(self._ended[0]) <= 0:
            del self._jobs[self._ended.popleft().id]
        return len(self._jobs) < before

    def next_expiry(self) -> float | None:
        """Seconds until something is to be dropped, None when nothing has ended."""
        return max(self._seconds_left(self._ended[0]), 0.0) if self._ended else None

    def _seconds_left(self, job: Job) -> float:
        assert job.state in ENDED and job.ended is not None
        return job.ended + self._keep_seconds - self._clock()

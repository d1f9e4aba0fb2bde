"""Whose turn it is. Plain bookkeeping without locks or threads; `jobs.queue` guards it."""

from __future__ import annotations

from collections import deque

from jobs.job import Job


class FairQueue:
    """Waiting jobs, served round-robin between owners and first come, first served within one owner.

    The next job is that of the owner who was served longest ago, and never before counts as longest. So one who
    submits thirty jobs delays everyone else by one job, not by thirty.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Job]] = {}
        self._served: dict[str, int] = {}  # owner: number of the turn they had last
        self._turn = 0

    def __len__(self) -> int:
        return sum(len(jobs) for jobs in self._waiting.values())

    def push(self, job: Job) -> None:
        self._waiting.setdefault(job.owner, deque()).append(job)

    def pop(self) -> Job | None:
        """Take the next job out, or None when nobody waits."""
        order = self.order()
        if not order:
            return None
        self.remove(order[0])
        self._turn += 1
        self._served[order[0].owner] = self._turn
        return order[0]

    def remove(self, job: Job) -> None:
        """Take `job` out; it must be waiting."""
        jobs = self._waiting[job.owner]
        jobs.remove(job)
        if not jobs:
            del self._waiting[job.owner]

    def order(self) -> list[Job]:
        """All waiting jobs in the order in which they would start if nobody else came."""
        left = {owner: deque(jobs) for owner, jobs in self._waiting.items()}
        served, turn, order = dict(self._served), self._turn, []
        while left:
            owner = min(left, key=lambda name: (served.get(name, 0), left[name][0].submitted))
            order.append(left[owner].popleft())
            turn += 1
            served[owner] = turn
            if not left[owner]:
                del left[owner]
        return order

    def forget(self, owners: set[str]) -> None:
        """Keep turns of these owners only, or the table would grow with every visitor there ever was."""
        self._served = {owner: turn for owner, turn in self._served.items() if owner in owners}

"""A pipeline that moves when the test says so, and queues that are closed after the test."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jobs.job import Event
from jobs.queue import JobQueue
from pipelines.steps import Command, Result, Run, Step, Stop

PATIENCE = 20  # seconds before a test that hangs fails; none waits that long when it passes


class Puppet:
    """A pipeline of `total` steps. Step k is made once `go` was released k times; the rest is what it noticed."""

    def __init__(self, total: int = 3, steps_free: bool = False) -> None:
        self.total, self.steps_free = total, steps_free
        self.go = threading.Semaphore(0)
        self.running, self.closed = threading.Event(), threading.Event()
        self.threads: list[str] = []
        self.heard: list[Command | None] = []
        self.made = 0

    def __call__(self, device: str) -> Run:
        self.threads.append(threading.current_thread().name)
        return self._run()

    def _run(self) -> Run:
        self.running.set()
        try:
            for number in range(1, self.total + 1):
                if not self.steps_free:
                    assert self.go.acquire(timeout=PATIENCE), "the test forgot to release a step"
                self.threads.append(threading.current_thread().name)
                self.made = number
                command = yield Step(number, self.total)
                self.heard.append(command)
                if isinstance(command, Stop):
                    yield Result(seconds=number, model="puppet", stopped=True)
                    return
            yield Result(seconds=self.total, model="puppet")
        finally:
            self.threads.append(threading.current_thread().name)
            self.closed.set()


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def puppet() -> type[Puppet]:
    return Puppet


@pytest.fixture
def end_of() -> Callable[[JobQueue, str], Event]:
    """Watch a job from this thread until it ended, and return its last event."""

    async def watch(queue: JobQueue, job_id: str) -> Event:
        return [event async for event in queue.watch(job_id)][-1]

    return lambda queue, job_id: asyncio.run(asyncio.wait_for(watch(queue, job_id), PATIENCE))


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait until another thread has made the condition true."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "this never came true"
            time.sleep(0.001)

    return wait


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_queue() -> Iterator[Callable[..., JobQueue]]:
    queues: list[JobQueue] = []

    def make(**options) -> JobQueue:
        queues.append(JobQueue(**options))
        return queues[-1]

    yield make
    for queue in queues:
        queue.close()


@pytest.fixture
def queue(make_queue: Callable[..., JobQueue]) -> JobQueue:
    return make_queue(max_per_owner=100, max_waiting=1000)

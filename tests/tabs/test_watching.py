import asyncio
import threading
from contextlib import contextmanager

import pytest

from common.errors import BadRequest
from jobs.queue import JobQueue
from pipelines.steps import Result, Step, Stop
from tabs import watching


@contextmanager
def a_queue():
    jobs = JobQueue(["cpu"])
    try:
        yield jobs
    finally:
        jobs.close()


def steps(count: int, gate: threading.Event | None = None):
    """A pipeline of `count` steps that waits for `gate` after each."""

    def run(device):
        for number in range(1, count + 1):
            command = yield Step(number, count)
            if isinstance(command, Stop):
                yield Result(seconds=0.0, model="m", stopped=True)
                return
            if gate is not None:
                gate.wait(10)
        yield Result(seconds=0.0, model="m")

    return run


async def collect(jobs, job_id):
    return [view async for view in watching.watch(jobs, job_id)]


def test_the_last_view_has_the_result():
    with a_queue() as jobs:
        job = jobs.submit("me", "t", steps(3))
        views = asyncio.run(collect(jobs, job.id))
    assert views[-1].state == "done" and views[-1].result.model == "m"
    assert [view.ended for view in views].count(True) == 1


def test_a_late_watcher_sees_the_result_too():
    with a_queue() as jobs:
        job = jobs.submit("me", "t", steps(3))
        asyncio.run(collect(jobs, job.id))
        (view,) = asyncio.run(collect(jobs, job.id))
    assert view.state == "done"


def test_a_failure_is_one_sentence():
    def broken(device):
        yield Step(1, 2)
        raise BadRequest("The moon is full.")

    with a_queue() as jobs:
        job = jobs.submit("me", "t", broken)
        views = asyncio.run(collect(jobs, job.id))
    assert views[-1].state == "failed" and views[-1].error == "The moon is full."


def test_a_waiting_page_is_told_its_place(monkeypatch):
    monkeypatch.setattr(watching, "FRAME_SECONDS", 0.0)
    gate = threading.Event()
    with a_queue() as jobs:
        first = jobs.submit("a", "t", steps(1, gate))
        jobs.submit("b", "t", steps(1))
        last = jobs.submit("c", "t", steps(1))

        async def first_look():
            async for view in watching.watch(jobs, last.id):
                return view

        while jobs.get(first.id).state == "waiting":
            pass
        view = asyncio.run(first_look())
        gate.set()
    assert view.state == "waiting" and view.ahead == 1


def test_a_quiet_job_still_ticks(monkeypatch):
    monkeypatch.setattr(watching, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(watching, "FRAME_SECONDS", 0.0)
    gate = threading.Event()
    with a_queue() as jobs:
        job = jobs.submit("me", "t", steps(1, gate))

        async def watch_some():
            views = []
            async for view in watching.watch(jobs, job.id):
                views.append(view)
                if len(views) == 6:
                    gate.set()
            return views

        views = asyncio.run(watch_some())
    assert len(views) >= 6 and views[-1].state == "done"


def test_frames_are_thinned_out_but_never_the_end(monkeypatch):
    monkeypatch.setattr(watching, "FRAME_SECONDS", 3600.0)
    with a_queue() as jobs:
        job = jobs.submit("me", "t", steps(50))
        views = asyncio.run(collect(jobs, job.id))
    assert len(views) <= 2 and views[-1].state == "done"


def test_leaving_a_watch_leaves_the_job_alone():
    gate = threading.Event()
    with a_queue() as jobs:
        job = jobs.submit("me", "t", steps(2, gate))

        async def look_once():
            async for _ in watching.watch(jobs, job.id):
                return

        asyncio.run(look_once())
        gate.set()
        assert asyncio.run(collect(jobs, job.id))[-1].state == "done"


def test_a_cancelled_caller_of_the_api_cancels_its_job():
    gate = threading.Event()
    with a_queue() as jobs:
        job = jobs.submit("me", "t", steps(2, gate))

        async def give_up():
            task = asyncio.create_task(watching.finished(jobs, job.id, "me"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(give_up())
        gate.set()
        assert asyncio.run(collect(jobs, job.id))[-1].state == "cancelled"


@pytest.mark.parametrize(("somebody_watches", "state"), [(False, "cancelled"), (True, "done")])
def test_a_job_whose_page_is_gone_is_thrown_away(somebody_watches, state):
    gate = threading.Event()
    with a_queue() as jobs:
        job = jobs.submit("me", "t", steps(2, gate))

        async def leave_and_look():
            watching.leave(jobs, job.id, "me", seconds=0.05)
            other = asyncio.create_task(collect(jobs, job.id)) if somebody_watches else None
            await asyncio.sleep(0.2)
            gate.set()
            views = await (other or collect(jobs, job.id))
            return views[-1].state

        assert asyncio.run(leave_and_look()) == state


def test_time_left_follows_from_the_steps_so_far():
    assert watching._seconds_left(Step(2, 10), 4.0) == pytest.approx(16.0)
    assert watching._seconds_left(Step(10, 10), 4.0) == 0
    assert watching._seconds_left(None, 4.0) is None

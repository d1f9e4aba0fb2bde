"""What goes wrong when a web server's thread pool drives torch generators, and must not go wrong here."""

import asyncio
import random
import threading

import pytest
import torch

from pipelines.steps import Result, Step


def optimise(device):
    """VQGAN+CLIP in small: gradients in every step, and an optimiser that lives from step to step."""
    weights = torch.nn.Parameter(torch.ones(8))
    optimiser = torch.optim.SGD([weights], lr=0.1)
    for number in range(1, 41):
        optimiser.zero_grad()
        (weights**2).sum().backward()
        optimiser.step()
        yield Step(number, 40)
    yield Result(seconds=0, model="optimiser", recipe={"loss": (weights**2).sum().item()})


def infer(device):
    """A sampler as it should be: every step in a context of its own."""
    state = torch.ones(8)
    for number in range(1, 41):
        with torch.inference_mode():
            state = state * 0.9
        yield Step(number, 40)
    yield Result(seconds=0, model="sampler", recipe={"inference": state.is_inference()})


def infer_rudely(device):
    """A sampler as it should not be: it sleeps inside the context, and leaves it only when it is closed."""
    with torch.inference_mode():
        for number in range(1, 41):
            yield Step(number, 40)
        yield Result(seconds=0, model="rude sampler")


def look_at_mode(device):
    mode = {"grad": torch.is_grad_enabled(), "inference": torch.is_inference_mode_enabled()}
    yield Result(seconds=0, model="probe", recipe=mode)


@pytest.mark.parametrize("devices", [("cpu",), ("cpu:0", "cpu:1")])
def test_an_optimiser_runs_beside_inference_jobs_of_two_sessions(make_queue, end_of, devices):
    queue = make_queue(devices=devices, max_per_owner=100, max_waiting=100)
    optimisers, others = [], []
    for _ in range(6):
        others.append(queue.submit("ann", "draw", infer))
        optimisers.append(queue.submit("ann", "optimise", optimise))
        others.append(queue.submit("bob", "draw", infer_rudely))
        optimisers.append(queue.submit("bob", "optimise", optimise))

    async def watch_all():
        async def last(job):
            return [event async for event in queue.watch(job.id)][-1]

        return await asyncio.wait_for(asyncio.gather(*map(last, optimisers + others)), 60)

    ends = asyncio.run(watch_all())
    assert [str(end.error) for end in ends if end.error] == []
    assert {round(end.result.recipe["loss"] / (8 * 0.8**80), 3) for end in ends[: len(optimisers)]} == {1.0}
    for probe in [queue.submit("cem", "probe", look_at_mode) for _ in range(8)]:
        assert end_of(queue, probe.id).result.recipe == {"grad": True, "inference": False}


def test_a_job_cancelled_inside_inference_mode_does_not_poison_the_thread(queue, end_of, until):
    entered = threading.Event()

    def run(device):
        with torch.inference_mode():
            for number in range(1, 10**9):
                entered.set()
                yield Step(number, 10**9)

    job = queue.submit("ann", "draw", run)
    assert entered.wait(20)
    queue.cancel(job.id, owner="ann")
    assert end_of(queue, job.id).state == "cancelled"
    assert end_of(queue, queue.submit("bob", "optimise", optimise).id).result.model == "optimiser"


@pytest.mark.parametrize("devices", [("cpu",), ("cpu:0", "cpu:1")])
def test_cancel_then_restart_never_overlaps(make_queue, end_of, devices):
    queue = make_queue(devices=devices, max_per_owner=1000, max_waiting=1000)
    lock, on_device, peak, closed = threading.Lock(), dict.fromkeys(devices, 0), dict.fromkeys(devices, 0), []

    def run(device):
        with lock:
            on_device[device] += 1
            peak[device] = max(peak[device], on_device[device])
        try:
            for number in range(1, 6):
                yield Step(number, 5)
            yield Result(seconds=0, model="counted")
        finally:
            with lock:
                on_device[device] -= 1
                closed.append(device)

    def click(owner, seed):
        """Someone who starts, changes their mind at some moment, and starts again at once."""
        whims = random.Random(seed)
        for _ in range(50):
            jobs[owner] = queue.submit(owner, "draw", run)
            if whims.random() < 0.7:
                (queue.cancel if whims.random() < 0.7 else queue.stop)(jobs[owner].id, owner=owner)

    jobs = {}
    clickers = [threading.Thread(target=click, args=(owner, owner)) for owner in ("ann", "bob", "cem")]
    for clicker in clickers:
        clicker.start()
    for clicker in clickers:
        clicker.join()
    for owner, job in jobs.items():
        queue.submit(owner, "draw", run)  # behind everything else of this owner
        end_of(queue, job.id)
    for owner in jobs:
        end_of(queue, queue.submit(owner, "draw", run).id)
    queue.close(patience=20)
    assert set(peak.values()) == {1}
    assert set(on_device.values()) == {0}
    assert len(closed) > 30


def test_a_flood_of_one_leaves_others_served(queue, puppet, end_of):
    order, lock = [], threading.Lock()

    def named(owner):
        def run(device):
            with lock:
                order.append(owner)
            yield Result(seconds=0, model=owner)

        return run

    busy = puppet()
    first = queue.submit("ann", "draw", busy)
    busy.running.wait()
    flood = [queue.submit("ann", "draw", named("a")) for _ in range(30)]
    others = [queue.submit(owner, "draw", named(owner)) for owner in "bcbc"]
    queue.cancel(first.id, owner="ann")
    busy.go.release()
    for job in flood + others:
        assert end_of(queue, job.id).state == "done"
    assert "".join(order) == "bcabc" + "a" * 29


def test_many_threads_submit_watch_and_leave_at_once(queue, end_of):
    ends, failures = [], []

    def visit(number):
        try:
            job = queue.submit(f"owner {number % 4}", "draw", optimise if number % 2 else infer)
            if number % 5 == 0:
                queue.cancel(job.id, owner=job.owner)
            ends.append(end_of(queue, job.id).state)
        except BaseException as error:
            failures.append(error)

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(40)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(60)
    assert failures == []
    assert len(ends) == 40
    assert set(ends) == {"done", "cancelled"}
    status = queue.status()
    assert (status.running, status.waiting) == ((), 0)

import gc
import threading
import weakref

import pytest

from common.errors import AtelierError, BadRequest, QueueFull
from pipelines.steps import Result, Step


def test_a_job_runs_to_its_result(queue, puppet, end_of):
    job = queue.submit("ann", "draw", puppet(total=4, steps_free=True))
    end = end_of(queue, job.id)
    assert (end.state, end.result.seconds, end.error, end.position, end.wait) == ("done", 4, None, 0, 0.0)
    assert (end.step.number, end.step.total) == (4, 4)
    assert queue.get(job.id) is job
    assert job.submitted <= job.started <= job.ended


def test_one_owner_has_so_many_jobs_and_all_together_so_many_wait(make_queue, puppet, end_of):
    queue = make_queue(max_waiting=3, max_per_owner=2)
    busy = puppet()
    first = queue.submit("ann", "draw", busy)
    busy.running.wait()
    queue.submit("ann", "draw", puppet(steps_free=True))
    with pytest.raises(QueueFull, match="You have 2 jobs waiting or running, and 2 are allowed"):
        queue.submit("ann", "draw", puppet())
    queue.submit("bob", "draw", puppet(steps_free=True))
    last = queue.submit("cem", "draw", puppet(steps_free=True))
    with pytest.raises(QueueFull, match="3 jobs are waiting already"):
        queue.submit("dan", "draw", puppet())
    busy.go.release(3)
    for job in (first, last):
        end_of(queue, job.id)
    assert queue.submit("ann", "draw", puppet(steps_free=True))  # what has ended does not count


def test_a_cost_must_be_positive(queue, puppet):
    for cost in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="positive"):
            queue.submit("ann", "draw", puppet(), cost=cost)


def test_results_expire(make_queue, puppet, end_of, clock):
    queue = make_queue(keep_seconds=60, clock=clock)
    job = queue.submit("ann", "draw", puppet(steps_free=True))
    end_of(queue, job.id)
    clock.now += 59.9
    assert end_of(queue, job.id).result.model == "puppet"
    clock.now += 0.1
    with pytest.raises(BadRequest, match="kept for 1 minutes"):
        queue.get(job.id)
    with pytest.raises(BadRequest, match=job.id):
        end_of(queue, job.id)


def test_an_expired_result_leaves_memory_though_nobody_asks(make_queue, end_of):
    queue = make_queue(keep_seconds=0.05)
    gone = threading.Event()

    def run(device):
        result = Result(seconds=1, model="short-lived")
        weakref.finalize(result, gone.set)
        yield result

    queue.submit("ann", "draw", run)
    assert gone.wait(20)


def test_an_ended_job_lets_go_of_its_request_and_previews(queue, puppet, end_of, until):
    from PIL import Image

    class Request:
        pass

    def start(request):
        def run(device):
            yield Step(1, 1, request.__class__.__name__, previews=(Image.new("RGB", (2, 2)),))
            yield Result(seconds=1, model="m")

        return run

    request = Request()
    alive = weakref.ref(request)
    job = queue.submit("ann", "draw", start(request))
    del request
    assert end_of(queue, job.id).step.note == "Request"
    assert job.step.previews == ()
    until(lambda: not queue.status().running)
    end_of(queue, queue.submit("ann", "draw", puppet(steps_free=True)).id)  # the worker's locals are another job's
    gc.collect()
    assert alive() is None


def test_status_says_what_runs_but_not_whose(make_queue, puppet, end_of, clock, until):
    queue = make_queue(clock=clock)
    pipeline = puppet(total=5)
    pipeline.go.release(2)
    job = queue.submit("ann", "draw", pipeline)
    waiting = queue.submit("bob", "caption", puppet(steps_free=True))
    until(lambda: job.step and job.step.number == 2)
    clock.now += 7
    status = queue.status()
    assert (status.waiting, status.devices, len(status.running)) == (1, ("cpu",), 1)
    running = status.running[0]
    assert (running.device, running.task, running.number, running.total, running.seconds) == ("cpu", "draw", 2, 5, 7)
    assert "ann" not in repr(status)
    pipeline.go.release(3)
    end_of(queue, waiting.id)


def test_close_ends_everything(make_queue, puppet, end_of):
    queue = make_queue()
    pipeline = puppet(total=100)
    jobs = [queue.submit("ann", "draw", start) for start in (pipeline, puppet())]
    pipeline.running.wait()
    threading.Timer(0.05, pipeline.go.release).start()  # while `close` waits for the step to end
    queue.close(patience=20)
    assert [job.state for job in jobs] == ["cancelled", "cancelled"]
    assert pipeline.closed.is_set()
    with pytest.raises(AtelierError, match="closing"):
        queue.submit("ann", "draw", puppet())

import threading

import pytest

from common.errors import BadRequest, Cancelled
from pipelines.steps import Command, Result, Step, Stop


def test_stop_keeps_the_partial_result(queue, puppet, end_of, until):
    pipeline = puppet(total=100)
    job = queue.submit("ann", "draw", pipeline)
    for _ in range(3):
        pipeline.go.release()
    until(
        lambda: job.step and job.step.number == 3
    )  # the worker is on its way to the fourth step, where it waits for us
    queue.stop(job.id, owner="ann")
    queue.stop(job.id, owner="ann")
    pipeline.go.release()
    end = end_of(queue, job.id)
    assert (end.state, end.result.stopped, end.result.seconds) == ("done", True, 4)
    assert pipeline.heard == [None, None, None, pipeline.heard[3]]
    assert isinstance(pipeline.heard[3], Stop)


def test_stop_and_cancel_take_a_waiting_job_out_at_once(queue, puppet, end_of):
    busy, never = puppet(), puppet()
    running = queue.submit("ann", "draw", busy)
    busy.running.wait()
    for way_out in (queue.stop, queue.cancel):
        job = queue.submit("ann", "draw", never)
        way_out(job.id, owner="ann")
        assert job.state == "cancelled"  # without the worker, which is busy
        assert isinstance(end_of(queue, job.id).error, Cancelled)
    assert queue.status().waiting == 0
    queue.cancel(running.id, owner="ann")
    busy.go.release()
    end_of(queue, running.id)
    assert never.threads == []


def test_cancel_frees_the_device_after_the_step_it_is_at(queue, puppet, end_of):
    pipeline = puppet(total=100)
    job = queue.submit("ann", "draw", pipeline)
    pipeline.running.wait()
    queue.cancel(job.id, owner="ann")
    pipeline.go.release()
    end = end_of(queue, job.id)
    assert (end.state, end.result, type(end.error)) == ("cancelled", None, Cancelled)
    assert pipeline.made == 1
    assert queue.status().running == ()
    queue.cancel(job.id, owner="ann")  # too late is no error
    queue.stop(job.id, owner="ann")
    assert job.state == "cancelled"


def test_a_cancel_during_the_last_step_discards_the_result(queue, puppet, end_of, until):
    done = threading.Event()

    def run(device):
        assert done.wait(20)
        yield Result(seconds=1, model="late")

    job = queue.submit("ann", "draw", run)
    until(lambda: job.state == "running")
    queue.cancel(job.id, owner="ann")
    done.set()
    assert (end_of(queue, job.id).state, job.result) == ("cancelled", None)


def test_commands_arrive_in_order_one_per_step_and_stop_goes_first(queue, puppet, end_of, until):
    class Louder(Command):
        pass

    pipeline, first, second = puppet(total=4), Louder(), Louder()
    job = queue.submit("ann", "draw", pipeline)
    queue.command(job.id, first, owner="ann")
    queue.command(job.id, second, owner="ann")
    pipeline.go.release(2)
    until(lambda: len(pipeline.heard) == 2)
    queue.command(job.id, first, owner="ann")
    queue.stop(job.id, owner="ann")
    pipeline.go.release()
    end_of(queue, job.id)
    assert pipeline.heard[:2] == [first, second]
    assert isinstance(pipeline.heard[2], Stop)


def test_stop_is_heard_once_however_often_it_is_pressed(queue, end_of, until):
    heard, pressed = [], threading.Event()

    def run(device):  # goes on for some steps after Stop, as one that still writes a film
        yield Step(1, 5)
        assert pressed.wait(20)
        for number in range(2, 6):
            heard.append((yield Step(number, 5)))
        yield Result(seconds=1, model="film", stopped=True)

    job = queue.submit("ann", "draw", run)
    until(lambda: job.step)
    for _ in range(3):
        queue.stop(job.id, owner="ann")
    pressed.set()
    end_of(queue, job.id)
    assert [type(command) for command in heard] == [Stop, type(None), type(None), type(None)]


def test_only_the_owner_may_give_orders(queue, puppet, end_of):
    pipeline = puppet()
    job = queue.submit("ann", "draw", pipeline)
    pipeline.running.wait()
    for order in (queue.stop, queue.cancel, lambda job_id, owner: queue.command(job_id, Stop(), owner=owner)):
        with pytest.raises(BadRequest, match=job.id) as strange:
            order(job.id, owner="bob")
        with pytest.raises(BadRequest) as unknown:
            order("0" * 32, owner="bob")
        assert str(strange.value).replace(job.id, "0" * 32) == str(unknown.value)  # ids cannot be tried out
    pipeline.go.release(3)
    end = end_of(queue, job.id)
    assert (end.state, end.result.stopped) == ("done", False)

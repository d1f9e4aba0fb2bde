import logging
import threading

import pytest

from common.errors import AtelierError, BadRequest, Blocked, Cancelled, OutOfMemory
from pipelines.steps import Result, Step


def raising(error):
    def run(device):
        yield Step(1, 2)
        raise error

    return run


def test_a_generator_is_made_driven_and_closed_on_the_thread_of_its_device(make_queue, puppet, end_of):
    queue = make_queue(devices=("cuda:3",))
    finished, cancelled = puppet(steps_free=True), puppet()
    end_of(queue, queue.submit("ann", "draw", finished).id)
    job = queue.submit("ann", "draw", cancelled)
    cancelled.go.release()
    cancelled.running.wait()
    queue.cancel(job.id, owner="ann")
    cancelled.go.release()
    assert end_of(queue, job.id).state == "cancelled"
    assert cancelled.closed.is_set()
    assert set(finished.threads + cancelled.threads) == {"worker cuda:3"}


@pytest.mark.parametrize("way_to_end", ["result", "cancel"])
def test_a_run_is_closed_at_its_end_whoever_else_holds_it(queue, end_of, way_to_end):
    held, closed_on = [], []

    def run():
        try:
            yield Step(1, 2)
            if way_to_end == "cancel":
                queue.cancel(job.id, owner="ann")
            yield Step(2, 2)
            yield Result(seconds=1, model="held")
        finally:
            closed_on.append(threading.current_thread().name)

    def start(device):
        assert ready.wait(20)  # until `job` is known here
        held.append(run())
        return held[0]

    ready = threading.Event()
    job = queue.submit("ann", "draw", start)
    ready.set()
    end_of(queue, job.id)
    assert closed_on == ["worker cpu"]


def test_an_error_for_the_user_is_passed_on_and_holds_no_frames(queue, end_of):
    job = queue.submit("ann", "draw", raising(Blocked("This prompt is not allowed.")))
    end = end_of(queue, job.id)
    assert (end.state, type(end.error), str(end.error)) == ("failed", Blocked, "This prompt is not allowed.")
    assert (end.error.__traceback__, end.error.__context__) == (None, None)
    assert end_of(queue, queue.submit("ann", "draw", raising(Cancelled("Enough."))).id).state == "cancelled"


def test_a_refusal_before_the_first_step_is_passed_on(queue, end_of):
    def refuse(device):
        raise BadRequest("steps is 0, allowed is 1 to 50.")

    assert str(end_of(queue, queue.submit("ann", "draw", refuse).id).error) == "steps is 0, allowed is 1 to 50."


@pytest.mark.parametrize("error", [ZeroDivisionError("in our code"), SystemExit(3), GeneratorExit(), StopIteration()])
def test_a_bug_ends_its_job_and_not_the_queue(queue, puppet, end_of, caplog, error):
    with caplog.at_level(logging.ERROR):
        end = end_of(queue, queue.submit("ann", "draw", raising(error)).id)
    assert (end.state, type(end.error)) == ("failed", AtelierError)
    number = str(end.error).split("(id ")[1].split(")")[0]
    record = next(record for record in caplog.records if number in record.getMessage())
    assert record.exc_info[1] is not None  # the traceback is in the log under the id that the user sees
    assert "in our code" not in str(end.error)
    assert end_of(queue, queue.submit("ann", "draw", puppet(steps_free=True)).id).state == "done"


def test_a_pipeline_that_will_not_close_cannot_hold_the_queue(queue, puppet, end_of):
    def stubborn(device):
        try:
            yield Step(1, 2)
            yield Result(seconds=1, model="stubborn")
        finally:
            yield Step(2, 2)

    end = end_of(queue, queue.submit("ann", "draw", stubborn).id)
    assert (end.state, end.result.model) == ("done", "stubborn")
    assert end_of(queue, queue.submit("ann", "draw", puppet(steps_free=True)).id).state == "done"


def test_a_pipeline_without_a_result_is_a_bug(queue, end_of):
    def run(device):
        yield Step(1, 1)

    end = end_of(queue, queue.submit("ann", "draw", run).id)
    assert (end.state, end.result) == ("failed", None)


def test_out_of_memory_is_told_in_words_that_help(queue, end_of):
    import torch

    for error in (
        torch.OutOfMemoryError("CUDA"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ):
        end = end_of(queue, queue.submit("ann", "draw", raising(error)).id)
        assert isinstance(end.error, OutOfMemory)
        assert "fewer candidates" in str(end.error)

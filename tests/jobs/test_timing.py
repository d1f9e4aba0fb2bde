import pytest

from jobs.job import Job
from jobs.timing import Timing
from pipelines.steps import Step


def job(task: str = "draw", cost: float = 1.0, started: float | None = None, ended: float | None = None) -> Job:
    return Job("ann", task, cost, None, submitted=0.0, place=lambda job: 0, started=started, ended=ended)


def measured(**rates: float) -> Timing:
    timing = Timing()
    for task, seconds in rates.items():
        timing.record(job(task, started=0.0, ended=seconds))
    return timing


def test_seconds_grow_with_cost_and_differ_by_task():
    timing = measured(draw=2.0, caption=0.5)
    assert timing.expected(job("draw", cost=10)) == 20
    assert timing.expected(job("caption", cost=10)) == 5
    assert timing.expected(job("film")) is None


def test_one_slow_first_job_is_soon_outvoted():
    timing = Timing()
    for seconds in (60.0, 2.0, 2.0):  # the first one loaded the model
        timing.record(job(started=0.0, ended=seconds))
    assert timing.expected(job()) == 2


def test_a_running_job_is_judged_by_its_own_steps_first():
    timing = measured(draw=10.0)
    running = job(started=100.0)
    assert timing.remaining(running, now=103.0) == 7
    assert timing.remaining(running, now=200.0) == 0
    running.step = Step(2, 8)
    assert timing.remaining(running, now=104.0) == 12
    assert timing.remaining(job("film", started=100.0), now=101.0) is None


def test_waiting_jobs_go_to_the_device_that_is_free_first():
    timing = measured(draw=10.0, caption=1.0)
    running = [job(started=0.0), job("caption", started=0.0)]
    order = [job("caption"), job(), job("caption"), job()]
    waits = [timing.until_start(each, order, running, devices=2, now=0.0) for each in order]
    assert waits == [1, 2, 10, 11]  # free at 10 and 1; then at 10 and 2; at 10 and 12; at 11 and 12


@pytest.mark.parametrize(("devices", "wait"), [(1, None), (2, 0.0)])
def test_without_measurements_only_a_free_device_is_certain(devices, wait):
    order = [job()]
    assert Timing().until_start(order[0], order, [job(started=0.0)], devices, now=5.0) == wait

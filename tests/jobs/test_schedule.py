from jobs.job import Job
from jobs.schedule import Schedule
from pipelines.steps import Step


def test_the_last_previews_stay_until_there_are_newer_ones():
    schedule = Schedule(("cpu",), 3, 3, 60, lambda: 0.0)
    job = Job("ann", "draw", 1.0, None, submitted=0.0, place=lambda job: 0)
    for number, previews in enumerate((("first",), (), ("second",), ()), 1):
        schedule.step(job, Step(number, 4, previews=previews))
        assert job.step.number == number
        assert job.step.previews == (("first",) if number < 3 else ("second",))

import itertools

from jobs.fair import FairQueue
from jobs.job import Job

seconds = itertools.count()


def job(owner: str) -> Job:
    return Job(owner, "draw", 1.0, None, submitted=next(seconds), place=lambda job: 0)


def owners(jobs) -> str:
    return "".join(each.owner for each in jobs)


def filled(text: str) -> FairQueue:
    queue = FairQueue()
    for owner in text:
        queue.push(job(owner))
    return queue


def drain(queue: FairQueue) -> str:
    return owners(iter(queue.pop, None))


def test_owners_take_turns():
    assert drain(filled("aaaabbc")) == "abcabaa"


def test_a_flood_delays_a_newcomer_by_one_job():
    queue = filled("a" * 20)
    assert queue.pop().owner == "a"
    queue.push(job("b"))
    assert drain(queue).startswith("baaa")


def test_who_was_served_last_goes_to_the_back_even_after_leaving():
    queue = filled("ab")
    assert queue.pop().owner == "a"
    queue.push(job("a"))  # at once again, as a script would
    queue.push(job("c"))
    assert drain(queue) == "bca"


def test_one_owner_is_served_first_come_first_served():
    queue, jobs = FairQueue(), [job("a") for _ in range(5)]
    for each in jobs:
        queue.push(each)
    queue.remove(jobs[2])
    assert list(iter(queue.pop, None)) == [jobs[0], jobs[1], jobs[3], jobs[4]]
    assert len(queue) == 0


def test_the_order_told_is_the_order_kept():
    queue = filled("aabacbaadcc")
    queue.pop()
    told = queue.order()
    assert len(told) == len(queue) == 10
    assert list(iter(queue.pop, None)) == told


def test_forgotten_owners_count_as_newcomers():
    queue = filled("ab")
    queue.pop()
    queue.pop()
    queue.forget({"b"})
    queue.push(job("b"))
    queue.push(job("a"))
    assert drain(queue) == "ab"

import asyncio
import threading

import pytest

from common.errors import BadRequest
from pipelines.steps import Result, Step

PATIENCE = 20


def run_async(main):
    return asyncio.run(asyncio.wait_for(main, PATIENCE))


async def all_events(queue, job_id):
    return [event async for event in queue.watch(job_id)]


def test_a_watcher_that_keeps_up_sees_every_step_in_order(queue, puppet):
    pipeline = puppet(total=5)
    job = queue.submit("ann", "draw", pipeline)

    async def main():
        seen = []  # the fifth step is followed by the end at once, so it may be missed
        async for event in queue.watch(job.id):
            seen.append((event.state, event.step.number if event.step else 0))
            if event.state == "running":
                pipeline.go.release()
        return seen

    seen = run_async(main())
    numbers = [number for state, number in seen if state == "running"]
    assert [number for number in numbers if number in range(1, 5)] == [1, 2, 3, 4]
    assert seen[-1] == ("done", 5)
    assert [state for state, _ in seen].count("done") == 1


def test_a_late_watcher_attaches_again(queue, puppet, until):
    pipeline = puppet(total=3)
    job = queue.submit("ann", "draw", pipeline)

    async def leave_after_first_event():
        async for _ in queue.watch(job.id):
            return

    run_async(leave_after_first_event())
    pipeline.go.release(2)
    until(lambda: job.step and job.step.number == 2)

    async def come_back():
        events = queue.watch(job.id)
        first = await anext(events)
        pipeline.go.release()
        return first, [event async for event in events][-1]

    first, last = run_async(come_back())  # another loop than the first one's
    assert (first.state, first.step.number) == ("running", 2)
    assert (last.state, last.result.seconds) == ("done", 3)
    assert [event.state for event in run_async(all_events(queue, job.id))] == ["done"]


def test_a_slow_watcher_misses_steps_but_never_the_end(queue, until):
    total = 2000
    reading = threading.Event()

    def flood(device):
        assert reading.wait(PATIENCE)
        for number in range(1, total + 1):
            yield Step(number, total)
        yield Result(seconds=1, model="flood")

    job = queue.submit("ann", "draw", flood)
    calls = []

    async def main():
        loop = asyncio.get_running_loop()
        call_soon_threadsafe = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args: (calls.append(args), call_soon_threadsafe(*args))[1]
        events = queue.watch(job.id)
        seen = [await anext(events)]
        reading.set()
        until(lambda: job.state == "done")  # blocks this loop, as a page that does not read does
        seen += [event async for event in events]
        return seen

    seen = run_async(main())
    assert [event.state for event in seen[1:]] == ["done"]
    assert seen[-1].result.model == "flood"
    assert len(calls) <= 2  # a loop that is busy is called once, not once per step


def test_sixty_watchers_on_two_loops_and_the_loops_stay_free(queue, puppet):
    pipeline = puppet(total=20)
    job = queue.submit("ann", "draw", pipeline)
    ready = threading.Barrier(2, timeout=PATIENCE)
    ends = []

    async def thirty_watchers():
        watching = [asyncio.create_task(all_events(queue, job.id)) for _ in range(30)]
        await asyncio.sleep(0)  # all of them have their first event and wait
        assert len(job.watchers) >= 30
        ready.wait()
        pipeline.go.release(10)
        turns = 0
        while not all(task.done() for task in watching):
            await asyncio.sleep(0)  # what a light handler would need: a turn of the loop
            turns += 1
        ends.extend(task.result()[-1] for task in watching)
        return turns

    other = threading.Thread(target=lambda: ends.append(run_async(thirty_watchers())))
    other.start()
    turns = run_async(thirty_watchers())
    other.join(PATIENCE)
    events = [end for end in ends if not isinstance(end, int)]
    assert len(events) == 60
    assert {event.state for event in events} == {"done"}
    assert len({id(event.result) for event in events}) == 1
    assert turns > 1
    assert job.watchers == set()


def test_waiting_watchers_hear_their_place_and_their_time(make_queue, puppet, end_of, clock, until):
    queue = make_queue(clock=clock, max_per_owner=10)
    measured = puppet(total=1)
    job = queue.submit("zoe", "draw", measured, cost=2)
    measured.running.wait()
    clock.now += 6
    measured.go.release()
    end_of(queue, job.id)  # so 3 seconds per unit of cost

    busy, behind = puppet(total=1), puppet(total=1)
    first = queue.submit("ann", "draw", busy, cost=10)
    busy.running.wait()
    queue.submit("ann", "draw", behind, cost=4)
    mine = queue.submit("ann", "draw", puppet(steps_free=True))

    async def main():
        seen = []
        async for event in queue.watch(mine.id):
            seen.append((event.state, event.position, event.wait))
            if len(seen) == 1:
                assert queue.estimate(mine.id) == 42
                queue.submit("bob", "draw", puppet(steps_free=True), cost=5)
            elif len(seen) == 2:
                busy.go.release()
            elif event.position == 1:
                behind.go.release()
        return seen

    seen = run_async(main())
    assert seen[0] == ("waiting", 2, 30 + 12)
    assert seen[1] == ("waiting", 3, 30 + 15 + 12)  # bob was never served, so he is next
    assert [place for state, place, _ in seen if state == "waiting"][-1] == 1
    assert seen[-1] == ("done", 0, 0.0)
    assert (first.position(), mine.position(), queue.estimate(mine.id)) == (0, 0, 0.0)


def test_leaving_or_being_cancelled_leaves_the_job_alone(queue, puppet, end_of, until):
    pipeline = puppet(total=2)
    job = queue.submit("ann", "draw", pipeline)

    async def main():
        task = asyncio.create_task(all_events(queue, job.id))
        while not job.watchers:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_async(main())
    assert job.watchers == set()
    pipeline.go.release(2)
    assert end_of(queue, job.id).state == "done"


def test_a_loop_that_died_with_its_watcher_does_not_hurt_the_job(queue, puppet, end_of):
    pipeline = puppet(total=2)
    job = queue.submit("ann", "draw", pipeline)
    loop = asyncio.new_event_loop()
    events = queue.watch(job.id)
    loop.run_until_complete(anext(events))
    loop.close()  # without its coroutines being finished
    assert len(job.watchers) == 1
    pipeline.go.release(2)
    assert end_of(queue, job.id).state == "done"


def test_an_unknown_job_cannot_be_watched(queue):
    with pytest.raises(BadRequest, match="no job 'nonsense'"):
        run_async(all_events(queue, "nonsense"))

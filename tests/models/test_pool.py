import threading
import time

import pytest

from common.errors import BadRequest, OutOfMemory

PATIENCE = 120  # seconds until a test gives up on a thread; a full garbage collection late in the suite takes long


class Together:
    """Runs a function in several threads that start at the same moment, and keeps what each returned or raised."""

    def __init__(self, function, count):
        self.outcomes, barrier = [], threading.Barrier(count, timeout=PATIENCE)

        def call():
            barrier.wait()
            try:
                self.outcomes.append(function())
            except Exception as error:
                self.outcomes.append(error)

        self.threads = [threading.Thread(target=call) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        return self.outcomes


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.001)


def test_a_model_is_loaded_on_first_use_and_kept(pool, loaded):
    assert pool.status() == []
    with pool.use("apple") as first:
        pass
    with pool.use("apple") as second:
        assert second is first
    assert loaded(pool) == ["apple"]


def test_sixteen_first_uses_at_once_load_once(pool_of, make_spec):
    loads, hold = [], threading.Event()

    def load(context):
        loads.append(context)
        assert hold.wait(PATIENCE)
        return object()

    pool = pool_of(make_spec("apple", load=load))

    def use():
        with pool.use("apple") as model:
            return model

    together = Together(use, 16)
    until(lambda: pool.status() and pool.status()[0].users == 16)  # one loads and fifteen wait
    hold.set()
    models = together.join()
    assert len(loads) == 1
    assert len(models) == 16
    assert len(set(map(id, models))) == 1
    assert pool.status()[0].users == 0


def test_the_loader_is_told_where_and_how(pool_of, make_spec, settings):
    contexts = []

    class Model:
        moves = ()

        def to(self, device):
            self.moves = (*self.moves, device)

    spec = make_spec("apple", load=lambda context: contexts.append(context) or Model())
    pool = pool_of(spec, devices=("cpu:0", "cpu:1"))
    with pool.use("apple") as default, pool.use("apple", device="cpu:1") as other:
        assert (default.moves, other.moves) == (("cpu:0",), ("cpu:1",))
    assert [(context.device, context.precision) for context in contexts] == [("cpu:0", "fp32"), ("cpu:1", "fp32")]
    assert (contexts[0].spec, contexts[0].settings, contexts[0].pool) == (spec, settings, pool)


def test_all_who_waited_for_a_load_that_fails_hear_why(pool_of, make_spec):
    loads, hold = [], threading.Event()

    class PickyError(Exception):
        def __init__(self, what, why):
            super().__init__(f"{what}: {why}")

    def load(context):
        loads.append(1)
        assert hold.wait(PATIENCE)
        raise PickyError("weights", "torn") if len(loads) == 1 else BadRequest("no")

    pool = pool_of(make_spec("apple", load=load))
    for _ in range(2):  # an error that can be copied for those who wait, and one that cannot
        hold.clear()
        together = Together(lambda: pool.use("apple").__enter__(), 4)
        until(lambda: pool.status() and pool.status()[0].users == 4)
        hold.set()
        outcomes = together.join()
        assert len(set(map(id, outcomes))) == 4
        assert pool.status() == []
        if len(loads) == 1:
            assert all("weights: torn" in str(error) for error in outcomes)
    assert [type(error) for error in outcomes] == [BadRequest] * 4
    assert len(loads) == 2


def test_the_status_shows_a_load_on_its_way(pool_of, make_spec):
    reported, hold = threading.Event(), threading.Event()

    def load(context):
        context.report(0.25, "reading weights")
        reported.set()
        assert hold.wait(PATIENCE)
        context.report(7.0, "beyond the end")
        return object()

    pool = pool_of(make_spec("apple", load=load, memory_mb=123))
    loading = Together(lambda: pool.use("apple").__enter__(), 1)
    assert reported.wait(PATIENCE)
    status = pool.status()[0]
    assert (status.name, status.title, status.state, status.progress) == ("apple", "Apple", "loading", 0.25)
    assert (status.note, status.memory_mb, status.device) == ("reading weights", 123, "cpu")
    with pytest.raises(BadRequest, match="Apple is in use"):
        pool.unload("apple")
    hold.set()
    loading.join()
    status = pool.status()[0]
    assert (status.state, status.progress, status.note) == ("ready", 1.0, "")


def test_many_threads_stay_within_the_budget(pool_of, make_spec):
    lock, here, peak, closed_in_use = threading.Lock(), set(), [], []

    class Model:
        users = 0

        def __init__(self):
            with lock:
                here.add(self)
                peak.append(len(here))

        def close(self):
            with lock:
                here.discard(self)
                if self.users:
                    closed_in_use.append(self)

    specs = [make_spec(name, memory_mb=500, load=lambda context: Model()) for name in "abcdef"]
    pool = pool_of(*specs)

    def visit():
        refused = 0
        for turn in range(12):
            try:
                with pool.use("abcdef"[(turn * 7 + threading.get_ident()) % 6]) as model:
                    with lock:
                        model.users += 1
                    time.sleep(0)
                    with lock:
                        model.users -= 1
            except OutOfMemory:
                refused += 1
        return refused

    refused = Together(visit, 6).join()
    assert all(isinstance(count, int) for count in refused)
    assert max(peak) <= 2
    assert closed_in_use == []
    assert all(status.users == 0 for status in pool.status())

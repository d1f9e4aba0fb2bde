import gc
import logging
import weakref

import pytest

from common.errors import BadRequest, ModelUnavailable, OutOfMemory


def test_the_least_recently_used_makes_room_and_its_memory_is_freed(pool, loaded):
    with pool.use("apple") as model:
        apple = weakref.ref(model)
    with pool.use("banana") as model:
        banana = weakref.ref(model)
    del model
    with pool.use("apple"):
        pass  # now the banana is the one that was used longest ago
    with pool.use("cherry"):
        assert loaded(pool) == ["apple", "cherry"]
    assert banana() is None
    assert apple() is not None


def test_what_is_in_use_is_never_evicted(pool, loaded):
    with pool.use("apple"), pool.use("banana") as banana:
        with pytest.raises(OutOfMemory, match=r"Cherry needs 400 MB; of the 1,024 MB for models 800 MB are in use"):
            pool.use("cherry").__enter__()
        assert loaded(pool) == ["apple", "banana"]
        with pool.use("banana") as again:
            assert again is banana
    with pool.use("apple"), pool.use("cherry"):
        assert loaded(pool) == ["apple", "cherry"]


def test_what_can_never_fit_evicts_nobody(pool_of, make_spec, loaded):
    pool = pool_of(make_spec("apple"), make_spec("whale", memory_mb=5000))
    with pool.use("apple"):
        pass
    with pytest.raises(OutOfMemory, match="Whale needs 5,000 MB"):
        pool.use("whale").__enter__()
    assert loaded(pool) == ["apple"]


def test_each_device_has_a_budget_of_its_own(pool_of, make_spec):
    pool = pool_of(make_spec("apple", memory_mb=900), make_spec("banana", memory_mb=900), devices=("cpu:0", "cpu:1"))
    with pool.use("apple", "cpu:0"), pool.use("banana", "cpu:1"):
        assert [(status.name, status.device) for status in pool.status()] == [("apple", "cpu:0"), ("banana", "cpu:1")]


def test_unload_drops_closes_and_frees(pool_of, make_spec):
    class Model:
        closed = 0

        def __init__(self):
            self.parts = [self]  # a cycle, as most networks have one

        def close(self):
            Model.closed += 1

    pool = pool_of(make_spec("apple", load=lambda context: Model()))
    pool.unload("apple")  # not loaded is no error
    with pool.use("apple") as model, pytest.raises(BadRequest, match="Apple is in use"):
        pool.unload("apple")
    alive = weakref.ref(model)
    del model
    pool.unload("apple")
    assert (pool.status(), Model.closed, alive()) == ([], 1, None)


def test_a_model_that_fails_to_close_is_gone_all_the_same(pool_of, make_spec, caplog, loaded):
    class Model:
        def close(self):
            raise OSError("stuck")

    pool = pool_of(make_spec("apple", memory_mb=900, load=lambda context: Model()), make_spec("banana", memory_mb=900))
    with pool.use("apple"):
        pass
    with caplog.at_level(logging.ERROR), pool.use("banana"):
        assert loaded(pool) == ["banana"]
    assert "closing apple failed" in caplog.text


def test_models_share_parts_and_give_them_back(pool_of, make_spec, loaded):
    """A model that holds a part for as long as it lives, as a diffusion model may hold the sentence encoder."""

    class Holder:
        def __init__(self, pool):
            self._use = pool.use("part")
            self.part = self._use.__enter__()

        def close(self):
            self._use.__exit__(None, None, None)

    part = make_spec("part", memory_mb=300)
    holder = make_spec("holder", memory_mb=300, load=lambda context: Holder(context.pool))
    pool = pool_of(part, holder, make_spec("whale", memory_mb=1000))
    with pool.use("holder") as model, pool.use("part") as shared:
        assert model.part is shared
    assert [(status.name, status.users) for status in pool.status()] == [("holder", 0), ("part", 1)]
    with pool.use("whale"):  # needs both places; the part is free only once its holder has closed
        assert loaded(pool) == ["whale"]


def test_an_unknown_name_is_refused_and_a_missing_checkpoint_evicts_nobody(pool_of, make_spec, loaded):
    far = make_spec("far", title="Far One", pack="hub", source="someone/far", revision="main", memory_mb=1000)
    pool = pool_of(make_spec("apple"), far)
    with pool.use("apple"):
        pass
    with pytest.raises(BadRequest, match="'pear'"):
        pool.use("pear").__enter__()
    with pytest.raises(ModelUnavailable, match=r"python -m models\.fetch far"):
        pool.use("far").__enter__()
    assert loaded(pool) == ["apple"]


def test_a_use_that_fails_is_over_too(pool):
    with pytest.raises(ZeroDivisionError), pool.use("apple"):
        raise ZeroDivisionError
    assert pool.status()[0].users == 0


def test_a_failed_load_leaves_nothing_and_the_next_use_tries_again(pool_of, make_spec):
    alive, attempts = [], []

    def load(context):
        from torch import nn

        half = nn.Linear(4, 4)
        alive.append(weakref.ref(half))
        attempts.append(1)
        if len(attempts) == 1:
            raise ModelUnavailable("half of it is missing")
        return half

    pool = pool_of(make_spec("apple", load=load, memory_mb=900), make_spec("banana", memory_mb=900))
    with pytest.raises(ModelUnavailable, match="half of it is missing"):
        pool.use("apple").__enter__()
    gc.collect()
    assert (pool.status(), alive[0]()) == ([], None)
    with pool.use("banana"):
        pass  # so its 900 MB were given back
    with pool.use("apple") as model:
        assert model is alive[1]()


def test_a_model_that_needs_itself_is_an_error_and_no_deadlock(pool_of, make_spec):
    def load(context):
        with context.pool.use("apple") as model:
            return model

    with pytest.raises(RuntimeError, match="needs apple itself"):
        pool_of(make_spec("apple", load=load)).use("apple").__enter__()

import itertools
import math

import pytest

from pipelines import halving
from pipelines.halving import plan, survivors


def test_sixteen_become_four():
    assert plan(16, 20) == {5: 8, 10: 4}
    assert plan(16, 4) == {1: 8, 2: 4}


def test_who_asks_for_few_gets_them_all():
    for candidates in range(1, halving.FROM):
        assert plan(candidates, 20) == {}


def test_from_four_on_the_better_half_goes_on():
    assert plan(4, 20) == {5: 2}
    assert plan(7, 20) == {5: 4}
    assert plan(8, 20) == {5: 4}
    assert plan(9, 20) == {5: 5, 10: 4}


def test_two_points_on_one_step_are_one_look():
    assert plan(16, 2) == {1: 8}


def test_with_one_step_there_is_nothing_to_save():
    assert plan(16, 1) == {}


def test_rounds_shrink_and_leave_enough():
    for candidates, steps in itertools.product(range(1, 17), range(1, 31)):
        left, rounds = candidates, plan(candidates, steps)
        assert list(rounds) == sorted(rounds) and all(1 <= step < steps for step in rounds)
        for count in rounds.values():
            assert min(math.ceil(candidates / 2), halving.AT_LEAST) <= count < left
            left = count


def test_points_and_shares_are_parameters():
    assert plan(16, 10, points=(0.5, 0.1, 0.9), keep=0.25, at_least=1) == {1: 4, 5: 1}
    for wrong in ({"points": (0, 0.5)}, {"points": (1.0,)}, {"keep": 1}, {"keep": 0}):
        with pytest.raises(ValueError, match="between 0 and 1"):
            plan(16, 10, **wrong)


def test_the_best_go_on_in_their_old_order():
    assert survivors([0.1, 0.9, 0.3, 0.8], 2) == [1, 3]
    assert survivors([0.5, 0.5, 0.5], 2) == [0, 1]
    assert survivors([math.nan, 0.1, math.nan], 2) == [0, 1]
    assert survivors([-1.0, -0.5], 1) == [1]

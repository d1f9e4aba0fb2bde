from __future__ import annotations

import math

import pytest

from common.errors import BadRequest, Blocked
from pipelines.vqgan_clip.steering import MAX_CHANGES, Steer, difference, entry, logged, read_log, steered


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"prompts": "  "},
        {"prompts": "a:inf"},
        {"weight": (0, 1.0)},
        {"weight": (1, math.inf)},
        {"weight": 3},
        {"weight": (1,)},
        {"rate": 0},
        {"rate": "x"},
        {"cuts": 3},
        {"cuts": 8.5},
        {"tv": -1},
        {"noise": math.nan},
        {"augment": 9},
        {"start_weight": -1},
    ],
)
def test_changes_check_themselves_when_made(values):
    with pytest.raises(BadRequest, match=r"^[^\n]+$"):
        Steer(**values)


def test_words_are_checked_too():
    with pytest.raises(Blocked):
        Steer(prompts="a nude child")


def test_a_change_becomes_a_line_and_a_line_a_change():
    change = Steer(prompts="a | b", weight=[2, 0.5], cuts=16.0)
    assert change.weight == (2, 0.5) and change.cuts == 16
    line = entry(5, change)
    assert line == {"step": 5, "prompts": "a | b", "weight": [2, 0.5], "cuts": 16}
    assert read_log([line]) == (line,) and logged([line], 5) == [change] and logged([line], 4) == []


def test_logs_are_put_in_order_and_are_not_endless():
    log = read_log([{"step": 9, "rate": 1}, {"step": 2, "rate": 0.5}, {"step": 9, "rate": 2}])
    assert [(line["step"], line["rate"]) for line in log] == [(2, 0.5), (9, 1), (9, 2)]
    with pytest.raises(BadRequest, match=r"has 201 changes; at most 200"):
        read_log([{"step": 1, "rate": 1}] * (MAX_CHANGES + 1))


def test_a_steered_request(asked):
    request = asked(prompts="a | b:2 ^ c", cuts=4, cuts_end=16)
    changed = steered(request, Steer(weight=(2, -1), cuts=8, tv=0.5))
    assert changed.prompts == "a | b:-1.0 ^ c" and (changed.cuts, changed.cuts_end, changed.tv) == (8, 8, 0.5)
    assert steered(request, Steer(prompts="x | y", weight=(1, 3))).prompts == "x:3.0 | y"
    with pytest.raises(BadRequest, match="All weights"):
        steered(request, Steer(weight=(1, 0)))  # the second scene would have nothing left
    with pytest.raises(BadRequest, match="has no words"):
        steered(asked(prompts="", noise_prompts="1"), Steer(weight=(1, 1)))


def test_the_difference_leads_from_one_request_to_the_other(asked):
    old = asked(prompts="a", cuts=4)
    assert difference(old, old) is None
    new = asked(prompts="b", cuts=6, rate=0.5, noise=0.0)
    assert steered(old, difference(old, new)) == new
    assert difference(old, asked(prompts="a", ema=0.1)) is None  # nothing that can be steered

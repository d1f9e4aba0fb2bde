"""Scenes that follow and fade into each other."""

from __future__ import annotations

import math

import pytest
import torch

from pipelines.vqgan_clip.prompts import parse
from pipelines.vqgan_clip.story import active, position, slerp


def test_scenes_are_equally_long_and_fade_at_their_end():
    places = [position(step, 100, 4, 0.2) for step in range(100)]
    assert [places[step][0] for step in (0, 24, 25, 50, 99)] == [0, 0, 1, 2, 3]
    assert [places[step][1] for step in (0, 19, 20, 25, 76, 99)] == [0] * 6
    assert places[22][1] == pytest.approx(0.4) and places[72][1] == pytest.approx(0.4)
    assert position(10**6, 100, 4, 0.2) == (3, 0)  # a run that goes on stays in the last scene
    assert all(share == 0 for _, share in (position(step, 100, 4, 0) for step in range(100)))


def test_prompts_turn_into_those_of_the_next_scene():
    scenes = parse("a:2 | b:-1 ^ c:4:0.5")
    (first, second) = active(scenes, 0, 8, 1.0)
    assert (first.label, first.weight, first.stop) == ("a", 2, -math.inf) and second.weight == -1
    first, second = active(scenes, 2, 8, 1.0)  # half way
    assert (first.first, first.second, first.share, first.weight) == ("a", "c", 0.5, 3)
    assert first.label == "c" and first.stop == 0.5
    assert (second.label, second.weight) == ("b", -0.5)
    (only,) = active(scenes, 7, 8, 1.0)
    assert (only.label, only.weight) == ("c", 4)


def test_a_prompt_without_a_partner_comes_in_slowly():
    weights = [part.weight for part in active(parse("a ^ b | c:2"), 3, 8, 1.0)]
    assert weights == [1, 1.5]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_slerp_keeps_to_the_circle(share):
    first, second = (torch.nn.functional.normalize(torch.randn(5), dim=0) for _ in range(2))
    between = slerp(first, second, share)
    angle = torch.acos(first @ second)
    assert float(between.norm()) == pytest.approx(1, abs=1e-5)
    assert float(torch.acos((first @ between).clamp(-1, 1))) == pytest.approx(float(angle) * share, abs=1e-3)


def test_slerp_of_equal_and_opposite_vectors_is_finite():
    vector = torch.tensor([1.0, 0, 0])
    torch.testing.assert_close(slerp(vector, vector, 0.3), vector)
    assert torch.equal(slerp(vector, -vector, 0.7), -vector)

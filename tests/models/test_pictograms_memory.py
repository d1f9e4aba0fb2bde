"""The retrieval memory: what a prompt finds, and where compositions put it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.families.pictograms_memory import Memory, as_channels, chances_of
from models.families.pictograms_query import lookups, split_pair, wanted_colours, wanted_style


@pytest.fixture
def memory() -> Memory:
    """Three concepts, two pictures each; every picture is one code all over."""
    vectors = torch.eye(3, 384)[:, None].repeat(1, 2, 1)
    return Memory(
        full=torch.arange(6)[:, None].repeat(1, 256),
        half=torch.arange(6)[:, None].repeat(1, 64),
        concept_of=torch.tensor([0, 0, 1, 1, 2, 2]),
        vectors=vectors,
        white=torch.full((4,), -7.0),
        codebook=torch.arange(6.0)[:, None].repeat(1, 4),
        names=("apple", "cup", "car"),
        trained=4,
        style_of=torch.tensor([0, 3, 0, 3, 0, 3]),  # one in 3D, one in high contrast
        colours_of=torch.eye(12, dtype=torch.bool)[torch.tensor([0, 9, 5, 9, 0, 9])],
    )


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a red apple next to a blue cup", ("a red apple", "next to", "a blue cup")),
        ("A cat to the left of a dog", ("A cat", "to the left of", "a dog")),
        ("a bird on top of a house", ("a bird", "above", "a house")),
        ("a fish under a boat", ("a fish", "below", "a boat")),
        ("salt and pepper", ("salt", "next to", "pepper")),
        ("a black and white icon of a key", None),
        ("a black and white cat and a dog", ("a black and white cat", "next to", "a dog")),
        ("a sandcastle", None),
        ("understanding", None),
        ("", None),
    ],
)
def test_prompts_of_two_things_are_taken_apart(prompt, parts):
    assert split_pair(prompt) == parts


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a smiling cat in 3D style", ("smiling cat", "smiling cat")),
        ("a red car in 3D style on a yellow background", ("red car", "car")),
        ("a camera, flat icon", ("camera", "camera")),
        ("a black and white icon of a key", ("key", "key")),
        ("3D render of a dark green frog", ("dark green frog", "frog")),
        ("clip art of an owl, light blue background", ("owl", "owl")),
        ("a flatbread", ("flatbread", "flatbread")),
        ("an icon", ("icon", "icon")),
        ("red", ("red", "red")),
        ("a house with a red roof", ("house with a red roof", "house with a roof")),
    ],
)
def test_only_the_thing_is_looked_up(prompt, found):
    assert lookups(prompt) == found


def test_a_prompt_finds_its_own_concept(memory):
    draws = {memory.draw(torch.eye(384)[1:2], (k + 0.5) / 30) for k in range(30)}
    assert draws == {2, 3}  # both pictures of the cup, nothing else


def test_style_and_colour_are_preferred(memory):
    apple = torch.eye(384)[0:1]

    def drawn(**wanted):
        return [memory.draw(apple, chance / 60, **wanted) for chance in range(60)]

    assert drawn().count(0) > 50  # a line drawing is rarely meant
    assert drawn(style="high contrast").count(1) > 45
    assert drawn(style="high contrast", colours=("red",)).count(1) < drawn(style="high contrast").count(1)
    assert drawn(colours=("black",)).count(1) > drawn().count(1)


def test_styles_and_colours_are_read_from_the_words():
    assert wanted_style("a smiling cat in 3D style") == "3D" and wanted_style("a cat") is None
    assert wanted_style("a black and white icon of a key") == "high contrast"
    assert wanted_colours("a dark grey cat on a red background") == ("gray",)


def test_the_same_seed_draws_the_same(memory):
    vector = torch.full((1, 384), 384**-0.5)
    assert chances_of(5) == chances_of(5) != chances_of(6)
    assert len({memory.draw(vector, chances_of(seed)[0][0]) for seed in range(12)}) >= 3


@pytest.mark.parametrize("start", [0, 1234, 2**31 - 9, 2**62])
def test_seeds_that_follow_each_other_draw_far_apart(start):
    for thing in (0, 1):
        found = sorted(chances_of(seed)[thing][0] for seed in range(start, start + 8))
        assert found[0] >= 0 and found[-1] < 1
        assert min(b - a for a, b in itertools.pairwise(found)) > 0.04  # at random 1 in 500 such sets would do


def test_the_likeliest_picture_comes_first(memory):
    apple = torch.eye(384)[0:1]
    assert memory.draw(apple, 0.0) == 0 and memory.draw(apple, 0.0, "high contrast") == 1
    assert memory.draw(torch.eye(384)[2:3], 0.0) == 4  # though others stand before it


def test_each_picture_of_equal_weight_is_drawn_equally_often(memory):
    shelf = replace(memory, style_of=torch.zeros(6, dtype=torch.long))
    apple = [shelf.draw(torch.eye(384)[0:1], (k + 0.5) / 100) for k in range(100)]
    assert apple.count(0) == apple.count(1) == 50


def test_several_hands_of_one_style_do_not_crowd_out_the_others(memory):
    shelf = replace(memory, concept_of=torch.zeros(6, dtype=torch.long), style_of=torch.tensor([0, 1, 1, 1, 1, 1]))
    apple = [shelf.draw(torch.eye(384)[0:1], (k + 0.5) / 100) for k in range(100)]
    assert apple.count(0) == pytest.approx(100 / (1 + 5**0.5), abs=1)
    assert {apple.count(k) for k in range(1, 6)} <= {13, 14}


def test_compositions_stand_where_the_words_say(memory):
    canvas = memory.composed(0, 4, "to the right of")
    assert canvas.shape == (4, 16, 16)
    assert (canvas[:, 4:12, 8:] == 0).all() and (canvas[:, 4:12, :8] == 4).all()
    assert (canvas[:, :4] == -7).all() and (canvas[:, 12:] == -7).all()


def test_a_missing_neighbour_is_all_zeros_and_a_present_one_has_its_mask(memory):
    mean, std = torch.ones(4, 1, 1), torch.full((4, 1, 1), 2.0)
    channels = as_channels([memory.latents([5])[0], None], mean, std)
    assert channels.shape == (10, 16, 16)
    np.testing.assert_allclose(channels[:4], 2.0)
    assert (channels[4] == 1).all() and (channels[5:] == 0).all()


def test_evaluation_can_leave_out_what_was_kept_from_training(memory):
    fair = memory.seen_in_training()
    assert fair.names == ("apple", "cup")
    assert len(fair.full) == len(fair.half) == len(fair.concept_of) == 4
    # The car's own vector now finds something else.
    assert fair.draw(memory.vectors[2, :1], 0.5) < 4
    assert memory.draw(memory.vectors[2, :1], 0.5) >= 4

"""Backgrounds that a prompt names: read from its words, and put behind what was painted on white."""

from __future__ import annotations

import pytest
import torch

from models.families.pictograms_ground import GROUNDS, balanced, ground_of, on_ground
from models.families.pictograms_query import things_alone


@pytest.mark.parametrize(
    ("prompt", "bare", "colour"),
    [
        ("an umbrella on a blue background", "an umbrella", GROUNDS["blue"]),
        ("a cat, light blue background", "a cat", GROUNDS["light blue"]),
        ("A Cat On A Grey Background", "A Cat", GROUNDS["gray"]),
        ("a cat against a plain pink background", "a cat", GROUNDS["pink"]),
        ("a cat on a dark red background", "a cat", (118, 26, 27)),
        ("a cat on a light green background", "a cat", (164, 212, 170)),
        ("a cat on a yellow background in 3D style", "a cat in 3D style", GROUNDS["yellow"]),
        ("a cat and a dog with a white background", "a cat and a dog", GROUNDS["white"]),
        ("a cat on a beach background", "a cat on a beach background", None),
        ("a blue umbrella", "a blue umbrella", None),
        ("a blue background", "a blue background", None),  # there is nothing else to paint
        ("", "", None),
    ],
)
def test_a_background_is_read_from_the_words(prompt, bare, colour):
    assert ground_of(prompt) == (bare, colour)


@pytest.mark.parametrize(
    ("prompt", "things"),
    [
        ("a cat and a red dog in 3D style", ("a cat in 3D style", "a red dog in 3D style")),
        ("a flat cat next to a dog", ("a flat cat", "a dog in flat style")),
        ("a star above a tree on a yellow background", ("a star", "a tree")),
        ("a cat", None),
    ],
)
def test_two_things_become_prompts_of_their_own(prompt, things):
    assert things_alone(prompt) == things


@pytest.fixture
def picture():
    """A black ring with a white middle, on paper that is not quite white."""
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(64) - 31.5, indexing="ij")
    ring = ((x**2 + y**2).sqrt() - 16).abs() < 5
    return torch.where(ring, 0.0, 0.99).expand(1, 3, 64, 64).clone()


def test_the_paper_takes_the_colour_and_the_thing_keeps_its_own(picture):
    made = on_ground(picture, GROUNDS["blue"])
    blue = torch.tensor(GROUNDS["blue"]) / 255
    torch.testing.assert_close(made[0, :, 2, 2], blue)
    torch.testing.assert_close(made[0, :, 31, 31], torch.full((3,), 0.99))  # white, but inside
    assert (made[0, :, 31, 15] == 0).all()
    assert picture[0, 0, 2, 2] == pytest.approx(0.99)  # what was given is as it was


def test_soft_edges_have_no_white_rim(picture):
    soft = torch.nn.functional.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    made = on_ground(soft, GROUNDS["black"])
    outside = (torch.arange(64) < 10)[None].expand(64, 64)
    assert made[0, :, outside].max() < 0.1
    assert made[0, :, 31, :12].max() < 0.1  # up to and into the ring


def test_each_picture_has_its_own_paper(picture):
    made = on_ground(torch.cat([picture, torch.zeros_like(picture)]), GROUNDS["red"])
    assert (made[1] == 0).all() and made[0, 0, 0, 0] > 0.8


def test_paper_with_a_tint_becomes_white_and_what_fills_the_picture_stays():
    tinted = torch.tensor([0.99, 0.93, 0.97])[:, None, None].expand(3, 128, 128).clone()
    tinted[:, 40:80, 40:80] = torch.tensor([0.5, 0.1, 0.6])[:, None, None]
    full = torch.full((3, 128, 128), 0.6)
    white, same = balanced(torch.stack([tinted, full]))
    torch.testing.assert_close(white[:, 2, 2], torch.ones(3))
    torch.testing.assert_close(white[:, 60, 60], torch.tensor([0.5 / 0.99, 0.1 / 0.93, 0.6 / 0.97]))
    assert torch.equal(same, full)

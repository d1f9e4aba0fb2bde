"""The grammar of prompts."""

from __future__ import annotations

import math

import pytest

from common.errors import BadRequest, Blocked
from pipelines.vqgan_clip.prompts import NoisePrompt, Prompt, parse, parse_noise, reweighted, write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red heart", Prompt("a red heart")),
        ("a red heart:2", Prompt("a red heart", 2)),
        (" fog : -0.5 : -0.9 ", Prompt("fog", -0.5, -0.9)),
        ("fog:1:-inf", Prompt("fog", 1, -math.inf)),
        ("style: pixel art", Prompt("style: pixel art")),
        ("style: pixel art:.5", Prompt("style: pixel art", 0.5)),
        ("a: b: c:1e-1:2.", Prompt("a: b: c", 0.1, 2)),
        ("a:1:2:3", Prompt("a:1", 2, 3)),
        ("http://x.org/a:b", Prompt("http://x.org/a:b")),
        (r"a clock at 10\:30", Prompt("a clock at 10:30")),
        (r"a clock at 10\:30:2", Prompt("a clock at 10:30", 2)),
        (r"this \| that \^ more", Prompt("this | that ^ more")),
        ("a:", Prompt("a:")),
        ("a:1_0", Prompt("a:1_0")),  # Python's own reader would take these for numbers
        ("a:٣", Prompt("a:٣")),
        ("a:__import__('os')", Prompt("a:__import__('os')")),
    ],
)
def test_one_prompt(text, expected):
    assert parse(text) == ((expected,),)


def test_parts_and_scenes():
    scenes = parse("a cat:2 | | fog:-1 ^ ^ a dog |")
    assert scenes == ((Prompt("a cat", 2), Prompt("fog", -1)), (Prompt("a dog"),))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no words"),
        (" | ^ | ", "holds no words"),
        (":2", 'The prompt ":2" has numbers but no words'),
        ("1:2 | :3", 'The prompt ":3" has numbers but no words'),
        ("a:inf", 'The weight of "a" is inf; allowed is a number from -100 to 100'),
        ("a:-inf", "is -inf"),
        ("a:nan", "is nan"),
        ("a:1e999", "is inf"),
        ("a:101", "is 101.0"),
        ("a:1:nan", 'The stop of "a" is nan; allowed is a number from -4.9 to 4.9'),
        ("a:1:inf", "is inf"),
        ("a:1:7", "is 7"),
        ("a:0", 'All weights of "a" are 0'),
        ("a | b ^ c:0 | d:0", 'All weights of "c" are 0'),
        ("|".join("abcdefghijklmnopq"), "has 17 parts in one scene; at most 16"),
        ("^".join("a" for _ in range(33)), "has 33 scenes; at most 32"),
        ("a" * 2001, "has 2,001 characters"),
        ("a\0b", "U+0000"),
    ],
)
def test_what_cannot_be_read_is_refused(text, words):
    with pytest.raises(BadRequest, match=r"^[^\n]+$") as refused:
        parse(text)
    assert words in str(refused.value)


def test_what_is_never_made_is_blocked_part_by_part_and_together():
    with pytest.raises(Blocked):
        parse("a nude child")
    with pytest.raises(Blocked):
        parse("a child | naked skin ^ a tree")
    assert parse("a beach | naked skin:-1")  # naming what shall not be there is no request for it


def test_a_weight_of_nothing_beside_others_is_allowed():
    assert parse("a:0 | b")[0][0].weight == 0
    assert parse("a:1 | b:-1")


@pytest.mark.parametrize("text", ["a", "a:2 | b: c:-0.5:-0.9 ^ d", r"10\:30 | x \| y \^ z:3"])
def test_what_is_written_reads_the_same(text):
    assert parse(write(parse(text))) == parse(text)


def test_another_weight():
    scenes = parse("a | b:2:0.5 ^ c")
    assert reweighted(scenes, 2, -1) == parse("a | b:-1:0.5 ^ c")
    assert reweighted(scenes, 1, 3) == parse("a:3 | b:2:0.5 ^ c:3")
    with pytest.raises(BadRequest, match="no prompt 3; allowed is a whole number from 1 to 2"):
        reweighted(scenes, 3, 1)
    with pytest.raises(BadRequest, match="weight of prompt 1 is inf"):
        reweighted(scenes, 1, math.inf)


def test_noise_prompts():
    assert parse_noise("") == parse_noise(" | ") == ()
    assert parse_noise("7 | 12 : -0.5") == (NoisePrompt(7, 1), NoisePrompt(12, -0.5))


@pytest.mark.parametrize("text", ["x", "1.5", "-3", "7:x", "7:inf", "7:nan", "99999999999999999999", "7:1:2"])
def test_noise_prompts_that_are_none(text):
    with pytest.raises(BadRequest):
        parse_noise(text)

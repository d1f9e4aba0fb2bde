import math

import pytest

from common.errors import BadRequest
from models.spec import Range
from pipelines import limits


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1, True, "0.5", None, 10**400, [1]])
def test_numbers_outside_are_named(value):
    with pytest.raises(BadRequest, match=r"The warmth is .*allowed is a number from 0 to 1\."):
        limits.number("warmth", value, 0, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, 8.5, 0, 17, True, "8", None, -(10**400)])
def test_whole_numbers_outside_are_named(value):
    with pytest.raises(BadRequest, match=r"The count is .*allowed is a whole number from 1 to 16\."):
        limits.whole("count", value, 1, 16)


def test_what_is_allowed_passes_as_its_own_type():
    assert limits.number("warmth", 1, 0, 1) == 1.0 and isinstance(limits.number("warmth", 1, 0, 1), float)
    assert limits.whole("count", 8.0, 1, 16) == 8 and isinstance(limits.whole("count", 8.0, 1, 16), int)


def test_sizes_must_be_multiples():
    assert limits.whole("width", 96, 32, 128, 32) == 96
    with pytest.raises(BadRequest, match="The width is 65; allowed is a multiple of 32 from 32 to 128"):
        limits.whole("width", 65, 32, 128, 32)
    with pytest.raises(BadRequest, match="allowed is a number from 10 to 40 in steps of 15"):
        limits.whole("width", 30, 10, 40, 15)


def test_controls_have_defaults_and_may_be_missing(make_spec):
    spec = make_spec("apple", controls={"steps": Range(1, 9, 1, 4), "guidance": Range(0, 10, 0.5, 7.5)})
    assert limits.control(spec, "steps", None, True) == 4
    assert limits.control(spec, "guidance", None, False) == 7.5
    assert limits.control(spec, "guidance", 3.3, False) == 3.3
    assert limits.control(spec, "width", None, True) is None
    with pytest.raises(BadRequest, match="width is 64, but Apple has no such control"):
        limits.control(spec, "width", 64, True)
    with pytest.raises(BadRequest, match="steps is 10; allowed is a whole number from 1 to 9"):
        limits.control(spec, "steps", 10, True)


def test_words_and_flags():
    assert limits.one_of("scheduler", "", ("A", "B"), "B") == "B"
    assert limits.one_of("scheduler", "A", ("A", "B"), "B") == "A"
    for wrong in ("C", 5, "a"):
        with pytest.raises(BadRequest, match="allowed are A, B"):
            limits.one_of("scheduler", wrong, ("A", "B"), "B")
    assert limits.flag("fast ranking", False) is False
    with pytest.raises(BadRequest, match="fast ranking is 1; allowed are true and false"):
        limits.flag("fast ranking", 1)


def test_models_must_have_the_role(services):
    assert limits.model(services.catalog, "ranker", "clip-vit-b-32").name == "clip-vit-b-32"
    with pytest.raises(BadRequest, match=r"sd-turbo.*clip-vit-b-32"):
        limits.model(services.catalog, "ranker", "sd-turbo")
    with pytest.raises(BadRequest, match="dall-e"):
        limits.model(services.catalog, "text_to_image", "dall-e")
    with pytest.raises(BadRequest):
        limits.model(services.catalog, "ranker", 5)

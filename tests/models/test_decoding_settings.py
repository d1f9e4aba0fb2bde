"""Settings of decoding that mean nothing."""

from __future__ import annotations

import pytest

from common.errors import BadRequest
from models.families.caption_contract import DETAILS, EVERYWHERE, Captioner, Decoding


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beams": 0}, "beams is 0; allowed are whole numbers from 1 to 20"),
        ({"beams": 2.5}, "beams is 2.5"),
        ({"beams": True}, "beams is True"),
        ({"top_p": 2}, "top_p is 2; allowed are numbers from 0.01 to 1"),
        ({"top_p": float("nan")}, "top_p is nan"),
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"seed": -1}, "seed is -1"),
        ({"method": "best"}, "method is 'best'; allowed are beam, diverse, sample, greedy"),
        ({"detail": "most"}, "detail is 'most'"),
        ({"max_tokens": 257}, "max_tokens is 257; allowed are whole numbers from 1 to 256"),
        ({"done_list": "yes"}, "done_list is 'yes'; allowed are True, False"),
        ({"count": 6}, "count is 6 and beams 5"),
        ({"method": "greedy", "count": 2}, "greedy decoding has one caption"),
        ({"method": "diverse", "groups": 2}, "groups is 2 and beams 5; diverse beams need at least 2 groups"),
        ({"method": "sample", "required": ("cat",)}, "required words need the method beam, and it is sample"),
        ({"required": ("cat",), "beams": 1}, "at least 2 beams"),
        ({"required": ("cat", " ")}, "none of them empty"),
        ({"required": "cat"}, "a tuple of words"),
        ({"required": ("cat",) * 9}, "9 words are required; at most 8"),
        ({"opening": "a" * 201}, "has 201 characters; at most 200"),
        ({"opening": None}, "opening must be a text"),
    ],
)
def test_settings_that_mean_nothing_are_refused_when_made(wrong, message):
    with pytest.raises(BadRequest, match=message):
        Decoding(**wrong)


def test_captions_are_as_long_as_their_detail_needs_unless_told_otherwise():
    assert [Decoding(detail=detail).max_tokens for detail in DETAILS] == [30, 80, 160]
    assert Decoding(detail="more", max_tokens=20).max_tokens == 20
    assert Decoding(detail="more", max_tokens=256).max_tokens == 256


class Short(Captioner):
    """Has no detail and no sampling, and room for 40 tokens."""

    title = "Short"
    supports = EVERYWHERE - {"top_p"}

    def caption(self, pictures, decoding):
        raise NotImplementedError

    heat = caption

    def room(self, decoding):
        return min(decoding.max_tokens, 40)


def test_a_captioner_does_what_it_can_and_tells_what_it_cannot():
    asked = Decoding(detail="more", beams=7)
    fitted, told = Short().fitted(asked)
    assert fitted == Decoding(beams=7) and fitted.max_tokens == 30
    assert told.startswith("Short has no detail")
    fitted, told = Short().fitted(Decoding(detail="more", max_tokens=100))
    assert fitted == Decoding(max_tokens=40) and "no detail" in told and "40 tokens" in told
    assert Short().fitted(Decoding(beams=7)) == (Decoding(beams=7), "")

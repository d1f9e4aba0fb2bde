from __future__ import annotations

from dataclasses import replace

import pytest

from common.errors import BadRequest, Blocked, ModelUnavailable
from models.families.caption_contract import Decoding
from pipelines.captioning.request import CaptionRequest

PLAIN = CaptionRequest(("a.png",))


def test_defaults_are_the_catalogs(services):
    found = PLAIN.resolve(services.catalog)
    assert found.captioners == ("namer",) and found.ranker == "judge" and found.blend == 0.5
    assert found.decoding == Decoding() and found.resolve(services.catalog) == found


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"paths": ()}, "no picture to caption; choose 1 to 1,000"),
        ({"paths": ("x.png",) * 10_000}, "10,000 pictures; at most 1,000"),
        ({"captioners": "namer"}, "must be a list of names"),
        ({"captioners": ("namer", "namer")}, "named twice"),
        ({"captioners": ("namer", "contrary", "fragile", "hungry", "big")}, "5 captioners; at most 4"),
        ({"captioners": ("judge",)}, '"judge" is no model for this; allowed are namer'),
        ({"captioners": (7,)}, "7 is no model"),
        ({"ranker": "namer"}, '"namer" is no model for this'),
        ({"blend": 1.5}, "consensus is 1.5; allowed is a number from 0 to 1"),
        ({"blend": float("nan")}, "nan"),
        ({"decoding": {"beams": 5}}, "must be a Decoding"),
    ],
)
def test_nonsense_is_one_sentence_and_loads_nothing(services, wrong, said):
    with pytest.raises(BadRequest, match=said):
        replace(PLAIN, **wrong).resolve(services.catalog)
    assert services.pool.status() == []


@pytest.mark.parametrize("wrong", [{"beams": 0}, {"top_p": 2}, {"count": 9}])
def test_nonsense_of_decoding_is_refused_when_it_is_made(wrong):
    with pytest.raises(BadRequest, match=next(iter(wrong))):
        Decoding(**wrong)


def test_forbidden_words_are_blocked_wherever_they_stand(services):
    for decoding in (Decoding(opening="csam"), Decoding(required=("csam",))):
        with pytest.raises(Blocked):
            replace(PLAIN, decoding=decoding).resolve(services.catalog)


def test_a_captioner_whose_files_are_missing_says_so(services):
    (services.settings.weights / "contrary" / "made-of-code").unlink()
    with pytest.raises(ModelUnavailable, match="Contrary"):
        replace(PLAIN, captioners=("contrary",)).resolve(services.catalog)


def test_cost_grows_with_pictures_captioners_and_words():
    base = replace(PLAIN, captioners=("namer",))
    assert replace(base, paths=("a.png",) * 3).cost == 3 * base.cost
    assert replace(base, captioners=("namer", "contrary")).cost == 2 * base.cost
    assert replace(base, decoding=Decoding(max_tokens=60)).cost == 2 * base.cost
    assert PLAIN.cost > 0

"""What may be asked of text → image, and what is refused before anything is loaded."""

from __future__ import annotations

import dataclasses
import math

import pytest

from common.errors import BadRequest, ModelUnavailable
from pipelines.text_to_image import TextToImageRequest, run

ASKED = TextToImageRequest("a red car", model="sd-turbo", ranker="clip-vit-b-32", seed=100)


def test_defaults_come_from_the_model(services):
    resolved = TextToImageRequest("a cat", model="ldm-text2im-large-256", ranker="clip-vit-b-32").resolve(
        services.catalog
    )
    assert (resolved.width, resolved.steps, resolved.guidance) == (256, 50, 6.0)
    assert resolved.scheduler == "DDIM" and 0 <= resolved.seed < 2**32
    assert resolved.resolve(services.catalog) == resolved
    other = TextToImageRequest("a cat", model="ldm-text2im-large-256", ranker="clip-vit-b-32").resolve(services.catalog)
    assert other.seed != resolved.seed


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "x" * 10_000}, "10,000 characters; at most 2,000"),
        ({"prompt": 5}, "must be text"),
        ({"negative": "x" * 2_001}, "negative prompt has 2,001"),
        ({"candidates": 17}, "17; allowed is a whole number from 1 to 16"),
        ({"candidates": 2.5}, "2.5"),
        ({"candidates": True}, "True"),
        ({"width": 65}, "65; allowed is a multiple of 64 from 256 to 768"),
        ({"height": math.nan}, "nan"),
        ({"steps": -3}, "-3; allowed is a whole number from 1 to 10"),
        ({"steps": 1e300}, "whole number from 1 to 10"),
        ({"guidance": math.inf}, "inf; allowed is a number from 0 to 3"),
        ({"guidance": "warm"}, "warm"),
        ({"scheduler": "Magic"}, '"Magic"; allowed are Euler, Euler a'),
        ({"seed": -1}, "-1; allowed is a whole number from 0"),
        ({"seed": 2**63}, "whole number from 0"),
        ({"fast_ranking": "yes"}, "true and false"),
        ({"threshold": 1.5}, "1.5; allowed is a number from -1 to 1"),
        ({"model": "dall-e"}, "dall-e.*sd-turbo"),
        ({"model": "clip-vit-b-32"}, "clip-vit-b-32.*sd-turbo"),
        ({"ranker": "sd-turbo"}, "sd-turbo.*clip-vit-b-32"),
    ],
)
def test_nonsense_is_one_sentence_and_loads_nothing(services, wrong, said):
    with pytest.raises(BadRequest, match=said) as refused:
        next(run(dataclasses.replace(ASKED, **wrong), services))
    assert "\n" not in str(refused.value)
    assert services.pool.status() == []


def test_a_model_that_is_not_here_names_the_command(services):
    with pytest.raises(ModelUnavailable, match=r"python -m models\.fetch clip-vit-l-14"):
        dataclasses.replace(ASKED, ranker="clip-vit-l-14").resolve(services.catalog)

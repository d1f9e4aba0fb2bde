from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from models.families.caption_contract import Caption
from pipelines.captioning.heat import HeatRequest, colours, laid_over, overlay, run
from tests.pipelines.captioning.conftest import collect

CAPTION = Caption("a red picture", ("a", "red", "picture"), (1.0, 0.5, 1.0), -0.7)


def test_the_captioner_says_where_it_saw_a_word(services, paint):
    steps, result = collect(run(HeatRequest(paint("a.png"), "namer", CAPTION, 0), services))
    assert len(steps) == 1 and result.word == "a" and result.model == "Namer" and result.heat.shape == (3, 4)
    alpha = np.asarray(result.overlay)[..., 3].astype(float)
    assert result.overlay.mode == "RGBA" and result.overlay.size == result.picture.size == (40, 30)
    assert alpha[:, 0].mean() > alpha[:, 20].mean() > alpha[:, -1].mean()
    assert np.asarray(result.picture)[:, -1].mean(0) == pytest.approx((219, 51, 46), abs=12)  # cold: as it was
    _, last = collect(run(HeatRequest(paint("a.png"), "namer", CAPTION, 2), services))
    assert np.array_equal(last.heat, result.heat[:, ::-1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"word": 3}, "place of the word is 3; allowed is a whole number from 0 to 2"),
        ({"word": -1}, "place of the word"),
        ({"captioner": "judge"}, "no model for this"),
        ({"captioner": "contrary"}, "Contrary cannot tell"),
        ({"caption": "a red picture"}, "one with words"),
        ({"caption": Caption("", (), (), 0.0)}, "one with words"),
        ({"path": "gone.png"}, "gone.png is missing"),
    ],
)
def test_nonsense_is_one_sentence(services, paint, wrong, said):
    request = replace(HeatRequest(paint("a.png"), "namer", CAPTION, 0), **wrong)
    with pytest.raises(BadRequest, match=said):
        collect(run(request, services))


def test_colours_climb_evenly_from_dark_to_bright():
    linear = (colours() / 255.0) ** 2.2
    light = (linear @ (0.2126, 0.7152, 0.0722)) ** (1 / 3)  # close to what the eye calls lightness
    steps = np.diff(light[::8])
    assert (steps > 0).all() and steps.max() < 3 * steps.mean() and light[-1] - light[0] > 0.7
    assert len(np.unique(colours(), axis=0)) > 240


def test_an_overlay_is_clear_where_it_is_cold_and_never_huge():
    over = overlay(np.array([[0.0, 1.0]]), (4000, 2000), opacity=0.5)
    assert over.size == (1024, 512)
    alpha = np.asarray(over)[..., 3]
    assert alpha[:, 0].max() == 0 and alpha[:, -1].min() == pytest.approx(128, abs=1)
    picture = Image.new("RGB", (4000, 2000), (10, 20, 30))
    assert laid_over(picture, over).getpixel((0, 0)) == (10, 20, 30)
    assert np.asarray(overlay(np.array([[np.nan, 0.5]]), (8, 8))).shape == (8, 8, 4)

"""A model of one step in the room's pipeline: ranked, stamped and made again, with nothing to halve and no negative."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from common.settings import Settings
from models.catalog import Catalog
from models.clip_scorer import ClipScorer
from models.families import pictograms_gan, sentence
from models.pool import ModelPool
from pipelines.services import Services
from pipelines.text_to_image import TextToImageRequest, run
from safeguards.recipe import read
from tests.models import tiny_painter
from tests.tabs import tiny_pack

ASKED = TextToImageRequest("a red car", model="pictograms-gan", ranker="tiny-judge", candidates=8, seed=7)


@pytest.fixture
def services(tmp_path):
    tiny_painter.write(tmp_path / "weights")
    settings: Settings = tiny_pack.tiny_settings(tmp_path)
    catalog = Catalog((*tiny_pack.SPECS, *pictograms_gan.SPECS, *sentence.SPECS), settings)
    pool = ModelPool(catalog, settings, ("cpu",))
    return Services(settings, catalog, pool, ClipScorer(pool))


def test_all_candidates_are_finished_in_one_step_and_ranked(services):
    *steps, result = run(ASKED, services)
    assert [(step.number, step.total) for step in steps] == [(1, 1)]
    assert len(result.candidates) == 8 and result.dropped == ()  # fast ranking is on and has nothing to give up
    cosines = [candidate.cosine for candidate in result.candidates]
    assert cosines == sorted(cosines, reverse=True)


def test_a_recipe_makes_its_picture_again_alone(services):
    *_, result = run(ASKED, services)
    chosen = next(candidate for candidate in result.candidates if candidate.index == 5)
    recipe = read(chosen.path)
    assert recipe.settings["steps"] == 1 and recipe.settings["guidance"] is None and recipe.seed == 12
    *_, again = run(TextToImageRequest(**{**recipe.settings, "candidates": 1}, seed=recipe.seed), services)
    first, second = (np.asarray(Image.open(each.path)).astype(int) for each in (chosen, again.candidates[0]))
    assert np.abs(first - second).max() <= 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"negative": "rain"}, r"Pictograms \(GAN\) has no negative prompt"),
        ({"guidance": 3}, r"Pictograms \(GAN\) has no such control"),
        ({"steps": 4}, "4; allowed is a whole number from 1 to 1"),
        ({"scheduler": "Euler"}, "allowed are none"),
        ({"width": 64}, "64"),
    ],
)
def test_what_it_does_not_have_is_refused(services, wrong, said):
    with pytest.raises(BadRequest, match=said):
        TextToImageRequest(**{**vars(ASKED), **wrong}).resolve(services.catalog)

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from common.errors import BadRequest
from pipelines.vqgan_clip.film import film_recipe, film_table
from pipelines.vqgan_clip.flight import FlightRequest
from pipelines.vqgan_clip.interpolate import InterpolateRequest
from pipelines.vqgan_clip.making_of import MakingOfRequest
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.plain import to_plain
from pipelines.vqgan_clip.request import VqganClipRequest
from pipelines.vqgan_clip.restore import request_of
from pipelines.vqgan_clip.restyle_request import RestyleRequest
from safeguards.recipe import Recipe
from tests.pipelines.vqgan_clip.film_services import film_services

IMAGE = VqganClipRequest("a red fox:2 | blue", model="colours", seed=11, width=64, height=48)


@pytest.fixture
def services(tmp_path):
    return film_services(tmp_path)


@pytest.mark.parametrize(
    ("mode", "request_"),
    [
        ("making_of", MakingOfRequest(IMAGE, 5.0, 0.5, FilmSettings(30, "gif"))),
        ("flight", FlightRequest(IMAGE, "0: 1.1, 0, 0, 0\n3: 1, 0, 0, 0", 9, 1, 2, 3, 0.25, "wrap", FilmSettings(9))),
        ("restyle", RestyleRequest(IMAGE, "", 1.0, 2.0, 3, 4, 5.0, 0.6, 7, 0.8, 0.9, False, FilmSettings(10, "webp"))),
    ],
)
def test_films_come_back_as_they_were_asked_for(services, mode, request_):
    recipe = film_recipe(mode, request_.image, film_table(request_), services)
    assert request_of(Recipe.from_json(recipe.to_json())) == request_


def test_interpolations_come_back_without_their_pictures(services):
    asked = InterpolateRequest((), "colours", 64, 48, 7, "lerp", True, False, True, FilmSettings(10))
    film = {"mode": "interpolation", **film_table(asked)}
    assert request_of(Recipe("vqgan_clip", "colours", settings={"model": "colours", "film": film})) == asked
    with pytest.raises(BadRequest, match="The number of pictures to go between is 0"):
        asked.resolve(services.catalog)


def test_pictures_come_back_too():
    settings = {name: value for name, value in to_plain(IMAGE).items() if name != "seed"}
    assert request_of(Recipe("vqgan_clip", "colours", settings=settings, seed=11)) == IMAGE


@pytest.mark.parametrize(
    ("film", "words"),
    [
        ("flight", 'The film of this recipe is "flight"; it must be one of making_of, flight, restyle, interpolation.'),
        ({"mode": "heist"}, "The film of this recipe is a table of 1 values"),
        ({"mode": ["flight"]}, "The film of this recipe is"),
        ({"mode": "flight", "__class__": 1}, 'There is no setting "__class__" for such a film; there are between,'),
        ({"mode": "flight", "image": {}}, 'There is no setting "image"'),
        ({"mode": "restyle", "video": "/etc/passwd"}, 'There is no setting "video"'),
        ({"mode": "interpolation", "pictures": ["/etc/passwd"]}, 'There is no setting "pictures"'),
    ],
)
def test_forged_films_are_refused(film, words):
    with pytest.raises(BadRequest, match=re.escape(words)):
        request_of(Recipe("vqgan_clip", "colours", settings={"prompts": "x", "film": film}))


def test_forged_values_are_refused_when_the_request_is_resolved(services):
    forged = {"mode": "flight", "frames": "many", "fps": [1], "camera": {"a": 1}}
    request = request_of(Recipe("vqgan_clip", "colours", settings={"prompts": "red", "film": forged}))
    for repaired in ({}, {"frames": 4}, {"frames": 4, "film": FilmSettings()}):
        with pytest.raises(BadRequest):
            replace(request, **repaired).resolve(services.catalog)


def test_recipes_of_other_rooms_are_refused():
    with pytest.raises(BadRequest, match="one of text_to_image, not of VQGAN"):
        request_of(Recipe("text_to_image", "x"))

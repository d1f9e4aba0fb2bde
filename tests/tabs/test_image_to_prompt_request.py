import pytest

from common.errors import BadRequest
from models.catalog import Catalog
from models.families.sentence import SPECS as SENTENCE
from tabs.image_to_prompt_owned import check_owned, mine, owned, shown_name
from tabs.image_to_prompt_request import make_request, preset, weights_of, weights_text
from tests.tabs.captioning_pack import CAPTIONERS
from tests.tabs.tiny_pack import SPECS, tiny_settings


@pytest.fixture
def catalog(tmp_path):
    settings = tiny_settings(tmp_path)
    for spec in CAPTIONERS:
        if "/" not in spec.source:
            (settings.weights / spec.source).mkdir(parents=True)
            (settings.weights / spec.source / "made-of-code").touch()
    return Catalog([*SPECS, *CAPTIONERS, *SENTENCE], settings)


def ask(catalog, **named):
    return make_request(catalog, ["a.png"], {"methods": ["interrogator"], **named})


def test_empty_settings_stand_for_defaults(catalog):
    made = ask(catalog, mode="", captioners=None, budget="", pool=None, weights="", ranker="")
    assert (made.mode, made.ranker, made.budget, made.pool) == ("best", "tiny-judge", None, None)
    assert made.captioners == ("namer",) and len(made.lists) == 9


def test_numbers_may_come_as_a_page_or_as_a_program_sends_them(catalog):
    made = ask(catalog, budget=" 40 ", most=12, least="0", pool="300", count=3.0)
    assert (made.budget, made.most, made.least, made.pool, made.decoding.count) == (40, 12, 0, 300, 3)
    with pytest.raises(BadRequest, match="Token budget is 'many', it must be a whole number"):
        ask(catalog, budget="many")
    with pytest.raises(BadRequest, match="token budget is 3; allowed is a whole number from 8 to 512"):
        ask(catalog, budget=3)


def test_what_belongs_to_a_method_that_is_not_chosen_counts_nothing(catalog):
    made = ask(catalog, index="birds", head="mine", weights="nonsense", neighbours=7.0)
    assert (made.index, made.head, made.weights, made.neighbours) == ("", "", {}, 20)
    made = ask(catalog, methods=["nearest"], index="birds", neighbours=7.0)
    assert (made.index, made.neighbours) == ("birds", 7)


def test_bad_requests_are_refused_in_one_sentence(catalog):
    with pytest.raises(BadRequest, match="no picture yet"):
        make_request(catalog, [], {"methods": ["interrogator"]})
    with pytest.raises(BadRequest, match="No method is chosen"):
        make_request(catalog, ["a.png"], {"methods": []})
    with pytest.raises(BadRequest, match="no list of phrases"):
        ask(catalog, lists=[])
    with pytest.raises(BadRequest, match="needs an image index or a file of prompts"):
        ask(catalog, methods=["nearest"])
    with pytest.raises(BadRequest, match="needs the name of a head"):
        ask(catalog, methods=["regression"])
    with pytest.raises(BadRequest, match="at least two other methods"):
        ask(catalog, methods=["interrogator", "ensemble"])
    with pytest.raises(BadRequest, match='wants "caption:nobody", which is not among the methods'):
        ask(catalog, methods=["interrogator", "zero_image", "ensemble"], weights="caption:nobody = 1")


def test_weights_are_read_as_they_are_written():
    weights = {"interrogator": 0.6, "caption:blip-large": 0.4}
    assert weights_of(weights_text(weights)) == weights
    assert weights_of(" nearest=1 ;\n zero_image = 2 ") == {"nearest": 1, "zero_image": 2}
    assert weights_of("") == weights_of(None) == {}
    for text in ("nearest", "= 3", "nearest = lots"):
        with pytest.raises(BadRequest, match="write them as method = number"):
            weights_of(text)


def test_the_preset_is_that_of_blip_and_coca():
    assert preset("BLIP + CoCa") == {
        "methods": ["caption", "ensemble"],
        "captioners": ["blip-large", "coca-vit-l-14-coco"],
        "weights": "caption:blip-large = 0.5, caption:coca-vit-l-14-coco = 0.5",
    }


def test_on_a_public_page_names_belong_to_visitors(tmp_path):
    from dataclasses import replace

    private = tiny_settings(tmp_path)
    public = replace(private, public=True)
    assert owned(private, "me", "birds") == "birds" and mine(private, "you", "birds")
    full = owned(public, "me", "birds")
    assert shown_name(public, full) == "birds" and mine(public, "me", full) and not mine(public, "you", full)
    assert "me" not in full.removesuffix("birds")
    check_owned(public, "me", full, None, "")
    with pytest.raises(BadRequest, match="not yours"):
        check_owned(public, "you", full)

from dataclasses import replace
from types import SimpleNamespace

import pytest

from common.errors import BadRequest
from models.catalog import Catalog
from models.families.sentence import SPECS as SENTENCE
from tabs.image_to_prompt_heads import asked
from tabs.image_to_prompt_owned import check_owned, mine, owned, shown_name
from tabs.image_to_prompt_request import lists_at, make_request, preset, weights_of, weights_text
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
    private = tiny_settings(tmp_path)
    public = replace(private, public=True)
    assert owned(private, "me", "birds") == "birds" and mine(private, "you", "birds")
    full = owned(public, "me", "birds")
    assert shown_name(public, full) == "birds" and mine(public, "me", full) and not mine(public, "you", full)
    assert "me" not in full.removesuffix("birds")
    check_owned(public, "me", full, None, "")
    with pytest.raises(BadRequest, match="not yours"):
        check_owned(public, "you", full)


def test_lists_can_be_named_by_their_path(catalog, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in ("flavors.txt", "mediums.txt", "artists.txt"):
        (data / name).write_text("x\n", encoding="utf-8")
    (data / "picture.png").touch()
    names = [path.rpartition("/")[2] for path in ask(catalog, list_paths=f"\n {data} \n").files]
    assert names == ["flavors.txt", "mediums.txt"]
    named = {"methods": ["interrogator"], "artists": True, "list_paths": str(data / "artists.txt")}
    made = make_request(catalog, ["a.png"], named, ["own.txt"])
    assert made.files == ("own.txt", str(data / "artists.txt"))
    assert len(ask(catalog, list_paths=str(data), artists=True).files) == 3
    with pytest.raises(BadRequest, match=r"gone\.txt is no file or folder on this machine"):
        ask(catalog, list_paths=str(tmp_path / "gone.txt"))
    public = replace(catalog.settings, public=True)
    with pytest.raises(BadRequest, match="open to strangers"):
        lists_at(public, str(data))
    assert lists_at(public, "") == []


def test_a_column_counts_for_nearest_alone(catalog, tmp_path):
    assert ask(catalog, column="words").column == ""
    named = {"methods": ["nearest"], "column": "words"}
    assert make_request(catalog, ["a.png"], named, prompts="prompts.csv").column == "words"


def test_a_head_is_trained_from_the_column_that_was_named(catalog, tmp_path):
    app = SimpleNamespace(services=SimpleNamespace(settings=catalog.settings, catalog=catalog))
    given = ["regression", "prompts.csv", "words", "mine", "", ["/x/1/a.png", "/x/2/b.png"], ""]
    request, paths = asked(app, "me", *given)
    assert request.column == "words" and request.name == "mine" and len(paths) == 2
    given[5] = ["/x/1/a.png", "/x/2/a.png"]
    with pytest.raises(BadRequest, match=r"Two of the pictures above are named a\.png"):
        asked(app, "me", *given)

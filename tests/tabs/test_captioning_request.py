"""From the controls of the captioning room to a request."""

import gradio as gr
import pytest

from common.errors import BadRequest
from tabs.captioning_controls import FIELDS, Controls
from tabs.captioning_request import has_detail, make_request, means, words
from tests.tabs.captioning_pack import captioning_services


@pytest.fixture
def services(tmp_path):
    return captioning_services(tmp_path)


@pytest.fixture
def controls(services):
    made = Controls(services)
    with gr.Blocks():
        made.build_who()
        made.build_how()
        made.build_words()
        made.build_more()
    return made


def values(controls, **changes):
    usual = {name: controls.parts[name].value for name in FIELDS}
    return [{**usual, **changes}[name] for name in FIELDS]


def given(update):
    """What an update says, and nothing of what it leaves alone."""
    return update._constructor_args[0]


def test_the_controls_as_they_stand_make_a_request(controls):
    request = controls.request(["a.png"], values(controls))
    assert request.captioners == ("namer",) and request.ranker == "tiny-judge"
    assert (request.decoding.method, request.decoding.beams, request.decoding.count) == ("beam", 5, 3)


def test_what_means_nothing_to_a_method_stands_at_its_default(controls):
    changes = {"temperature": 3.0, "top_k": 40.0, "groups": 4.0, "seed": "7", "required": "red"}
    beam = controls.request(["a.png"], values(controls, **changes)).decoding
    assert (beam.temperature, beam.top_k, beam.groups, beam.seed, beam.required) == (1.0, 0, 1, 0, ("red",))
    sample = controls.request(["a.png"], values(controls, **changes, method="sample")).decoding
    assert (sample.temperature, sample.top_k, sample.seed, sample.required) == (3.0, 40, 7, ())
    assert controls.request(["a.png"], values(controls, method="greedy")).decoding.count == 1


def test_an_empty_seed_is_another_one_each_time(controls):
    seeds = {controls.request(["a.png"], values(controls, method="sample")).decoding.seed for _ in range(4)}
    assert len(seeds) == 4


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"beams": 99}, ["beams", "99", "20"]),
        ({"beams": 2.5}, ["beams", "2.5"]),
        ({"method": "sample", "top_p": 2}, ["top_p", "2", "1"]),
        ({"method": "sample", "seed": "soon"}, ["seed", "soon"]),
        ({"captioners": ["dall-e"]}, ["dall-e"]),
        ({"captioners": ["namer", "contrary", "slow", "teller", "afar"]}, ["afar"]),
        ({"count": 9}, ["count", "9", "beams"]),
        ({"required": "a,b,c,d,e,f,g,h,i"}, ["9", "8"]),
        ({"blend": 3}, ["3", "1"]),
    ],
)
def test_bad_values_are_refused_by_name(controls, changes, named):
    with pytest.raises(Exception) as refused:
        controls.request(["a.png"], values(controls, **changes))
    assert all(word in str(refused.value) for word in named)


def test_no_pictures_are_refused(services):
    with pytest.raises(BadRequest, match="no picture"):
        make_request(services.catalog, [], {})


def test_words_are_split_at_commas():
    assert words(" red,  fast car ,,") == ("red", "fast car")
    assert words(None) == ()


def test_a_method_shows_its_own_controls(controls):
    updates = {id(part): update for part, update in controls.for_method("diverse", 5, 1).items()}
    beams, groups = (given(updates[id(controls.parts[name])]) for name in ("beams", "groups"))
    assert beams["value"] % groups["value"] == 0 and groups["value"] > 1
    assert given(updates[id(controls.parts["top_p"])])["visible"] is False
    assert means("diversity", "diverse") and not means("diversity", "beam")


def test_detail_is_there_for_those_who_have_it(controls, services):
    assert has_detail(services.catalog, ["namer", "teller"]) and not has_detail(services.catalog, ["namer"])
    updates = controls.for_captioners(["namer"], "caption", 20)
    hidden = given(updates[controls.parts["detail"]])
    assert hidden["visible"] is False and hidden["value"] == "caption" and "choices" not in hidden
    assert list(updates) == [controls.parts["detail"]]  # a length that was chosen stays


def test_who_says_more_needs_more_tokens(controls):
    tokens = controls.parts["max_tokens"]
    assert given(controls.for_detail("more")[tokens])["value"] == 160
    assert given(controls.for_captioners(["namer"], "more", 160)[tokens])["value"] == 30
    assert tokens not in controls.for_captioners(["teller"], "more", 160)
    assert tokens not in controls.for_captioners(["namer"], "more", 99)


@pytest.mark.parametrize(("detail", "tokens"), [("", 30), ("caption", 30), ("detailed", 80), ("more", 160)])
def test_a_request_is_as_long_as_its_detail_unless_told_otherwise(services, detail, tokens):
    named = {"captioners": ("teller",), "detail": detail}
    assert make_request(services.catalog, ["a.png"], named).decoding.max_tokens == tokens
    assert make_request(services.catalog, ["a.png"], {**named, "max_tokens": 120}).decoding.max_tokens == 120


def test_settings_come_back_and_those_that_no_longer_fit_do_not(controls):
    kept = {
        "captioners": ["slow", "gone"], "method": "sample", "top_p": 0.5, "beams": 99, "seed": "5", "ranker": "gone",
    }  # fmt: skip
    updates = {id(part): update for part, update in controls.restored(kept).items()}
    assert updates[id(controls.parts["captioners"])] == ["slow"]
    assert given(updates[id(controls.parts["top_p"])])["value"] == 0.5
    assert "value" not in given(updates[id(controls.parts["beams"])])
    assert updates[id(controls.parts["seed"])] == "5" and id(controls.parts["ranker"]) not in updates
    assert controls.restored({}) == {}

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.prompting.readers import reader_of
from pipelines.image_to_prompt.chain import EXACT
from pipelines.image_to_prompt.interrogator import Interrogator, _fresh, best_of
from pipelines.image_to_prompt.lists import PhraseList
from tests.models.conftest import hub, hub_pool  # noqa: F401 (fixtures)

LISTS = {
    "subjects": ("a house", "a car", "a cat"),
    "media": ("a painting", "a drawing", "a photograph"),
    "lighting": ("soft light", "hard light"),
    "flavours": tuple(f"made of {each}" for each in ("wood", "stone", "gold", "glass", "paper", "ice")),
    "negative": ("blurry", "text", "noise"),
}


@pytest.fixture
def clip(hub_pool):  # noqa: F811
    with hub_pool().use("clip-vit-b-32") as ranker:
        yield ranker


@pytest.fixture
def image(clip):
    return clip.encode_texts(["a drawing of a car made of paper, soft light"])[0]


@pytest.fixture
def asker(clip):
    lists = [PhraseList(name, name, "test", "CC0", phrases) for name, phrases in LISTS.items()]
    vectors = {name: clip.encode_texts(phrases) for name, phrases in LISTS.items()}
    return Interrogator(reader_of(clip), lists, vectors, 10.0, replace(EXACT, least=2, most=4))


def test_ranking_is_exact(asker, clip, image):
    phrases = [phrase for kind in ("media", "flavours") for phrase in LISTS[kind]]
    cosines = (clip.encode_texts(phrases) @ image).tolist()
    order = sorted(range(len(phrases)), key=lambda row: -cosines[row])
    assert [each.phrase for each in asker.rank(image, ["media", "flavours"], 5)] == [phrases[row] for row in order[:5]]
    assert [each.phrase for each in asker.rank(image, ["media", "flavours"], 2, away=True)] == [
        phrases[row] for row in order[:-3:-1]
    ]
    assert len(asker.rank(image, ["media", "no such list"], 100)) == 3


def test_analyse_shares_each_list(asker, clip, image):
    found = asker.analyse(image, 2)
    assert set(found) == set(LISTS) and all(len(rows) == 2 for rows in found.values())
    cosines = clip.encode_texts(LISTS["media"]) @ image
    assert found["media"][0].share == pytest.approx(float((10 * cosines).softmax(0).max()), abs=1e-6)
    assert found["media"][0].phrase == LISTS["media"][int(cosines.argmax())]


def test_fast_adds_the_best_phrases_in_order(asker, image):
    (prompt,) = asker.run("fast", image, "a car")
    ranked = [each.phrase for each in asker.rank(image, [kind for kind in LISTS if kind != "negative"], 100)]
    assert prompt.text == ", ".join(["a car", *[each for each in ranked if each != "a car"]])
    assert all(term.loss is not None for term in prompt.terms) and prompt.tokens <= prompt.limit


def test_classic_takes_one_of_each_and_some_flavours(asker, image):
    (prompt,) = asker.run("classic", image, "a car")
    kinds = [term.kind for term in prompt.terms]
    assert kinds == ["media", "lighting", *["flavours"] * 6] and prompt.start == "a car"


def test_best_is_the_best_of_all(asker, clip, image):
    prompts = list(asker.run("best", image, "a car"))
    lengths = [len(prompt.terms) for prompt in prompts[:-2]]
    assert lengths == list(range(len(lengths)))  # it is seen growing
    last = prompts[-1]
    others = [next(iter(asker.run(mode, image, "a car"))) for mode in ("fast", "classic")]
    assert last.cosine == max(each.cosine for each in [*prompts, *others])
    assert last.cosine == pytest.approx(float(clip.encode_texts([last.text])[0] @ image), abs=1e-6)
    assert all(term.loss is not None for term in last.terms)


def test_where_phrases_must_gain_none_is_filled_in(asker, image):
    asker.effort = replace(asker.effort, least=0, gain=2.0)  # more than any phrase can gain
    *_, last = asker.run("best", image, "a car")
    filled = next(iter(asker.run("fast", image, "a car")))
    assert last.text == "a car" and filled.cosine > last.cosine


def test_negative_goes_away_and_uses_the_list_of_that_name(asker, image):
    prompts = list(asker.run("negative", image))
    last = prompts[-1]
    everything = asker.rank(image, list(LISTS), 100, away=True)
    assert last.terms[0].phrase == everything[0].phrase and last.start == ""
    assert last.cosine == min(each.cosine for each in prompts)
    assert best_of(prompts, away=True).cosine == last.cosine


def test_without_a_caption_the_best_subject_begins(asker, clip, image):
    (prompt,) = asker.run("fast", image)
    cosines = clip.encode_texts(LISTS["subjects"]) @ image
    assert prompt.start == LISTS["subjects"][int(cosines.argmax())]


def test_what_is_said_is_not_said_again(asker, image):
    (prompt,) = asker.run("fast", image, "a drawing of a car, soft light")
    assert "a car" not in [term.phrase for term in prompt.terms]
    assert prompt.text.count("soft light") == 1 and torch.isfinite(torch.tensor(prompt.curve)).all()


def test_the_same_thing_with_and_without_its_article_is_said_once():
    parts = [(phrase, "things") for phrase in ("a parrot", "parrot", "the sea", "an owl", "Owl", "a penguin", "bird")]
    assert [phrase for phrase, _ in _fresh("penguin, birds", parts)] == ["a parrot", "the sea", "an owl", "bird"]

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from benchmarks.plain_interrogator import grow
from models.prompting.readers import joined, reader_of
from pipelines.image_to_prompt import chain as module
from pipelines.image_to_prompt.chain import EXACT, PRUNED, Chain
from pipelines.image_to_prompt.worth import attributed, described
from tests.models.conftest import hub, hub_pool  # noqa: F401 (fixtures)

PHRASES = [
    (f"{a} {b}", "list") for a in ("red", "soft", "old", "tiny") for b in ("house", "light", "sea", "paper", "wind")
]
START = "a picture of a garden"


@pytest.fixture
def clip(hub_pool):  # noqa: F811
    with hub_pool().use("clip-vit-b-32") as ranker:
        yield ranker


@pytest.fixture
def image(clip):
    return clip.encode_texts(["a tiny old house, soft light and red paper by the sea"])[0]


def texts(phrases):
    return [phrase for phrase, _ in phrases]


@pytest.mark.parametrize("least", [0, 3, 8])
def test_the_same_phrases_as_the_published_algorithm(clip, image, least):
    chain = Chain(reader_of(clip), image, START, PHRASES, replace(EXACT, least=least, most=10))
    steps = list(chain.grow())
    best, added = grow(clip, image, START, texts(PHRASES), least, 10)
    assert [term.phrase for term in steps[-1].terms] == added and chain.best.text == best
    assert len(added) >= max(least, 1)


def test_curve_gains_and_tokens_are_true(clip, image):
    chain = Chain(reader_of(clip), image, START, PHRASES, replace(EXACT, least=4, most=4))
    last = list(chain.grow())[-1]
    prompts = [START]
    for term in last.terms:
        prompts.append(joined(prompts[-1], term.phrase))
    true = (clip.encode_texts(prompts) @ image).tolist()
    assert last.text == prompts[-1] and last.curve == pytest.approx(true, abs=1e-6)
    assert [term.gain for term in last.terms] == pytest.approx([b - a for a, b in pairwise(true)], abs=1e-6)
    assert last.tokens == len(clip.tokenizer.encode(last.text)) + 2 and last.limit == 77
    assert chain.best.cosine == pytest.approx(max(true), abs=1e-6) and chain.compared == 1 + 20 + 19 + 18 + 17


def test_without_a_beginning_the_best_phrase_begins(clip, image):
    chain = Chain(reader_of(clip), image, "", PHRASES, replace(EXACT, least=0))
    first = next(chain.grow())
    cosines = clip.encode_texts(texts(PHRASES)) @ image
    assert first.text == PHRASES[int(cosines.argmax())][0] and first.curve == (
        pytest.approx(float(cosines.max()), abs=1e-6),
    )


def test_away_from_the_picture(clip, image):
    chain = Chain(reader_of(clip), image, "", PHRASES, replace(EXACT, least=0), away=True)
    steps = list(chain.grow())
    curve = steps[-1].curve
    assert all(b < a for a, b in pairwise(curve)) and chain.best.cosine == curve[-1] == min(curve)
    assert curve[0] == pytest.approx(float((clip.encode_texts(texts(PHRASES)) @ image).min()), abs=1e-6)


def test_the_best_on_the_way_is_kept(clip):
    image = clip.encode_texts([START])[0]  # nothing can come nearer than the beginning itself
    chain = Chain(reader_of(clip), image, START, PHRASES, replace(EXACT, least=3, most=3))
    assert len(list(chain.grow())) == 3 and chain.best.text == START and chain.best.terms == ()


def test_nothing_is_added_beyond_the_limit(clip, image):
    reader = reader_of(clip)
    phrases = [(f"{word} " * 20 + "end", "list") for word in ("red", "blue", "green", "old")]
    chain = Chain(reader, image, START, phrases, replace(EXACT, least=8))
    last = list(chain.grow())[-1]
    assert len(last.terms) == 3 and last.tokens == 5 + 3 * 22 + 2 <= reader.limit


def test_pruned_with_room_for_all_is_exact(clip, image):
    reader, vectors = reader_of(clip), clip.encode_texts(texts(PHRASES))
    effort = replace(PRUNED, keep=len(PHRASES), most=6, gain=0.0)
    pruned, exact = (
        Chain(reader, image, START, PHRASES, each, vectors=vectors) for each in (effort, replace(effort, keep=None))
    )
    assert [step.text for step in pruned.grow()] == [step.text for step in exact.grow()]


def test_pruned_reads_less_and_its_cosines_are_true(clip, image):
    reader, vectors = reader_of(clip), clip.encode_texts(texts(PHRASES))
    effort = replace(PRUNED, keep=4, again=4, least=0, most=6, gain=0.0)
    pruned, exact = (
        Chain(reader, image, START, PHRASES, each, vectors=vectors) for each in (effort, replace(effort, keep=None))
    )
    steps = list(pruned.grow())
    list(exact.grow())
    assert pruned.compared < exact.compared and steps
    true = (clip.encode_texts([step.text for step in steps]) @ image).tolist()
    assert [step.cosine for step in steps] == pytest.approx(true, abs=1e-6)
    assert all(b.cosine > a.cosine for a, b in pairwise(steps))


def test_a_phrase_must_gain_as_much_as_is_asked(clip, image):
    effort = replace(EXACT, least=0, most=8)
    every = list(Chain(reader_of(clip), image, START, PHRASES, effort).grow())[-1]
    gains = [term.gain for term in every.terms]
    asked = sorted(gains)[len(gains) // 2]
    enough = next((place for place, gain in enumerate(gains) if gain <= asked), len(gains))
    chain = Chain(reader_of(clip), image, START, PHRASES, replace(effort, gain=asked))
    list(chain.grow())
    assert [term.phrase for term in chain.best.terms] == [term.phrase for term in every.terms[:enough]]
    assert len(chain.best.terms) < len(every.terms)
    forced = Chain(reader_of(clip), image, START, PHRASES, replace(effort, gain=asked, least=enough + 1))
    assert len(list(forced.grow())) >= enough + 1  # whoever asks for more phrases gets them


def test_attribution_leaves_one_phrase_out(clip, image):
    reader = reader_of(clip)
    prompt = described(reader, image, START, PHRASES[:3])
    losses = [term.loss for term in attributed(reader, image, prompt).terms]
    for left_out, loss in enumerate(losses):
        rest = [phrase for place, (phrase, _) in enumerate(PHRASES[:3]) if place != left_out]
        without = float(clip.encode_texts([", ".join([START, *rest])])[0] @ image)
        assert loss == pytest.approx(prompt.cosine - without, abs=1e-6)
    alone = attributed(reader, image, described(reader, image, "", PHRASES[:1]))
    assert alone.terms[0].loss is None and alone.terms[0].gain == pytest.approx(alone.cosine)
    assert torch.isfinite(torch.tensor(losses)).all()


@pytest.mark.parametrize("start", [START, ""])
def test_a_step_read_in_chunks_chooses_the_same_and_can_be_stopped_inside(clip, image, start, monkeypatch):
    effort = replace(EXACT, least=3, most=3)
    whole = Chain(reader_of(clip), image, start, PHRASES, effort)
    steps = list(whole.grow())
    monkeypatch.setattr(module, "CHUNK", 6)
    chunked = Chain(reader_of(clip), image, start, PHRASES, effort)
    beats = list(chunked.grow())
    grown = [beats[3], beats[7], beats[10]]  # of 20, 19 and 18 candidates by 6
    assert [step.text for step in grown] == [step.text for step in steps] and len(beats) == 11
    assert [step.curve for step in grown] == [pytest.approx(step.curve, abs=1e-6) for step in steps]
    assert chunked.compared == whole.compared and chunked.best.text == whole.best.text
    assert [beat.text for beat in beats[4:7]] == [steps[0].text] * 3
    first = next(Chain(reader_of(clip), image, start, PHRASES, effort).grow())
    if start:
        assert first.text == START and len(first.curve) == 1
    else:  # before there is a prompt, the best of what was read
        assert first.text in texts(PHRASES) and first.cosine <= steps[0].cosine + 1e-6


def test_the_first_of_equals_wins_across_chunks(clip, image, monkeypatch):
    doubled = [("red house", "one"), *PHRASES[1:], ("Red house", "two")]  # the same tokens
    found = []
    for size in (6, 256):
        monkeypatch.setattr(module, "CHUNK", size)
        found.append([step.text for step in Chain(reader_of(clip), image, START, doubled, EXACT).grow()][-1])
    assert found[0] == found[1]

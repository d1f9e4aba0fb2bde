"""Teaching places: twins are told apart by their halves, the whole stays as it is, and an export reads back."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch

from models.families.efficientnet import LITE0
from models.families.pictograms_clip import architecture, build, read_folder
from models.families.sentence import SentenceEncoder
from training import clip, clip_maps, places
from training.pictures import Pictograms
from training.token_states import TokenStates


@pytest.fixture(scope="module")
def sentence():
    return SentenceEncoder()


@pytest.fixture
def maps(pictograms, sentence, tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "maps"
    folder.mkdir()
    clip_maps.write(folder, clip_maps.draw(Pictograms(pictograms), 1, 40, 4, rng), rng)
    torch.manual_seed(0)
    clip.export(build(architecture(), sentence), architecture(), tmp_path / "clip")
    return folder


def test_states_are_those_of_the_texts_whatever_their_order(sentence, tmp_path):
    texts = ["a red cat to the left of a dog", "", "a cat", "a cat"]
    TokenStates.of(sentence, texts).write(tmp_path, "few")
    states, mask = TokenStates.read(tmp_path, "few").rows(np.array([2, 0]))
    direct, same = sentence.token_states(["a cat", texts[0]])
    assert torch.equal(mask, same)
    torch.testing.assert_close(states[mask], direct[same], atol=2e-3, rtol=0)
    assert not states[0, mask[0].sum() :].any()


def test_a_twin_has_its_halves_exchanged_and_a_caption_of_its_own(maps, sentence):
    data = places.Places(maps, maps.parent / "clip", sentence)
    assert len(data.with_twin) > 10
    batch = data.batch(8, np.random.default_rng(0))
    assert batch.regions.shape == (8 + 4, 5, 256) and batch.texts[0].shape[0] == 12
    for picture, twin in zip(batch.regions[:4], batch.regions[8:], strict=True):
        assert torch.equal(picture[0], twin[0])
        sides, heights = (torch.equal(picture[[a, b]], twin[[b, a]]) for a, b in ((1, 2), (3, 4)))
        assert sides != heights
    assert not batch.has_wrong[8:].any() and len(set(batch.numbers[8:].tolist()) & set(batch.numbers[:8].tolist())) == 0


def test_a_short_run_learns_sides_and_leaves_the_whole_alone(maps, sentence, tmp_path):
    args = argparse.Namespace(
        data=None, run=tmp_path / "run", minutes=5, batch=32, device="cpu", threads=1, seed=0, maps=maps,
        clip=tmp_path / "clip", rate=3e-3, total_steps=60, export=None,
    )  # fmt: skip
    model, shape = places.train(args)
    data = places.Places(maps, args.clip, sentence)
    batch = data.batch(64, np.random.default_rng(1))
    with torch.no_grad():
        images = torch.nn.functional.normalize(model.visual.of_regions(batch.regions), dim=1)
        texts = torch.nn.functional.normalize(model.text.of_states(*batch.texts), dim=1)
    own, other = (images[:32] * texts[:32]).sum(1), (images[:32] * texts[64:]).sum(1)
    assert (own > other).float().mean() > 0.8  # the caption against the twin's; chance is 0.5
    clip.export(model, shape, tmp_path / "placed")
    placed, plain = read_folder(tmp_path / "placed", sentence), read_folder(tmp_path / "clip", sentence)
    pixels, words = torch.rand(2, 3, 128, 128), ["a cat", "a red dog"]
    whole = placed.encode_images(pixels)[:, :256]
    torch.testing.assert_close(
        torch.nn.functional.normalize(whole, dim=1), plain.encode_images(pixels), atol=5e-3, rtol=0
    )
    assert placed.encode_texts(words).shape == (2, 256 + 4 * places.NARROW)
    again, _ = places.train(args)  # all steps are done: nothing more is learned
    torch.testing.assert_close(again.text.positions, model.text.positions)


def test_a_clip_that_knows_places_can_be_trained_on(maps, pictograms, sentence, tmp_path):
    folder = tmp_path / "placed"
    shape = architecture(places=places.NARROW)
    clip.export(build(shape, sentence), shape, folder)
    args = argparse.Namespace(
        data=pictograms, run=tmp_path / "on", minutes=0, batch=8, device="cpu", threads=1, seed=0, maps=maps, rate=1e-3,
        tower_rate=1e-4, total_steps=100, naming=0.5, keeping=0.3, export=folder, network=LITE0,
    )  # fmt: skip
    model, shipped = clip.train(args), read_folder(folder, sentence).model
    weight = shipped.visual.head.projection.mlp.fc1.weight
    torch.testing.assert_close(model.visual.head.projection.mlp.fc1.weight, weight)

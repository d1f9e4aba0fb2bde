"""A CLIP that knows places: the whole's part is that of before, halves are told apart, padding never counts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.families.pictograms_clip import PictogramClip, architecture, build
from models.families.sentence import SentenceEncoder
from models.places import HALVES
from models.prompting.readers import reader_of


@pytest.fixture(scope="module")
def sentence():
    return SentenceEncoder()


@pytest.fixture(scope="module")
def placed(sentence):
    torch.manual_seed(0)
    return build(architecture(places=16), sentence).eval()


def test_the_first_part_is_the_clip_of_before(placed, sentence):
    plain = build(architecture(), sentence).eval()
    plain.load_state_dict(placed.state_dict(), strict=False)
    pixels, tokens = torch.rand(2, 3, 96, 96), torch.tensor([[101, 1037, 4937, 102, 0], [101, 1037, 2417, 4937, 102]])
    with torch.no_grad():
        image, text = placed.visual(pixels), placed.text(tokens)
        assert image.shape == text.shape == (2, 256 + 4 * 16)
        torch.testing.assert_close(image[:, :256], plain.encode_image(pixels, normalize=True), atol=1e-4, rtol=0)
        torch.testing.assert_close(text[:, :256], plain.encode_text(tokens, normalize=True), atol=1e-4, rtol=0)


def test_halves_are_told_apart(placed):
    maps = torch.rand(1, 1280, 4, 4)
    with torch.no_grad():
        regions, mirrored = placed.visual.regions(maps), placed.visual.regions(maps.flip(3))
    torch.testing.assert_close(mirrored, regions[:, [0, 2, 1, 3, 4]], atol=1e-4, rtol=0)
    assert (regions[:, 1] - regions[:, 2]).norm() > 1e-3
    halves = F.adaptive_avg_pool2d(maps[..., :2], 1).flatten(1)
    with torch.no_grad():
        torch.testing.assert_close(regions[:, 1], F.normalize(placed.visual.head(halves), dim=1), atol=1e-4, rtol=0)


def test_what_fits_as_a_whole_fits_as_a_half(placed):
    vector = F.normalize(torch.randn(1, HALVES, 256), dim=-1)
    torch.testing.assert_close(placed.visual.narrow(vector), placed.text.narrow(vector))


def test_padding_never_counts_and_long_texts_are_read(placed):
    states, mask = torch.randn(1, 4, 384) / 8, torch.ones(1, 4, dtype=torch.bool)
    with torch.no_grad():
        said = placed.text.of_states(states, mask)
        padded = torch.cat([states, torch.randn(1, 2, 384)], 1)
        mask = torch.tensor([[True] * 4 + [False] * 2])
        torch.testing.assert_close(placed.text.of_states(padded, mask), said, atol=1e-4, rtol=0)
        turned = placed.text.of_states(states[:, [1, 0, 2, 3]], mask[:, :4])
        assert (turned - said)[:, 256:].norm() > 1e-3 and (turned - said)[:, :256].norm() < 1e-4
        assert placed.text.of_states(torch.randn(1, 90, 384), torch.ones(1, 90, dtype=torch.bool)).isfinite().all()


def test_phrases_mean_no_places(placed, sentence):
    clip = PictogramClip(placed, sentence, 96)
    said, read = ["a cat, soft light", "a cat"], reader_of(clip).read
    sentences, phrases = clip.encode_texts(said), read(said)
    assert phrases.shape == sentences.shape and (phrases[:, 256:] == 0).all() and (sentences[:, 256:] != 0).any()
    torch.testing.assert_close(phrases[:, :256], F.normalize(sentences[:, :256], dim=1), atol=1e-4, rtol=0)
    plain = PictogramClip(build(architecture(), sentence).eval(), sentence, 96)
    torch.testing.assert_close(reader_of(plain).read(said), plain.encode_texts(said), atol=1e-5, rtol=0)

"""Captioned pictures made on the fly: what the caption says is where the caption says it."""

from __future__ import annotations

import numpy as np
import pytest

from training.compose import RELATIONS, group, pair, place_group, place_pair, recaption, render, shrink, single
from training.data.counting import NUMBERS
from training.pictures import MEASURED, Pictograms, random_crops


def solid(colour: tuple[int, int, int]) -> np.ndarray:
    rgba = np.full((128, 128, 4), 255, np.uint8)
    rgba[..., :3] = colour
    return rgba


@pytest.mark.parametrize(
    ("relation", "red_at", "blue_at"),
    [
        ("to the left of", (64, 32), (64, 96)),
        ("to the right of", (64, 96), (64, 32)),
        ("next to", (64, 32), (64, 96)),
        ("above", (32, 64), (96, 64)),
        ("below", (96, 64), (32, 64)),
    ],
)
def test_the_first_stands_where_the_relation_says(relation, red_at, blue_at):
    canvas = place_pair(solid((255, 0, 0)), solid((0, 0, 255)), relation)
    assert tuple(canvas[red_at]) == (255, 0, 0, 255)
    assert tuple(canvas[blue_at]) == (0, 0, 255, 255)
    assert set(RELATIONS) == {"to the left of", "to the right of", "next to", "above", "below"}


def test_shrinking_mixes_no_colour_from_transparent_pixels():
    rgba = solid((255, 0, 0))
    rgba[:, 1::2] = 0  # transparent black columns
    small = shrink(rgba, rgba.shape[0] // 2)
    assert small.shape == (64, 64, 4)
    assert tuple(small[10, 10]) == (255, 0, 0, 128)


def test_samples_have_captions_and_render_on_their_background(pictograms):
    data, rng = Pictograms(pictograms), np.random.default_rng(1)
    samples = [single(data, int(row), rng) for row in data.rows] + [pair(data, 0, 4, rng) for _ in range(8)]
    pictures = render(samples)
    assert pictures.shape == (len(samples), 3, 128, 128)
    assert pictures.min() >= 0 and pictures.max() <= 1
    for sample, picture in zip(samples, pictures, strict=True):
        np.testing.assert_allclose(picture[:, 0, 0], sample.background, atol=1e-6)
        if sample.relation:
            assert f" {sample.relation} " in sample.caption


def test_held_out_pictures_are_not_trained_on(pictograms):
    assert "green tree" not in {Pictograms(pictograms).records[row]["name"] for row in Pictograms(pictograms).rows}
    assert len(Pictograms(pictograms, ("held_out",))) == 3


def test_scores_are_measured_on_the_first_sources_only(pictograms):
    assert len(Pictograms(pictograms, ("held_out",), MEASURED)) == 2
    assert len(Pictograms(pictograms, sources=("noto",))) == 5


def test_crops_have_the_size_asked_for(pictograms):
    crops = random_crops(Pictograms(pictograms), 5, 64, np.random.default_rng(0))
    assert crops.shape == (5, 3, 64, 64)
    assert crops.min() >= 0 and crops.max() <= 1


@pytest.mark.parametrize("number", [2, 4, 5, 6])
def test_a_group_has_as_many_copies_as_it_says(number):
    dot = np.zeros((96, 96, 4), dtype=np.uint8)
    dot[30:66, 30:66] = (255, 0, 0, 255)
    canvas = place_group(dot, number, np.random.default_rng(number))
    inside = canvas[..., 3] > 127
    starts = inside & ~np.roll(inside, 1, 0) & ~np.roll(inside, 1, 1)
    assert starts.sum() == number and canvas[inside][:, 0].min() > 200


def test_groups_are_counted_in_their_captions(pictograms):
    data, rng = Pictograms(pictograms), np.random.default_rng(2)
    samples = [group(data, int(row), rng) for row in np.resize(data.rows, 40)]
    counted = [sample for sample in samples if sample.count]
    assert len(counted) > 20
    for sample in counted:
        assert f"{NUMBERS[sample.count]} " in sample.caption
    assert render(samples[:3]).shape == (3, 3, 128, 128)


def test_another_caption_is_about_the_same_picture(pictograms):
    data, rng = Pictograms(pictograms), np.random.default_rng(4)
    for make in (single, group, lambda data, row, rng: pair(data, row, row, rng)):
        samples = [make(data, int(row), rng) for row in np.resize(data.rows, 20)]
        texts = [recaption(data, sample, rng) for sample in samples]
        for sample, text in zip(samples, texts, strict=True):
            named = [*filter(None, sample.colours), sample.relation, sample.ground or "", NUMBERS.get(sample.count, "")]
            assert all(word in text for word in named)
        assert make is not single or texts != [sample.caption for sample in samples]

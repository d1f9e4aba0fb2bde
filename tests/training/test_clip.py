"""CLIP training on cached maps: the split tower is the tower, wrong captions are wrong, and the loss teaches."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F

from models.families.efficientnet import LITE0, imagenet_state
from models.families.pictograms_clip import architecture, build, read_folder
from models.families.sentence import SentenceEncoder
from training import clip, clip_maps
from training.pictures import Pictograms


@pytest.fixture(scope="module")
def trunk():
    made = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    made.load_state_dict(imagenet_state(), strict=False)
    return made.eval()


def test_the_two_parts_of_the_tower_are_the_tower(trunk):
    pixels = torch.randn(2, 3, 128, 128)
    with torch.no_grad():
        maps = clip_maps.lower(trunk, pixels)
        assert maps.shape[1:] == (112, 8, 8)
        torch.testing.assert_close(clip_maps.upper(trunk, maps), trunk(pixels), atol=1e-4, rtol=1e-4)


def test_an_almost_true_caption_costs():
    images = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    none, scale, numbers = torch.zeros(4, 8), torch.tensor(2.0), torch.arange(4)
    plain = clip.contrastive(images, images, none, scale, numbers)
    assert clip.contrastive(images, images, images, scale, numbers) > plain + 0.1
    twins = clip.contrastive(images, images[[0, 0, 2, 3]], none, scale, torch.tensor([0, 0, 2, 3]))
    assert twins < clip.contrastive(images, images[[0, 0, 2, 3]], none, scale, numbers)


@pytest.fixture(scope="module")
def photographs():
    return clip.Photographs(SentenceEncoder(), torch.device("cpu"))


def test_stand_ins_for_photographs_are_what_the_classifier_takes_them_for(trunk, photographs):
    with torch.no_grad():
        features = clip_maps.upper(trunk, clip_maps.lower(trunk, torch.rand(64, 3, 128, 128)))
        made, classes = photographs.batch(features)
        said = photographs.classify(made)
    assert made.shape == features.shape and made.min() == 0
    assert torch.equal(said.argmax(1), classes) and len(set(classes.tolist())) > 40
    mean = photographs.mean.expand_as(made)
    likeness = torch.nn.functional.cosine_similarity
    assert likeness(made, mean).mean() > likeness(features, mean).mean()
    assert photographs.texts.shape == (1000, 384)


def test_what_the_classifier_is_sure_of_gets_its_name(photographs):
    torch.manual_seed(0)
    model = build(architecture(), SentenceEncoder()).eval()
    head = model.visual.head
    features = torch.rand(4, 1280)
    torch.testing.assert_close(head(features), head.projection(features))  # nothing is named yet
    clip.begin_names(model, photographs)
    torch.nn.init.zeros_(head.projection.mlp.fc2.weight)
    made, classes = photographs.batch(torch.rand(64, 1280))
    with torch.no_grad():
        likeness = F.normalize(head(made), dim=1) @ F.normalize(model.text.proj(photographs.texts), dim=1).T
        sure = photographs.classify(made).softmax(1).amax(1) > 0.9
    right = (likeness.argmax(1) == classes)[sure].float().mean()
    assert sure.sum() > 10 and right > 0.9  # not all: two cranes and two maillots share a name


def test_nothing_is_forgotten_before_the_first_step(trunk, photographs):
    model = build(architecture(), SentenceEncoder())
    model.visual.trunk.load_state_dict(trunk.state_dict())
    model.eval()
    texts = torch.randn(8, 384)
    batch = clip.Batch(torch.rand(8, 112, 8, 8), texts, torch.zeros(8, 384), torch.arange(8))
    _, _, forgotten = clip.losses_of(model, trunk, batch, photographs)
    assert forgotten == 0
    torch.nn.init.normal_(model.visual.trunk.conv_head.weight, std=0.1)
    assert clip.losses_of(model, trunk, batch, photographs)[2] > 0.01


def test_a_short_run_learns_and_its_export_loads(pictograms, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "maps"
    folder.mkdir()
    samples = clip_maps.draw(Pictograms(pictograms), 2, 4, 2, rng)
    clip_maps.write(folder, samples, rng)
    cache = clip.Cache(folder)
    assert len(cache.captions) == len(samples)
    args = argparse.Namespace(
        data=pictograms, run=tmp_path / "run", minutes=0.03, batch=8, device="cpu", threads=1, seed=0, maps=folder,
        rate=1e-3, tower_rate=1e-4, total_steps=100, naming=0.5, keeping=0.3, export=None,
        network=LITE0,
    )  # fmt: skip
    model = clip.train(args)
    clip.export(model, architecture(), tmp_path / "weights")
    again = read_folder(tmp_path / "weights", SentenceEncoder())
    with torch.no_grad():
        pixels = torch.rand(1, 3, 128, 128)
        torch.testing.assert_close(
            again.image_features(pixels),
            model.encode_image((pixels - again.mean) / again.std, normalize=True),
            atol=5e-3,
            rtol=0,
        )


def test_what_is_exported_may_be_half_of_what_was_shipped(tmp_path):
    torch.manual_seed(1)
    shipped, model = (build(architecture(), SentenceEncoder()) for _ in range(2))
    clip.export(shipped, architecture(), tmp_path)
    weights = [each.text.proj.state_dict() for each in (shipped, model)]
    old, new = ({name: value.clone() for name, value in each.items()} for each in weights)
    clip.blend(model, tmp_path, 0.25)
    for name, value in model.text.proj.state_dict().items():
        torch.testing.assert_close(value, 0.25 * old[name] + 0.75 * new[name], atol=1e-3, rtol=1e-3)

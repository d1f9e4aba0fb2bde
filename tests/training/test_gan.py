"""GAN training at tiny size with the real classes: words that do not fit cost, runs resume, exports load."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.families.pictograms_gan import read_generator
from training import gan, gan_data
from training.gan_judge import Augmentation, Features, Judge
from training.pictures import Pictograms

SMALL = {"channels": (16, 8, 8, 8, 8), "refined": 8, "noise": 4, "text": 384, "words": 8, "style": 8}


@pytest.fixture
def cache(pictograms, tmp_path):
    folder = tmp_path / "gan"
    gan_data.write(folder, Pictograms(pictograms), 2, 64, np.random.default_rng(0))
    return folder


@pytest.fixture
def args(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(gan, "ARCHITECTURE", SMALL)
    return argparse.Namespace(
        run=tmp_path / "run", pictures=cache, minutes=0.05, batch=4, device="cpu", threads=1, seed=0, rate=1e-3,
        judge_rate=1e-3, ema=0.9, total_steps=100, likeness=5.0, likeness_until=2, likeness_after=1.0, sheet_every=1000,
    )  # fmt: skip


def vectors(count: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, 384, generator=torch.Generator().manual_seed(count)), dim=1)


def test_the_cache_tells_what_its_pictures_show(cache):
    data = gan_data.Captioned(cache)
    assert data.pictures.shape == (30, 64, 64, 3) and len(set(data.rows.tolist())) == 15  # nothing held out is here
    batch = data.draw(12, np.random.default_rng(0), torch.device("cpu"))
    assert batch.pictures.shape == (12, 3, 64, 64) and 0 <= batch.pictures.min() <= batch.pictures.max() <= 1
    torch.testing.assert_close(batch.texts.norm(dim=1), torch.ones(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(batch.wrongs.norm(dim=1), torch.ones(12), atol=1e-3, rtol=0)
    assert (batch.texts != batch.wrongs).any(1).sum() >= 10  # now and then two pictures have the same caption


def test_only_the_right_words_with_a_real_picture_cost_nothing():
    yes, no = torch.full((2, 5), 2.0), torch.full((2, 5), -2.0)
    assert gan.judge_loss(right=yes, wrong=no, fake=no) == 0
    assert gan.judge_loss(right=yes, wrong=yes, fake=no) == 1.5
    assert gan.judge_loss(right=yes, wrong=no, fake=yes) == 1.5
    assert gan.judge_loss(right=no, wrong=no, fake=no) == 3


def test_the_judge_learns_to_notice_words_that_do_not_fit():
    torch.manual_seed(0)
    features, judge, texts = Features(), Judge(), vectors(2)
    pictures = torch.stack([torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9])])[:, :, None, None]
    seen = features(pictures.expand(2, 3, 64, 64) + 0.02 * torch.randn(2, 3, 64, 64))
    optimiser = torch.optim.Adam(judge.heads.parameters(), 2e-3, (0.0, 0.99))
    for _ in range(25):
        right, wrong = judge(seen, texts, texts.flip(0))
        loss = gan.judge_loss(right, wrong, torch.full_like(right, -1.0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    right, wrong = judge(seen, texts, texts.flip(0))
    assert right.mean() > wrong.mean() + 1


def test_the_projections_and_the_eyes_are_not_trained():
    judge, features = Judge(), Features().train()
    assert not any(p.requires_grad for part in (judge.mixing, features) for p in part.parameters())
    assert not features.trunk.training


def test_likeness_pulls_at_the_nearest_of_the_drawn_pictures_only():
    features, real = Features(), torch.rand(2, 3, 64, 64)
    fakes = torch.cat([real, torch.rand(2, 3, 64, 64)]).requires_grad_()
    with torch.no_grad():
        target = features(real)
    gan.likeness_loss(features(fakes), target, fakes, real).backward()
    assert fakes.grad[2:].abs().max() == 0
    far = torch.cat([torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)])
    assert gan.likeness_loss(features(far), target, far, real) > 0.1


def test_one_augmentation_moves_real_and_generated_pictures_alike():
    pictures = torch.rand(3, 3, 64, 64, requires_grad=True)
    moved = Augmentation(3, 64, pictures.device)(pictures.repeat(2, 1, 1, 1))
    assert torch.equal(moved[:3], moved[3:]) and not torch.equal(moved[:3], pictures)
    moved.sum().backward()
    assert pictures.grad.abs().sum() > 0
    plain = torch.full((8, 3, 64, 64), 0.75)
    changed = Augmentation(8, 64, plain.device)(plain)
    assert all(len(picture.unique()) <= 2 for picture in changed)  # a plain picture stays plain, but for the hole


def test_a_run_resumes_and_its_export_is_what_was_trained(args, tmp_path):
    gan.train(args)
    log = (args.run / "last.pt").stat().st_mtime_ns
    args.minutes = 0
    trained = gan.train(args)
    assert (args.run / "last.pt").stat().st_mtime_ns > log
    saved = torch.load(args.run / "last.pt", weights_only=True)
    assert saved["progress"]["steps"] >= 1
    assert set(saved) >= {"generator", "judge", "optimiser", "judge_optimiser", "ema"}
    for ours, averaged in zip(trained.parameters(), saved["ema"]["shadow_params"], strict=True):
        assert torch.equal(ours.data, averaged)
    gan.export(trained, tmp_path / "weights")
    again, noise, text = read_generator(tmp_path / "weights"), torch.randn(2, 4), vectors(2)
    with torch.no_grad():
        torch.testing.assert_close(again(noise, text), trained(noise, text), atol=5e-3, rtol=0)


def test_a_look_leaves_the_training_as_it_was(args, monkeypatch):
    from training import gan_sheet

    monkeypatch.setattr(gan_sheet, "PROMPTS", ("a red car", "a blue cup"))
    args.run.mkdir()
    parts = gan.make_parts(args, torch.device("cpu"))
    gan.look(parts, gan.SentenceEncoder(), args.run, 7)
    assert (args.run / "sheet-000007.webp").exists() and (args.run.with_name("run-export") / "config.json").exists()
    assert parts.generator.training and all(p.requires_grad for p in parts.generator.parameters())

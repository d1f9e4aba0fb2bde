"""GAN training at tiny size with the real classes: words that do not fit cost, runs resume, exports load."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from models.families.pictograms_gan import read_generator
from models.families.pictograms_query import STYLES
from models.families.sentence import SentenceEncoder
from tests.models import tiny_painter
from training import gan, latents
from training.gan_judge import Judge
from training.latent_batches import Batches, alone
from training.memory import build_memory
from training.pictures import Pictograms


@pytest.fixture
def cache(pictograms, tmp_path):
    """Latents that say in each channel which pictogram they show; a tiny VQGAN's codes beside them."""
    tiny_painter.write(tmp_path / "weights")
    data, folder = Pictograms(pictograms), tmp_path / "latents"
    folder.mkdir()
    samples = latents.draw(data, 2, 4, seed=0)
    shown = torch.tensor([sample.rows[0] for sample in samples], dtype=torch.float16)
    save_file({"latents": shown[:, None, None, None].repeat(1, 4, 16, 16) + 0.1}, folder / "samples.safetensors")
    latents.write_captions(samples, folder / "samples.jsonl", np.random.default_rng(1))
    codes = (torch.arange(18, dtype=torch.int16) % 6)[:, None]
    memory = {"full": codes.repeat(1, 256), "half": codes.repeat(1, 64)}
    save_file(memory, folder / "memory.safetensors")
    return folder


@pytest.fixture
def args(cache, pictograms, tmp_path, monkeypatch):
    monkeypatch.setattr(gan, "ARCHITECTURE", tiny_painter.SMALL)
    monkeypatch.setattr("training.gan_sheet.PROMPTS", ("a car", "a cup"))
    return argparse.Namespace(
        run=tmp_path / "run", data=pictograms, latents=cache, vqgan=tmp_path / "weights" / "pictograms-vqgan",
        minutes=0.05, batch=4, device="cpu", threads=1, seed=0, rate=1e-3, judge_rate=1e-3, ema=0.9, total_steps=100,
        likeness=3.0, sheet_every=2, export=None,
    )  # fmt: skip


def vectors(count: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, 384, generator=torch.Generator().manual_seed(count)), dim=1)


def test_the_memory_holds_the_sources_that_are_painted_from(cache, pictograms, tmp_path):
    vqgan = gan.VQModel.from_pretrained(tmp_path / "weights" / "pictograms-vqgan")
    codes, sentence = load_file(cache / "memory.safetensors"), SentenceEncoder()
    memory = build_memory(Pictograms(pictograms, sources=("fluent3d", "noto")), codes, vqgan, sentence)
    assert (len(memory.full), memory.trained, len(memory.names)) == (12, 10, 6)
    assert {list(STYLES)[k] for k in memory.style_of.tolist()} == {"3D", "cartoon"}


def test_a_batch_tells_what_is_shown_and_what_is_not(cache, pictograms, tmp_path):
    data = Pictograms(pictograms)
    vqgan = gan.VQModel.from_pretrained(tmp_path / "weights" / "pictograms-vqgan")
    memory = build_memory(data, load_file(cache / "memory.safetensors"), vqgan, SentenceEncoder())
    batches = Batches(cache, data, memory.seen_in_training(), 0)
    shown, neighbours, captions, wrongs = batches.matched(24)
    assert shown.shape == (24, 4, 16, 16) and neighbours.shape == (24, 10, 16, 16)
    assert "" not in captions and "" not in wrongs
    assert sum(a != b for a, b in zip(captions, wrongs, strict=True)) >= 18  # now and then two captions are the same
    about = {sample["caption"]: sample["rows"][0] for sample in batches.samples}
    rows = (shown * batches.std + batches.mean)[:, 0, 0, 0].round().int().tolist()
    names = [data.records[row]["name"] for row in rows]
    assert names == [data.records[about[caption]]["name"] for caption in captions]


@pytest.mark.parametrize(
    ("caption", "relation", "wanted"),
    [
        ("a cat", "", True),
        ("a cat on a white background", "", True),
        ("a cat on a light blue background", "", False),
        ("a cat above a dog", "above", False),
    ],
)
def test_only_things_alone_on_white_are_trained_on(caption, relation, wanted):
    assert alone({"caption": caption, "relation": relation}) is wanted


def test_samples_can_be_left_out_and_the_scale_stays(cache, pictograms, tmp_path):
    data = Pictograms(pictograms)
    vqgan = gan.VQModel.from_pretrained(tmp_path / "weights" / "pictograms-vqgan")
    memory = build_memory(data, load_file(cache / "memory.safetensors"), vqgan, SentenceEncoder())
    every, some = (Batches(cache, data, memory.seen_in_training(), 0, *only) for only in ((), (alone,)))
    assert 0 < len(some.samples) < len(every.samples) and len(some.latents) == len(some.samples)
    assert not any(sample["relation"] for sample in some.samples)
    torch.testing.assert_close(some.std, every.std)
    assert len(some.is_edited) == len(some.samples)


def test_the_neighbour_can_be_the_picture_itself(cache, pictograms, tmp_path):
    data = Pictograms(pictograms)
    vqgan = gan.VQModel.from_pretrained(tmp_path / "weights" / "pictograms-vqgan")
    memory = build_memory(data, load_file(cache / "memory.safetensors"), vqgan, SentenceEncoder())
    shown = {}
    for itself in (0.0, 1.0):
        batches = Batches(cache, data, memory.seen_in_training(), 0, alone)
        latents, neighbours, *_ = batches.matched(40, itself)
        rows = (latents * batches.std + batches.mean)[:, 0, 0, 0].round().int()
        originals = memory.latents([batches.position[int(row)] for row in rows])
        there = neighbours[:, 4] == 1  # now and then there is no neighbour
        first = neighbours[:, :4] * batches.std + batches.mean
        shown[itself] = ((first - originals).abs().amax(1) < 1e-3)[there].float().mean()
    assert shown[1.0] == 1 and shown[0.0] < 0.9


def test_only_the_right_words_with_a_real_picture_cost_nothing():
    yes, no = torch.full((2, 5), 2.0), torch.full((2, 5), -2.0)
    assert gan.judge_loss(right=yes, wrong=no, fake=no) == 0
    assert gan.judge_loss(right=yes, wrong=yes, fake=no) == 1.5
    assert gan.judge_loss(right=yes, wrong=no, fake=yes) == 1.5
    assert gan.judge_loss(right=no, wrong=no, fake=no) == 3


def test_the_judge_learns_to_notice_words_that_do_not_fit():
    torch.manual_seed(0)
    judge, texts = Judge(widths=(16, 16, 16)), vectors(2)
    seen = torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 4, 16, 16) + 0.05 * torch.randn(2, 4, 16, 16)
    optimiser = torch.optim.Adam(judge.parameters(), 2e-3, (0.0, 0.99))
    for _ in range(60):
        right, wrong = judge(seen, texts, texts.flip(0))
        loss = gan.judge_loss(right, wrong, torch.full_like(right, -1.0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    right, wrong = judge(seen, texts, texts.flip(0))
    assert right.shape == (2, 64 + 16)
    assert right.mean() > wrong.mean() + 1


def test_one_step_moves_both_networks_and_pulls_towards_the_real_picture(args):
    parts = gan.make_parts(args, torch.device("cpu"))
    batch = gan.Batch(torch.ones(8, 4, 16, 16), torch.zeros(8, 10, 16, 16), vectors(8), vectors(8).flip(0))
    before = [parts.judge.enter.bias.clone(), parts.generator.paint.bias.clone()]
    losses = [gan.training_step(parts, batch, likeness=50.0)["likeness"].item() for _ in range(30)]
    assert losses[0] == pytest.approx(1) and losses[-1] < 0.9
    assert not torch.equal(before[0], parts.judge.enter.bias)
    assert not torch.equal(before[1], parts.generator.paint.bias)


def test_a_run_resumes_and_its_export_is_what_was_trained(args, tmp_path):
    gan.train(args)
    log = (args.run / "last.pt").stat().st_mtime_ns
    assert list(args.run.glob("sheet-*.webp"))
    args.minutes = 0
    trained, facts = gan.train(args)
    assert (args.run / "last.pt").stat().st_mtime_ns > log
    saved = torch.load(args.run / "last.pt", weights_only=True)
    assert saved["progress"]["steps"] >= 2
    assert set(saved) >= {"generator", "judge", "optimiser", "judge_optimiser", "ema"}
    for ours, averaged in zip(trained.parameters(), saved["ema"]["shadow_params"], strict=True):
        assert torch.equal(ours.data, averaged)
    gan.export(trained, facts, tmp_path / "exported")
    again, given = read_generator(tmp_path / "exported"), (torch.randn(2, 4), vectors(2), torch.randn(2, 10, 16, 16))
    with torch.no_grad():
        torch.testing.assert_close(again(*given), trained(*given), atol=5e-3, rtol=0)
    args.run, args.export = tmp_path / "another machine", tmp_path / "exported"
    begun, _ = gan.train(args)  # without the checkpoint it goes on from the weights
    for ours, shipped in zip(begun.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, shipped)

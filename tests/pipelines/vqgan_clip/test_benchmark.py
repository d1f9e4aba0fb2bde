"""The loop that ours is compared with: it optimises too, and quantises as ours does."""

from __future__ import annotations

import pytest
import torch

from benchmarks import vqgan_clip as benchmark
from benchmarks.bench import Bench
from benchmarks.plain_vqgan_clip import PlainLoop, _augmented, _jittered, _resampled
from pipelines.vqgan_clip import quantise


def test_the_plain_loop_quantises_and_looks_like_ours(vqgan, vit):
    plain = PlainLoop(vqgan, vit, "a red car", 64, 6, 32, 0.1)
    ours = quantise.clamp(vqgan.decode(vqgan.quantise(plain.z)))
    torch.testing.assert_close(plain._decoded(), ours, atol=1e-5, rtol=0)
    cuts = plain._cutouts(ours.detach())
    assert cuts.shape == (6, 3, 32, 32) and cuts.isfinite().all()
    before = plain.z.detach().clone()
    assert plain.step().size == (64, 64) and plain.step(preview=False) is None
    assert (plain.z != before).any() and plain.z.isfinite().all()


def test_its_augmentations_leave_flat_colours_nearly_alone():
    torch.manual_seed(0)
    flat = torch.tensor([0.7, 0.4, 0.2]).view(1, 3, 1, 1).expand(4, 3, 16, 16)
    torch.testing.assert_close(_jittered(flat), flat, atol=0.03, rtol=0)
    torch.testing.assert_close(_resampled(flat[:1], 8), flat[:1, :, :8, :8], atol=1e-4, rtol=0)
    assert (_augmented(flat)[:, :, 8, 8] - flat[:, :, 8, 8]).abs().max() < 0.03


def test_it_measures(services, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "WARM_UP", 0)
    monkeypatch.setattr(benchmark, "CUTS", 4)
    monkeypatch.setattr(benchmark, "COUNTS", (4, 8))
    figures = {each.name: each for each in benchmark.measure(Bench(services, ranker="vit", steps=2, size=32))}
    assert set(figures) == {f"vqgan_clip_{name}" for name in ("speed", "previews", "defaults", "costs", "run")}
    speed = figures["vqgan_clip_speed"]
    assert speed.ours > 0 and speed.ratio == pytest.approx(speed.ours / speed.theirs) and speed.met is not None
    rows = figures["vqgan_clip_costs"].details["rows"]
    assert [(row["size"], row["cuts"]) for row in rows] == [(32, 4), (32, 8)]
    assert rows[0]["planned_mb"] < rows[1]["planned_mb"] and rows[0]["peak_mb"] is None
    assert "2 steps" in figures["vqgan_clip_run"].what

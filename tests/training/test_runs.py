"""Training itself, for seconds, on a tiny data set: losses are finite, runs resume, exports load in the app."""

from __future__ import annotations

import argparse
import itertools
import json

import numpy as np
import pytest
import torch

from models.families.sentence import SentenceEncoder
from training import clip, ldm, redrawn, vqgan
from training.codebook import Codebook, unfold
from training.loop import TrainingRun, cosine_rate
from training.pictures import Pictograms
from training.remembered_texts import TextStates


def test_a_run_resumes_where_it_stopped(tmp_path):
    weights = torch.nn.Linear(2, 2)
    run = TrainingRun(tmp_path, minutes=1)
    run.track(model=weights)
    for step in run.steps(batch=4):
        if step == 2:
            run.minutes = 0
    again, other = TrainingRun(tmp_path, minutes=0), torch.nn.Linear(2, 2)
    again.track(model=other)
    assert again.resume()
    assert (again.progress.steps, again.progress.pictures) == (3, 12)
    torch.testing.assert_close(other.weight, weights.weight)


def test_the_learning_rate_warms_up_and_falls():
    rates = [cosine_rate(step, 10, 100) for step in range(130)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.05)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_the_codebook_starts_follows_and_revives():
    model = vqgan.VQModel(**{**vqgan.ARCHITECTURE, "num_vq_embeddings": 8})
    codebook = Codebook(model, decay=0.0)
    vectors = torch.randn(64, 4)
    codebook.start(vectors)
    assert codebook.ready
    codebook.follow(torch.ones(5, 4), torch.zeros(5, dtype=torch.long))
    torch.testing.assert_close(model.quantize.embedding.weight[0], torch.ones(4))
    assert codebook.restart_dead(vectors) == 7  # all but the one that was chosen
    assert all((vectors == code).all(1).any() for code in model.quantize.embedding.weight[1:])


def test_unfolding_gives_dead_axes_new_features_and_keeps_the_picture():
    torch.manual_seed(0)
    model = vqgan.VQModel(**vqgan.ARCHITECTURE).eval()
    model.quant_conv.weight.data[2:] = model.quant_conv.weight.data[:2]  # four channels, two of them copies
    model.quant_conv.bias.data[2:] = model.quant_conv.bias.data[:2]
    pictures = torch.rand(8, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        before = model.decode(model.encode(pictures).latents, force_not_quantize=True).sample
        assert unfold(model, pictures) == 2
        latents = model.encode(pictures).latents
        model.post_quant_conv.weight[:, 2:] = 0  # the faint new features aside
        after = model.decode(latents, force_not_quantize=True).sample
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)
    covariance = torch.cov(latents.permute(1, 0, 2, 3).flatten(1))
    torch.testing.assert_close(covariance.diagonal(), torch.ones(4), atol=0.05, rtol=0)
    assert torch.linalg.eigvalsh(covariance).min() > 0.01


def test_remembered_token_states_are_those_of_the_encoder():
    sentence = SentenceEncoder()
    remembered = TextStates(sentence)
    remembered(["a rather longer caption about a cat", ""])
    captions = ["a red car", "", "a rather longer caption about a cat"]
    states, mask = remembered(captions)
    expected, expected_mask = sentence.token_states(captions)
    assert torch.equal(mask, expected_mask)
    torch.testing.assert_close(states[mask], expected[expected_mask], atol=2e-3, rtol=2e-3)


@pytest.fixture
def small(monkeypatch):
    shrunk = {**vqgan.ARCHITECTURE, "block_out_channels": (8, 8, 8, 16), "num_vq_embeddings": 16}
    monkeypatch.setattr(vqgan, "ARCHITECTURE", shrunk)
    monkeypatch.setattr(ldm, "ARCHITECTURE", {**ldm.ARCHITECTURE, "block_out_channels": (16, 16, 16)})


def flags(parser_args: dict) -> argparse.Namespace:
    return argparse.Namespace(**parser_args)


@pytest.mark.slow
def test_from_pictures_to_a_model_that_the_app_can_use(pictograms, tmp_path, small, monkeypatch):
    """The whole chain with the real code at tiny size: VQGAN, latents, diffusion, catalog, pool, sampling."""
    from common.settings import Settings
    from models.catalog import Catalog
    from models.families.pictograms_clip import architecture, build
    from models.pool import ModelPool
    from training import latents

    weights, common = tmp_path / "weights", {"data": pictograms, "device": "cpu", "threads": 1, "seed": 0, "batch": 4}
    first = flags(
        {**common, "run": tmp_path / "vq", "minutes": 0.1, "rate": 1e-3, "total_steps": 100, "crop": 32,
         "quantise_after": 2, "adversarial": 0.1, "adversarial_after": 3, "learn": "all",
         "new_codebook": False, "redrawn": []}
    )  # fmt: skip
    first.export = weights / "pictograms-vqgan"
    vqgan.train(first).save_pretrained(first.export)
    first.run, first.minutes = tmp_path / "another machine", 0  # without the checkpoint it goes on from the weights
    again, shipped = vqgan.train(first), vqgan.VQModel.from_pretrained(first.export)
    torch.testing.assert_close(again.encoder.conv_in.weight, shipped.encoder.conv_in.weight)
    cache = tmp_path / "latents"
    monkeypatch.setattr("sys.argv", [
        "latents", "--data", str(pictograms), "--vqgan", str(weights / "pictograms-vqgan"), "--out", str(cache),
        "--variants", "1", "--pairs", "3",
    ])  # fmt: skip
    latents.main()
    second = flags(
        {**common, "run": tmp_path / "ldm", "minutes": 0.05, "rate": 1e-3, "total_steps": 100, "ema": 0.9,
         "latents": cache, "export": None, "vqgan": weights / "pictograms-vqgan"}
    )  # fmt: skip
    ldm.export(*ldm.train(second), weights / "pictograms-ldm")
    assert json.loads((weights / "pictograms-ldm" / "memory.json").read_text())["names"][0] == "red apple"

    settings = Settings(models="starter", device="cpu", weights=weights, output=tmp_path / "out")
    pool = ModelPool(Catalog.scan(settings), settings, ["cpu"])
    with pool.use("pictograms-ldm") as model:
        run = model.start("a red apple next to a blue cup", "", [1, 2, 3], 128, 128, 3, 2.0, "DPM++ 2M")
        alone = model.start("a red apple next to a blue cup", "", [2], 128, 128, 3, 2.0, "DPM++ 2M")
        run.step()
        run.keep([0, 1])
        while run.done < run.total:
            run.step()
        while alone.done < alone.total:
            alone.step()
        pictures = run.predicted()
        assert pictures.shape == (2, 3, 128, 128) and pictures.isfinite().all()
        torch.testing.assert_close(pictures[1], alone.predicted()[0], atol=2e-3, rtol=0)

    shape = architecture()
    clip.export(build(shape, SentenceEncoder()), shape, weights / "pictograms-clip")  # a request wants a ranker
    monkeypatch.setattr("sys.argv", [
        "redrawn", "--data", str(pictograms), "--weights", str(weights), "--model", "pictograms-ldm", "--count", "9",
        "--out", str(tmp_path / "redrawn"),
    ])  # fmt: skip
    redrawn.main()
    first.redrawn = [tmp_path / "redrawn"]
    with pytest.raises(SystemExit, match="--redrawn needs --learn decoder, upper or edges"):
        vqgan.train(first)
    first.run, first.learn, first.minutes, first.adversarial_after = tmp_path / "upper", "upper", 0.05, 0
    before, taught = shipped.state_dict(), vqgan.train(first).state_dict()
    changed = {".".join(name.split(".")[:3]) for name in before if not torch.equal(before[name], taught[name])}
    upper = {f"decoder.up_blocks.{block}" for block in (1, 2, 3)}
    assert upper < changed and all(name.startswith(vqgan.LEARN["upper"]) or name in upper for name in changed)


def test_crops_of_redrawn_pictures_lie_over_the_pictures(pictograms):
    data = Pictograms(pictograms)
    rows = torch.from_numpy(data.rows[:3])
    latents = torch.nn.functional.avg_pool2d(redrawn.on_white(data, rows), 8)  # stand-ins that show where they lie
    painted, wanted = redrawn.Painted(latents, rows).crops(data, 20, 64, np.random.default_rng(0))
    assert painted.shape == (20, 3, 8, 8) and wanted.shape == (20, 3, 64, 64)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(wanted, 8), painted)


def test_a_blurred_picture_is_less_steep_and_less_alike():
    from training.evaluate import psnr, steepness

    sharp = (torch.arange(32) // 8 % 2).float().expand(2, 3, 32, 32).contiguous()
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(psnr(sharp * 0.9, sharp), torch.full((2,), 23.0103))
    assert (psnr(blurred, sharp) < 25).all()
    assert steepness(sharp)[0] == pytest.approx(3 / 31)  # three edges from 0 to 1 in each row
    assert torch.allclose(steepness(sharp * 0.5), steepness(sharp) / 2)

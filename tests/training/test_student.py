"""Distilling the few-step student, at tiny size with the real network class."""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel, VQModel

from models.families.pictograms_ldm import told
from models.families.pictograms_memory import Memory
from models.families.pictograms_student import merge, taught_by
from training import clip, generation_scores, generation_scores_nearest, ldm, vqgan
from training.loop import digest
from training.student import Batch, adapt, export, loss_of, see


@pytest.fixture
def teacher() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**{**ldm.ARCHITECTURE, "block_out_channels": (16, 16, 16)}).eval()


def inputs(n: int) -> Batch:
    mask = torch.ones(n, 3, dtype=torch.bool)
    words, no_words = told(torch.randn(n, 3, 384), mask), told(torch.ones(n, 3, 384), mask)
    return Batch(torch.randn(n, 4, 16, 16), torch.randn(n, 10, 16, 16), words, no_words)


def outcome(unet, batch):
    with torch.no_grad():
        return see(unet, batch.latents, torch.full((len(batch.latents),), 379), batch.helps, batch.words)


def test_changes_begin_as_none_and_merge_into_the_same_network(teacher):
    batch, student = inputs(2), copy.deepcopy(teacher)
    changes = adapt(student, rank=2)
    torch.testing.assert_close(outcome(student, batch), outcome(teacher, batch))
    with torch.no_grad():
        for change in changes.values():
            change.up.normal_(0, 0.1)
    changed, merged = outcome(student, batch), copy.deepcopy(teacher)
    merge(merged, {f"{n}.{side}": getattr(c, side) for n, c in changes.items() for side in ("up", "down")})
    assert not torch.allclose(changed, outcome(teacher, batch), atol=1e-3)
    torch.testing.assert_close(outcome(merged, batch), changed, atol=1e-5, rtol=1e-4)


def test_the_student_learns_what_the_guided_teacher_sees(teacher):
    torch.manual_seed(1)
    student, schedule, batch = copy.deepcopy(teacher), DDPMScheduler(**ldm.SCHEDULE), inputs(4)
    parameters = [p for change in adapt(student, rank=4).values() for p in change.parameters()]
    optimiser, losses = torch.optim.Adam(parameters, 3e-3), []
    for _ in range(8):
        torch.manual_seed(2)  # the same noise and timesteps each time
        loss = loss_of(student, teacher, schedule, batch, guidance=2.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.95 * losses[0]
    assert all(p.grad is None for p in teacher.parameters())


def test_without_guidance_there_is_nothing_to_learn(teacher):
    torch.manual_seed(1)
    student = copy.deepcopy(teacher)
    adapt(student, rank=4)
    loss = loss_of(student, teacher, DDPMScheduler(**ldm.SCHEDULE), inputs(4), guidance=1.0)
    assert float(loss.detach()) < 1e-8


@pytest.fixture
def weights(teacher, tmp_path) -> Path:
    """Random models of the real classes in the real format: VQGAN, diffusion, its student, a CLIP to judge them."""
    from models.families.pictograms_clip import architecture, build
    from models.families.sentence import SentenceEncoder

    folder, sentence = tmp_path / "weights", SentenceEncoder()
    first_stage = VQModel(**{**vqgan.ARCHITECTURE, "block_out_channels": (8, 8, 8, 16), "num_vq_embeddings": 16})
    first_stage.save_pretrained(folder / "pictograms-vqgan")
    names = ("red apple", "blue cup", "green tree")
    memory = Memory(
        full=torch.randint(16, (3, 256)), half=torch.randint(16, (3, 64)), concept_of=torch.arange(3),
        vectors=sentence.encode(list(names))[:, None].repeat(1, 2, 1), white=torch.zeros(4),
        codebook=torch.zeros(16, 4), names=names, trained=2, style_of=torch.zeros(3, dtype=torch.long),
        colours_of=torch.zeros(3, 12, dtype=torch.bool),
    )  # fmt: skip
    scale = SimpleNamespace(mean=torch.zeros(4, 1, 1), std=torch.ones(4, 1, 1))
    ldm.export(copy.deepcopy(teacher), scale, memory, folder / "pictograms-ldm")
    asked = {"teacher": folder / "pictograms-ldm", "export": folder / "pictograms-student", "guidance": 2.0, "rank": 2}
    export(adapt(teacher, rank=2), argparse.Namespace(**asked))
    shape = architecture()
    clip.export(build(shape, sentence), shape, folder / "pictograms-clip")
    return folder


@pytest.mark.slow
def test_the_app_offers_the_student_and_it_can_be_scored(weights, pictograms, monkeypatch):
    pool = generation_scores.open_pool(weights)
    with pool.use("pictograms-ldm") as teacher, pool.use("pictograms-student") as student:
        assert student.memory is teacher.memory and student.vqgan is teacher.vqgan  # nothing is in memory twice
        assert taught_by(weights / "pictograms-student") == digest(weights / "pictograms-ldm" / "unet")
        for steps in (1, 4):
            run = student.start("a red apple", "", [1, 2], 128, 128, steps, 1.0, "DPM++ 2M")
            while run.done < run.total:
                run.step()
            assert run.predicted().shape == (2, 3, 128, 128) and run.predicted().isfinite().all()
    records = [json.loads(line) for line in (pictograms / "records.jsonl").read_text().splitlines()]
    for record in records:
        if record["name"] == "car":
            record["split"] = "held_out"
        elif record["style"] == "flat" and record["split"] == "train":
            record["split"] = "held_out_style"
    (pictograms / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    monkeypatch.setattr(generation_scores, "PAIRS", 6)
    monkeypatch.setattr(generation_scores_nearest, "RECONSTRUCTED", 4)
    way = generation_scores.Way("pictograms-student", steps=1, count=3)
    found = generation_scores.scores(way, pictograms, weights)
    assert found["judge"] == "pictograms-clip" and found["pictures"] == 9 and found["FID"] > 0
    assert all(0 <= found[kind]["R-precision of first neighbours"] <= 1 for kind in generation_scores.KINDS)
    numbers, sheet = generation_scores_nearest.report(way, pictograms, weights)
    assert numbers["pictures"] == 3 and 0 <= numbers["under new, both"] <= 1
    assert sheet.width == 3 * (5 * generation_scores_nearest.CELL + 10)

"""Recording and replaying, with a recorder for the CPU: its recordings, too, know nothing but their fixed places."""

from __future__ import annotations

import pytest
import torch

from pipelines.vqgan_clip.graphs import Replayed
from pipelines.vqgan_clip.steering import Steer


def recorder(counts: dict):
    def record(call):
        call()
        counts["recorded"] = counts.get("recorded", 0) + 1

        def play() -> None:
            counts["played"] = counts.get("played", 0) + 1
            call()

        return play

    return record


def test_a_replayed_run_is_the_direct_one(optimisation):
    """With a story whose prompts change in number and weight, a pull that decays, noise, and changes on the way."""
    about = {"prompts": "a cat | fog:-1 ^ a dog", "steps": 10, "fade": 0.5, "start_weight": 1.0, "start_decay": 1.0}
    direct, replayed, counts = optimisation(**about), optimisation(**about), {}
    replayed.gradient._replayed = Replayed(replayed.gradient._once, recorder(counts))
    moments = []
    for step in range(10):
        if step == 6:
            for each in (direct, replayed):
                each.steer(Steer(tv=0.2, cuts=6))
        ours, theirs = direct.step(), replayed.step()
        assert ours.losses == theirs.losses and torch.equal(ours.pixels, theirs.pixels)
        moments.append((theirs.pixels, theirs.pixels.clone()))
    assert torch.equal(direct.z, replayed.z)
    assert all(torch.equal(kept, then) for kept, then in moments)  # later steps do not write into what was handed out
    assert counts == {"recorded": 4, "played": 10}  # scene, fading, next scene without a partner, changed


def test_a_step_that_cannot_be_recorded_is_made_directly(optimisation):
    def fails(call):
        raise RuntimeError("operation not permitted when stream is capturing")

    direct, replayed = optimisation(), optimisation()
    replayed.gradient._replayed = Replayed(replayed.gradient._once, fails)
    for _ in range(2):
        assert direct.step().losses == replayed.step().losses
    assert not replayed.gradient._replayed._usable


def test_memory_that_runs_out_while_recording_is_treated_as_ever(optimisation):
    calls = []

    def fails_once(call):
        calls.append(1)
        if len(calls) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return recorder({})(call)

    replayed = optimisation(cuts=8)
    replayed.gradient._replayed = Replayed(replayed.gradient._once, fails_once)
    replayed.step()
    assert replayed.gradient.chunk == 4 and len(calls) == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
def test_on_cuda_a_recorded_run_is_near_the_direct_one(optimisation, vqgan, vit):
    try:
        vqgan.to("cuda"), vit.to("cuda")
        direct, replayed = optimisation(noise=0.0, steps=5), optimisation(noise=0.0, steps=5)
        assert replayed.gradient._replayed is not None
        direct.gradient._replayed = None
        for _ in range(5):
            direct.step(), replayed.step()
        assert replayed.gradient._replayed._usable
        torch.testing.assert_close(replayed.z, direct.z, atol=1e-2, rtol=0)
    finally:
        vqgan.to("cpu"), vit.to("cpu")

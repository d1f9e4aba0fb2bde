"""Changes to a run while it goes, and what happens when memory runs out."""

from __future__ import annotations

import pytest
import torch

from common.errors import BadRequest, OutOfMemory
from pipelines.vqgan_clip import cutouts
from pipelines.vqgan_clip.steering import MAX_CHANGES, Steer


def after(optimisation, steps: int) -> torch.Tensor:
    for _ in range(steps):
        optimisation.step()
    return optimisation.z.detach().clone()


def test_changes_take_effect_are_logged_and_replayed(optimisation):
    ours = optimisation(steps=6)
    after(ours, 2)
    ours.steer(Steer(prompts="a dog | fog:-1", rate=0.5))
    ours.steer(Steer(weight=(2, -3.0), cuts=6))
    moment = ours.step()
    assert list(moment.losses)[:2] == ["a dog", "fog"] and moment.losses["fog"][0] < moment.losses["a dog"][0] * -2
    assert ours.optimiser.param_groups[0]["lr"] == 0.5 and ours.eye.count(5) == 6
    end = after(ours, 2)
    assert [line["step"] for line in ours.log] == [2, 2] and ours.log[0]["prompts"] == "a dog | fog:-1"
    again = optimisation(steps=6, log=tuple(ours.log))
    assert torch.equal(after(again, 5), end) and again.log == ours.log
    assert not torch.equal(after(optimisation(steps=6), 5), end)


def test_nobody_changes_a_run_without_end(optimisation):
    ours = optimisation()
    for _ in range(MAX_CHANGES):
        ours.steer(Steer(rate=0.1))
    with pytest.raises(BadRequest, match="changed 200 times"):
        ours.steer(Steer(rate=0.2))


def test_a_change_that_does_not_fit_changes_nothing(optimisation):
    ours = optimisation()
    with pytest.raises(BadRequest, match="no prompt 4"):
        ours.steer(Steer(weight=(4, 1.0), rate=5.0))
    assert ours.log == [] and ours.request.rate == 0.2 and ours.optimiser.param_groups[0]["lr"] == 0.2


def _fails(times: int):
    """`cutouts.take`, which runs out of memory so many times."""
    left, take = [times], cutouts.take

    def maybe(*given, **named):
        if left[0] > 0:
            left[0] -= 1
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return take(*given, **named)

    return maybe


def test_out_of_memory_halves_the_chunk_and_goes_on_from_the_same_z(optimisation, monkeypatch):
    expected = after(optimisation(cuts=8, noise=0.1), 3)
    ours = optimisation(cuts=8, noise=0.1)
    after(ours, 1)
    monkeypatch.setattr(cutouts, "take", _fails(2))
    z = after(ours, 2)
    assert ours.gradient.chunk == 2 and ours.step_number == 3
    torch.testing.assert_close(z, expected, atol=1e-4, rtol=0)


def test_when_nothing_is_left_to_halve_it_says_so_and_z_is_kept(optimisation, monkeypatch, vqgan):
    ours = optimisation(cuts=4)
    before = ours.z.detach().clone()
    monkeypatch.setattr(cutouts, "take", _fails(4))
    try:
        with pytest.raises(OutOfMemory, match="Choose a smaller size"):
            ours.step()
        assert ours.gradient.checkpointed and ours.gradient.chunk == 1 and torch.equal(ours.z.detach(), before)
        ours.step()  # with memory again it goes on
    finally:
        vqgan.checkpoint(False)


def test_other_errors_are_not_mistaken_for_memory(optimisation, monkeypatch):
    ours = optimisation()
    monkeypatch.setattr(cutouts, "take", lambda *given, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ours.step()

from __future__ import annotations

import pytest
import torch

from common.errors import OutOfMemory
from models import devices
from pipelines.vqgan_clip import planner
from pipelines.vqgan_clip.towers import Tower


def saved(forward) -> int:
    """What autograd keeps, counted another way: the tensors' own sizes."""
    sizes = {}

    def note(tensor):
        sizes[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = forward()
    total = sum(sizes.values())
    del output
    return total


def test_what_a_large_canvas_keeps_is_foretold_from_a_small_one(vqgan):
    z = torch.zeros(2, 4, 24, 32, requires_grad=True)
    weights = sum(weight.untyped_storage().nbytes() for weight in vqgan.network.decoder.parameters())
    real = saved(lambda: vqgan.decode(z)) - weights
    assert planner.decoder_bytes(vqgan, 2 * 24 * 32) == pytest.approx(real, rel=0.1)


@pytest.mark.parametrize("name", ["vit", "cnn"])
def test_what_a_cut_keeps(name, request):
    tower = Tower(request.getfixturevalue(name))
    eight = torch.zeros(8, 3, tower.size, tower.size, requires_grad=True)
    one = torch.zeros(1, 3, tower.size, tower.size, requires_grad=True)
    real = (saved(lambda: tower(eight)) - saved(lambda: tower(one))) / 7
    found = planner.cut_bytes(tower, "cpu")
    assert real <= found <= 2.5 * real + 8 * 12 * tower.size**2


def test_with_enough_memory_everything_is_seen_at_once(vqgan, vit):
    plan = planner.plan(vqgan, [Tower(vit)], (64, 64), 1, 32, free_mb=1000)
    assert (plan.chunk, plan.checkpointed) == (32, False) and 0 < plan.peak_mb < 1000
    assert plan.sentence(32) == ""


def test_less_memory_means_fewer_cuts_then_a_checkpointed_decoder_then_no(vqgan, cnn):
    towers, seen = [Tower(cnn)], []
    most = planner.plan(vqgan, towers, (64, 64), 1, 32, free_mb=1000).peak_mb / planner.SHARE
    for share in (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.02):
        try:
            plan = planner.plan(vqgan, towers, (64, 64), 1, 32, free_mb=most * share)
        except OutOfMemory as error:
            assert "64 × 64 pixels need about" in str(error) and "Choose a smaller size" in str(error)
            seen.append((True, 0))
            continue
        assert plan.peak_mb <= most * share
        assert bool(plan.sentence(32)) == (plan.checkpointed or plan.chunk < 32)
        seen.append((plan.checkpointed, plan.chunk))
    vqgan.checkpoint(False)
    assert seen[0] == (False, 32) and seen[-1] == (True, 0)
    chunks = [chunk for checkpointed, chunk in seen if not checkpointed]
    assert chunks == sorted(chunks, reverse=True) and len(set(chunks)) > 2
    assert any(checkpointed and chunk for checkpointed, chunk in seen)


def test_more_canvases_need_more(vqgan, vit):
    one, four = (planner.plan(vqgan, [Tower(vit)], (64, 64), runs, 8, free_mb=10_000).peak_mb for runs in (1, 4))
    assert four == pytest.approx(4 * one, rel=0.05)
    with pytest.raises(OutOfMemory, match="64 × 64 pixels times 4 runs need"):
        planner.plan(vqgan, [Tower(vit)], (64, 64), 4, 8, free_mb=1)
    vqgan.checkpoint(False)


def test_a_checkpointed_decoder_gives_the_same_gradient(vqgan):
    z = vqgan.random(1, 8, 8, torch.Generator().manual_seed(1)).requires_grad_()
    weight = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    (plain,) = torch.autograd.grad((vqgan.decode(z) * weight).sum(), z)
    kept = saved(lambda: vqgan.decode(z))
    vqgan.checkpoint(True)
    try:
        (again,) = torch.autograd.grad((vqgan.decode(z) * weight).sum(), z)
        assert saved(lambda: vqgan.decode(z)) < 0.7 * kept
    finally:
        vqgan.checkpoint(False)
    torch.testing.assert_close(again, plain)


def test_errors_of_memory_are_known():
    assert devices.is_out_of_memory(MemoryError())
    assert devices.is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory."))
    assert devices.is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 99 bytes"))
    assert not devices.is_out_of_memory(RuntimeError("shapes do not match"))


def test_there_is_some_memory_here():
    assert 10 < devices.free_memory_mb("cpu") < 10**8

import dataclasses

import pytest
import torch

from common.errors import BadRequest
from models import devices
from models.devices import find_devices, memory_budget_mb, pick_precision


def test_the_cpu_is_always_there(settings):
    assert find_devices(dataclasses.replace(settings, device="cpu")) == ("cpu",)
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert find_devices(dataclasses.replace(settings, device="auto")) == ("cpu",)


def test_every_card_is_a_device(settings, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for wanted in ("auto", "cuda"):
        assert find_devices(dataclasses.replace(settings, device=wanted)) == ("cuda:0", "cuda:1")


def test_a_device_that_is_not_there_is_refused(settings, monkeypatch):
    monkeypatch.setattr(devices, "has_cuda", lambda: False)
    with pytest.raises(BadRequest, match=r"device is 'cuda'.*--device cpu"):
        find_devices(dataclasses.replace(settings, device="cuda"))


def test_the_budget_is_the_setting_or_a_share_of_what_there_is(settings, monkeypatch):
    assert memory_budget_mb(settings, "cpu") == 1024
    unset = dataclasses.replace(settings, max_memory_gb=None)
    monkeypatch.setattr(devices, "_ram_bytes", lambda: 10 * 2**30)
    assert memory_budget_mb(unset, "cpu") == pytest.approx(6 * 1024)
    assert memory_budget_mb(unset, "mps") == pytest.approx(6 * 1024)


def test_ram_is_what_the_machine_says_unless_a_container_says_less():
    import psutil

    assert 0 < devices._ram_bytes() <= psutil.virtual_memory().total


def test_precision_is_the_setting_or_what_the_hardware_is_fast_in(settings, monkeypatch):
    assert pick_precision(dataclasses.replace(settings, precision="fp16"), "cpu") == "fp16"
    auto = dataclasses.replace(settings, precision="auto")
    for likes, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(devices, "_cpu_likes_bf16", lambda likes=likes: likes)
        assert pick_precision(auto, "cpu") == precision
    for capability, precision in (((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert pick_precision(auto, "cuda:0") == precision
    assert pick_precision(auto, "mps") == "fp32"


def test_the_probe_answers_and_is_asked_once():
    devices._cpu_likes_bf16.cache_clear()
    assert devices._cpu_likes_bf16() in (True, False)
    devices._cpu_likes_bf16()
    assert devices._cpu_likes_bf16.cache_info().misses == 1

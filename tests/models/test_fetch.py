"""Downloading, from a hub of our own on this machine that speaks the hub's protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import AtelierError, BadRequest, ModelUnavailable
from models import fetch as fetching
from models.catalog import Catalog
from models.checkpoint_files import choose_files, verify
from models.families import clip, diffusion
from models.sources import locate
from tests.models.tiny_server import TinyServer

TURBO = next(spec for spec in diffusion.SPECS if spec.name == "sd-turbo")


@pytest.fixture
def server(hub: tuple[Path, Any]) -> Iterator[TinyServer]:
    """A hub on this machine with the tiny checkpoints."""
    with TinyServer(hub[0]) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_fetched_model_is_found_and_paints(server, settings, tmp_path):
    from models.pool import ModelPool

    reports: list[float] = []
    folder = fetching.fetch(
        TURBO, settings, report=lambda share, name: reports.append(share), to=tmp_path / "mine", endpoint=server.url
    )
    assert folder == tmp_path / "mine" / "stabilityai--sd-turbo"
    assert reports == sorted(reports) and reports[-1] == 1.0 and len(set(reports)) > 3
    assert not {"README.md", "unet/diffusion_pytorch_model.bin", "sd_turbo.safetensors"} & set(server.sent)
    mine = dataclasses.replace(settings, hub_folder=tmp_path / "mine", max_memory_gb=20.0)
    with ModelPool(Catalog.scan(mine), mine).use("sd-turbo") as model:
        sampling = model.start("a red car", "", [1], 64, 64, 1, 0.0, "Euler")
        sampling.step()
        assert sampling.predicted().shape == (1, 3, 64, 64)


def test_the_second_time_nothing_is_sent(server, settings, tmp_path):
    fetching.fetch(TURBO, settings, to=tmp_path, endpoint=server.url)
    server.sent.clear()
    fetching.fetch(TURBO, settings, to=tmp_path, endpoint=server.url)
    assert server.sent == []


def test_the_settings_hub_folder_is_the_place(server, settings):
    folder = fetching.fetch(TURBO, settings, endpoint=server.url)
    assert folder == settings.hub_folder / "stabilityai--sd-turbo"
    assert locate(TURBO, settings) == folder


def test_without_a_folder_it_goes_into_the_cache_and_is_found_there(server, settings, cache):
    mine = dataclasses.replace(settings, hub_folder=None)
    assert locate(TURBO, mine) is None
    folder = fetching.fetch(TURBO, mine, endpoint=server.url)
    assert folder.is_relative_to(cache) and (folder / "unet" / "config.json").is_file()
    assert locate(TURBO, mine) == folder


def test_a_damaged_file_is_named_and_the_next_try_repairs_it(server, settings, tmp_path):
    name = "unet/diffusion_pytorch_model.fp16.safetensors"
    folder = fetching.fetch(TURBO, settings, to=tmp_path, endpoint=server.url)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(b"\xff" * len(whole))
    with pytest.raises(AtelierError, match=f"{name} cannot be read"):
        fetching.fetch(TURBO, settings, to=tmp_path, endpoint=server.url)
    fetching.fetch(TURBO, settings, to=tmp_path, endpoint=server.url)
    assert (folder / name).read_bytes() == whole


def test_a_repository_without_the_files_is_named(server, settings, tmp_path):
    spec = dataclasses.replace(TURBO, files=(*TURBO.files, "text_encoder_9/*"))
    with pytest.raises(ModelUnavailable, match=r"stabilityai/sd-turbo.*text_encoder_9"):
        fetching.fetch(spec, settings, to=tmp_path, endpoint=server.url)
    assert server.sent == []


def test_an_unknown_repository_is_named(server, settings, tmp_path):
    spec = dataclasses.replace(TURBO, source="nobody/nothing")
    with pytest.raises(ModelUnavailable, match="has no nobody/nothing"):
        fetching.fetch(spec, settings, to=tmp_path, endpoint=server.url)


def test_a_hub_out_of_reach_is_one_sentence_with_a_way_out(settings, tmp_path):
    with pytest.raises(ModelUnavailable, match=r"cannot be reached.*stabilityai--sd-turbo.*--hub-folder"):
        fetching.fetch(TURBO, settings, to=tmp_path, endpoint="http://127.0.0.1:9")


def test_too_small_a_disk_is_said_before_anything_is_sent(server, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(AtelierError, match=r"0.0 GB free.*--to DIR"):
        fetching.fetch(TURBO, settings, to=tmp_path, endpoint=server.url)
    assert server.sent == []


def test_what_comes_with_the_app_needs_no_fetching(settings, make_spec):
    with pytest.raises(BadRequest, match="nothing to fetch"):
        fetching.fetch(make_spec("apple"), settings)


def test_one_format_of_the_weights_is_chosen_per_folder():
    names = [
        "model_index.json",
        "README.md",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "text_encoder/pytorch_model.bin",
        "vae/config.json",
        "vae/diffusion_pytorch_model.bin",
        "tokenizer/vocab.json",
        "scheduler/scheduler_config.json",
        "safety_checker/model.safetensors",
    ]
    assert choose_files(names, TURBO.files) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.bin",
    ]


def test_a_ranker_needs_three_files_at_most():
    names = ["open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors"]
    names += ["tokenizer.json", "tokenizer_config.json", "config.json", "pytorch_model.bin"]
    spec = next(spec for spec in clip.SPECS if spec.name == "siglip-vit-b-16")
    assert choose_files(names, spec.files) == [
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_verify_names_what_is_wrong(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.bin").write_bytes(b"x" * 10)
    for name, size, said in (
        ("a.json", 1, "cannot be read"),
        ("b.bin", 10, "PyTorch"),
        ("c.json", 1, "did not arrive"),
    ):
        with pytest.raises(AtelierError, match=f"{name}.*{said}"):
            verify(tmp_path, {name: size})
    (tmp_path / "d.txt").write_text("four")
    with pytest.raises(AtelierError, match="4 bytes and should have 5"):
        verify(tmp_path, {"d.txt": 5})


def test_the_command_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ATELIER_HUB_FOLDER", str(tmp_path))
    assert fetching.main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert "sd-turbo" in listed and "missing" in listed and "minilm" not in listed
    assert fetching.main(["no-such-model"]) == 1
    assert "no-such-model" in capsys.readouterr().err
    assert fetching.main([]) == 2

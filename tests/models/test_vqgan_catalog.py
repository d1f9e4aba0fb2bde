"""VQGANs in the catalog: the starter pack's, published ones, and whatever lies in a folder."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import pytest
import torch

from common.errors import ModelUnavailable
from models.catalog import Catalog
from models.convert.vqgan import convert
from models.families.vqgan import SPECS, Vqgan
from models.pool import ModelPool
from models.spec import Range
from tests.models import tiny_hub, tiny_taming
from tests.models.test_vqgan import tiny_network


@pytest.fixture
def roomy(settings):
    return dataclasses.replace(settings, max_memory_gb=20.0)


def put(folder: Path) -> Path:
    tiny_network().save_pretrained(folder)
    return folder


def names(settings) -> list[str]:
    return [spec.name for spec in Catalog.scan(settings).all("vqgan")]


def load(name: str, settings) -> Vqgan:
    with ModelPool(Catalog.scan(settings), settings).use(name) as model:
        return model


def test_the_starter_pack_has_one_and_it_comes_first(roomy):
    assert "pictograms-vqgan" not in names(roomy)  # its weights are not in this test's folder
    put(roomy.weights / "pictograms-vqgan")
    assert Catalog.scan(roomy).default("vqgan").name == "pictograms-vqgan"
    assert names(roomy).count("pictograms-vqgan") == 1
    assert isinstance(load("pictograms-vqgan", roomy), Vqgan)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.pack == "hub"], ids=lambda spec: spec.name)
def test_published_ones_are_read_from_the_folder_inside(roomy, spec):
    with pytest.raises(ModelUnavailable, match=f"python -m models.fetch {spec.name}"):
        load(spec.name, roomy)
    part = Path(spec.files[0]).parent
    tiny_network().save_pretrained(tiny_hub.hub_path(roomy.hub_folder, spec.source) / part, variant="fp16")
    assert load(spec.name, roomy).channels == 6


def test_sizes_are_multiples_of_the_factor():
    factors = {"pictograms-vqgan": 8, "amused-vqgan-f16": 16, "ldm-vqgan-f4": 4, "movq-f8": 8}
    for spec in SPECS:
        for side in (spec.controls["width"], spec.controls["height"]):
            assert side.step == factors[spec.name]
            assert not any(edge % side.step for edge in (side.minimum, side.maximum, side.default))


@pytest.mark.parametrize("place", ["hub_folder", "weights"])
def test_a_converted_checkpoint_is_found_and_loads(roomy, place):
    model, config = tiny_taming.make(ch_mult=[1, 2, 2], resolution=128, attn_resolutions=[32])
    paths = tiny_taming.save(roomy.output, config, {"state_dict": tiny_taming.state_of(model)})
    convert(*paths, getattr(roomy, place) / "my-vqgan")
    spec = Catalog.scan(roomy).get("my-vqgan")
    digest = json.loads((getattr(roomy, place) / "my-vqgan" / "source.json").read_text())["sha256"]
    assert (spec.role, spec.pack, spec.revision) == ("vqgan", "hub", digest[:12])
    assert spec.controls["width"] == Range(64, 2048, 4, 128)
    assert 0 < spec.memory_mb < 10 and Catalog.scan(roomy).is_available(spec)
    pixels = torch.rand(1, 3, 32, 32)
    assert torch.equal(load("my-vqgan", roomy).codes(pixels), model(pixels * 2 - 1)[0])


def test_a_gumbel_projection_travels_with_it(roomy):
    model, config = tiny_taming.make(gumbel=True, ch_mult=[1, 2], resolution=32, attn_resolutions=[])
    paths = tiny_taming.save(roomy.output, config, {"state_dict": tiny_taming.state_of(model)})
    convert(*paths, roomy.hub_folder / "gumbel")
    pixels = torch.rand(1, 3, 32, 32)
    assert torch.equal(load("gumbel", roomy).codes(pixels), model(pixels * 2 - 1)[0])


def test_what_is_no_vqgan_is_not_listed(roomy):
    before = names(roomy)
    for number, text in enumerate(["{", "[]", '{"_class_name": "AutoencoderKL", "block_out_channels": [8]}', "9" * 99]):
        folder = put(roomy.hub_folder / f"other-{number}")
        (folder / "config.json").write_text(text)
    put(roomy.hub_folder / ".half-written")
    (put(roomy.hub_folder / "no-weights") / "diffusion_pytorch_model.safetensors").unlink()
    (roomy.hub_folder / "a-file").write_text("x")
    assert names(roomy) == before


def test_a_name_of_the_catalog_is_not_taken_twice(roomy):
    put(roomy.hub_folder / "sd-turbo")
    put(roomy.hub_folder / "amused--amused-256")  # a folder that another spec reads from
    put(roomy.hub_folder / "twice")
    put(roomy.weights / "twice")
    assert names(roomy).count("twice") == 1
    assert not {"sd-turbo", "amused--amused-256"} & set(names(roomy))


def test_a_folder_that_went_away_is_said(roomy):
    folder = put(roomy.hub_folder / "mine")
    catalog = Catalog.scan(roomy)
    folder.rename(roomy.hub_folder / "renamed")
    assert not catalog.is_available(catalog.get("mine"))
    with (
        pytest.raises(ModelUnavailable, match="mine is not here any more: its folder was moved, renamed or emptied"),
        ModelPool(catalog, roomy).use("mine"),
    ):
        pass


def test_a_damaged_one_is_said_without_a_command_that_cannot_help(roomy, caplog):
    caplog.set_level(logging.CRITICAL)
    folder = put(roomy.hub_folder / "mine")
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ModelUnavailable, match=r"mine is here but cannot be read .* Get or convert them again"):
        load("mine", roomy)

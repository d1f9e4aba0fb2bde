"""Published VQGANs come through the conversion with the codes and the pictures of the original."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import BadRequest
from models.convert.__main__ import main
from models.convert.vqgan import convert
from models.families.vqgan import Vqgan, read_folder
from tests.models import tiny_taming

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"


def converted(tmp_path: Path, config: Path, checkpoint: Path) -> Vqgan:
    convert(config, checkpoint, tmp_path / "out")
    return read_folder(tmp_path / "out", torch.float32)


@pytest.mark.parametrize("name", ["taming-vqgan-f4", "taming-vqgan-f16", "taming-gumbel-f8"])
def test_the_originals_answers_are_reproduced(tmp_path, name):
    folder = FIXTURES / name
    if not folder.is_dir():
        pytest.skip("the fixtures of the original implementation are not beside this checkout")
    vqgan = converted(tmp_path, folder / "model.yaml", folder / "last.ckpt")
    expected = {key: torch.from_numpy(value) for key, value in np.load(folder / "expected.npz").items()}
    pixels = expected["image"] / 2 + 0.5
    latent = vqgan.encode(pixels)
    assert torch.equal(vqgan.codes(pixels), expected["indices"])
    torch.testing.assert_close(latent, expected["z_quantised"], atol=1e-6, rtol=0)
    torch.testing.assert_close(vqgan.decode(latent) * 2 - 1, expected["reconstruction"], atol=1e-4, rtol=0)
    if "gumbel" not in name:
        assert torch.equal(vqgan.indices(expected["z_before_quantise"]), expected["indices"])


VARIANTS = {
    "two levels, attention at both": {"ch_mult": [1, 2], "resolution": 32, "attn_resolutions": [32, 16]},
    "attention in the middle alone": {"ch_mult": [1, 1, 3], "resolution": 64, "attn_resolutions": []},
    "more blocks": {"ch_mult": [1, 2], "resolution": 32, "attn_resolutions": [16], "num_res_blocks": 2},
    "wider": {"ch_mult": [1, 2, 1], "resolution": 64, "attn_resolutions": [32], "ch": 64},
    "one level": {"ch_mult": [1], "resolution": 16, "attn_resolutions": [16]},
    "odd training size": {"ch_mult": [1, 1, 2], "resolution": 50, "attn_resolutions": [24, 12]},
    "few latent channels": {"ch_mult": [1, 2], "resolution": 32, "attn_resolutions": [], "z_channels": 3},
    "no attention": {"ch_mult": [1, 2], "resolution": 32, "attn_resolutions": [16], "attn_type": "none"},
    "gumbel": {"ch_mult": [1, 2], "resolution": 32, "attn_resolutions": [16], "gumbel": True},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_networks_of_other_shapes_agree_with_a_second_implementation(tmp_path, variant):
    model, config = tiny_taming.make(**variant)
    paths = tiny_taming.save(tmp_path, config, {"state_dict": tiny_taming.state_of(model), "epoch": 3})
    vqgan = converted(tmp_path, *paths)
    pixels = torch.rand(2, 3, 16, 32, generator=torch.Generator().manual_seed(1))
    indices, pictures = model(pixels * 2 - 1)
    assert len(indices.unique()) > 3
    assert torch.equal(vqgan.codes(pixels), indices)
    torch.testing.assert_close(vqgan.decode(vqgan.encode(pixels)) * 2 - 1, pictures, atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def small() -> tuple:
    return tiny_taming.make(ch_mult=[1, 2], resolution=32, attn_resolutions=[16])


def test_the_first_stage_of_a_transformer_is_taken_alone(tmp_path, small):
    model, config = small
    state = tiny_taming.state_of(model, prefix="first_stage_model.")
    state |= {"transformer.tok_emb.weight": torch.ones(4, 4), "cond_stage_model.encoder.conv_in.weight": torch.ones(1)}
    outer = {
        "target": "taming.models.cond_transformer.Net2NetTransformer",
        "params": {"first_stage_config": config["model"]},
    }
    vqgan = converted(tmp_path, *tiny_taming.save(tmp_path, {"model": outer}, {"state_dict": state}))
    pixels = torch.rand(1, 3, 16, 16)
    assert torch.equal(vqgan.codes(pixels), model(pixels * 2 - 1)[0])


def test_what_training_leaves_is_passed_over(tmp_path, small):
    model, config = small
    state = tiny_taming.state_of(model) | {
        "colorize": torch.ones(3, 4, 1, 1),
        "quantize.used": torch.arange(3),
        "quantize.embedding.cluster_size": torch.ones(48),
        "model_ema.decay": torch.ones(()),
    }
    assert converted(tmp_path, *tiny_taming.save(tmp_path, config, {"state_dict": state})).factor == 2


def test_the_folder_is_safetensors_with_a_card(tmp_path, small):
    from diffusers import VQModel

    model, config = small
    paths = tiny_taming.save(tmp_path, config, {"state_dict": tiny_taming.state_of(model)})
    assert convert(*paths, tmp_path / "far" / "out").endswith("VQGAN: f2, 48 codes of 8 channels.")
    folder = tmp_path / "far" / "out"
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "diffusion_pytorch_model.safetensors", "source.json", "README.md"}
    assert not any(path.stat().st_mode & 0o044 != 0o044 for path in [folder, *folder.iterdir()])
    digest = hashlib.sha256(paths[1].read_bytes()).hexdigest()
    assert (
        digest in (folder / "README.md").read_text()
        and json.loads((folder / "source.json").read_text())["sha256"] == digest
    )
    plain = VQModel.from_pretrained(folder)
    torch.testing.assert_close(plain.quantize.embedding.weight.detach(), model.codes.weight.detach(), atol=0, rtol=0)
    assert [path.name for path in folder.parent.iterdir()] == ["out"]  # nothing half-written beside it


def test_values_that_are_not_finite_are_refused(tmp_path, small):
    model, config = small
    state = {name: value.clone() for name, value in tiny_taming.state_of(model).items()}
    state["quant_conv.bias"][0] = float("nan")
    paths = tiny_taming.save(tmp_path, config, {"state_dict": state})
    with pytest.raises(BadRequest, match="not finite in quant_conv"):
        convert(*paths, tmp_path / "out")


def test_a_folder_in_use_is_kept(tmp_path, small):
    model, config = small
    paths = tiny_taming.save(tmp_path / "in", config, {"state_dict": tiny_taming.state_of(model)})
    with pytest.raises(BadRequest, match="something in in already"):
        convert(*paths, tmp_path / "in")
    (tmp_path / "empty").mkdir()
    convert(*paths, tmp_path / "empty")
    assert (tmp_path / "empty" / "config.json").is_file()


def test_the_command_line_answers_in_one_line(tmp_path, small, capsys):
    model, config = small
    state = tiny_taming.state_of(model)
    del state["quant_conv.weight"]
    config_path, checkpoint = tiny_taming.save(tmp_path, config, {"state_dict": state})
    command = ["vqgan", "--config", str(config_path), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    assert main(command) == 1
    assert capsys.readouterr().err == "last.ckpt lacks quant_conv.weight, which model.yaml asks for.\n"
    tiny_taming.save(tmp_path, config, {"state_dict": tiny_taming.state_of(model)})
    assert main(command) == 0
    assert "f2, 48 codes" in capsys.readouterr().out
    checkpoint.unlink()
    assert main([*command[:-1], str(tmp_path / "other")]) == 1
    assert "no file last.ckpt" in capsys.readouterr().err

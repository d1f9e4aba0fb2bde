"""The YAML files of published VQGANs, and those that do not fit."""

from __future__ import annotations

import copy
import math

import pytest

from common.errors import BadRequest
from models.convert.vqgan import convert, wanted_weights
from models.convert.vqgan_config import VqganPlan
from tests.models import tiny_taming

PUBLISHED = {  # latent channels, codes, ch_mult, attention at, Gumbel, and millions of weights as published
    "ImageNet f16 16384": (256, 16384, (1, 1, 2, 2, 4), (16,), False, 76.07),
    "Gumbel f8": (256, 8192, (1, 1, 2, 4), (32,), True, 69.0),
    "latent diffusion f4": (3, 8192, (1, 2, 4), (), False, 55.32),
}


@pytest.mark.parametrize("published", PUBLISHED.values(), ids=PUBLISHED)
def test_published_networks_have_their_published_size(published):
    channels, codes, ch_mult, attends, gumbel, millions = published
    plan = VqganPlan(codes, channels, channels, 256, 128, ch_mult, 2, attends, attention=True)
    wanted = wanted_weights(plan, gumbel)
    assert round(sum(math.prod(shape) for _, shape in wanted.values()) / 1e6, 2) == millions
    assert len({original for original, _ in wanted.values()}) == len(wanted)


@pytest.fixture(scope="module")
def small() -> tuple:
    return tiny_taming.make(ch_mult=[1, 2], resolution=32, attn_resolutions=[16])


def change(config: dict, **ddconfig) -> dict:
    config = copy.deepcopy(config)
    config["model"]["params"]["ddconfig"] |= ddconfig
    return config


@pytest.mark.parametrize(
    ("ddconfig", "words"),
    [
        ({"ch_mult": [2, 4]}, r"ch_mult in model.yaml is \[2, 4\]; .* begin with 1"),
        ({"ch_mult": "1,2"}, "ch_mult in model.yaml is '1,2'; needed is a list"),
        ({"ch": 48}, "ch in model.yaml is 48; .* multiple of 32"),
        ({"in_channels": 182}, "in_channels in model.yaml is 182; this app can work with 3"),
        ({"double_z": True}, "double_z in model.yaml is True"),
        ({"attn_type": "linear"}, "attn_type in model.yaml is 'linear'"),
        ({"z_channels": 0}, "z_channels in model.yaml is 0; needed is a whole number"),
        ({"num_res_blocks": 9999}, "num_res_blocks in model.yaml is 9999; .* from 1 to 16"),
        ({"resolution": 1}, "resolution in model.yaml is 1, too small for 2 levels"),
        ({"ch_mult": [1, 3]}, r"has shape \(.*\); model.yaml asks for \("),
        ({"ch_mult": [1, 2, 2]}, "last.ckpt lacks decoder.up.2.block.0.conv1.bias, .* and 24 more, which model.yaml"),
        ({"ch_mult": [1]}, "last.ckpt holds .* which model.yaml does not know"),
        ({"attn_resolutions": []}, "last.ckpt holds decoder.up.1.attn.0.k.bias, .* and 26 more, which model.yaml"),
    ],
)  # fmt: skip
def test_a_config_that_does_not_fit_is_one_sentence_and_writes_nothing(tmp_path, small, ddconfig, words):
    model, config = small
    paths = tiny_taming.save(tmp_path, change(config, **ddconfig), {"state_dict": tiny_taming.state_of(model)})
    with pytest.raises(BadRequest, match=words) as error:
        convert(*paths, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "model.yaml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: [1, 2", "is not YAML of plain values"),
        ("!!python/object/apply:os.system ['true']", "is not YAML of plain values"),
        ("just words", "does not describe a model"),
        ("model: {target: x, params: {embed_dim: 3}}", "has no `ddconfig`"),
        ("model: {target: ldm.models.autoencoder.AutoencoderKL, params: {embed_dim: 3}}", "which has no codebook"),
        ("model: &m {params: {first_stage_config: *m}}", "does not describe a model"),
    ],
)
def test_a_file_that_is_no_config_is_one_sentence(tmp_path, small, text, words):
    paths = tiny_taming.save(tmp_path, {}, {"state_dict": tiny_taming.state_of(small[0])})
    paths[0].write_text(text)
    with pytest.raises(BadRequest, match=words):
        convert(*paths, tmp_path / "out")

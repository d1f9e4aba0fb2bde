"""Checkpoints of OFA that are absent, incomplete, of another network, damaged or hostile."""

from __future__ import annotations

import dataclasses
import json
import os
import re

import pytest
import torch

from common.errors import ModelUnavailable
from models.catalog import Catalog
from models.pool import ModelPool
from tests.models import tiny_hub, tiny_ofa

SOURCE = "OFA-Sys/ofa-tiny"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    return folder, tiny_ofa.save_ofa(tiny_hub.hub_path(folder, SOURCE))


@pytest.fixture
def make_pool(settings):
    def make(folder, **changes):
        mine = dataclasses.replace(settings, hub_folder=folder, max_memory_gb=50.0, **changes)
        return ModelPool(Catalog.scan(mine), mine)

    return make


@pytest.fixture
def broken(make_pool, hub, tmp_path):
    """`broken(state=..., name=text or bytes ...)`: the message that a checkpoint changed this way is refused with."""

    def refuse(state=None, **files):
        folder = tiny_hub.hub_path(tmp_path, SOURCE)
        folder.mkdir()
        for name in ("config.json", "vocab.json", "merges.txt", "pytorch_model.bin"):
            os.link(tiny_hub.hub_path(hub[0], SOURCE) / name, folder / name)
        if state is not None:
            files["pytorch_model.bin"] = lambda path: torch.save(state, path)
        for name, content in files.items():
            (folder / name).unlink()
            content(folder / name) if callable(content) else (folder / name).write_text(content)
        with pytest.raises(ModelUnavailable) as error, make_pool(tmp_path).use("ofa-tiny"):
            pass
        return str(error.value)

    return refuse


def test_absent_checkpoint_names_its_command(make_pool, tmp_path):
    with (
        pytest.raises(ModelUnavailable, match=r"python -m models\.fetch ofa-tiny"),
        make_pool(tmp_path).use("ofa-tiny"),
    ):
        pass


def test_incomplete_weights_are_refused(broken, hub):
    state = {name: value for name, value in hub[1].items() if not name.startswith("decoder.layers.1.")}
    said = broken(state)
    gone = len(hub[1]) - len(state)
    assert re.match(rf"OFA tiny lacks decoder\.layers\.1\.self_attn\.c_attn, .* and {gone - 2} more among its", said)


def test_weights_of_a_variant_are_refused(broken, hub):
    said = broken({**hub[1], "encoder.layers.0.w_resid": torch.ones(16)})
    assert said == ("OFA tiny has encoder.layers.0.w_resid among its weights, which its config.json does not tell of.")


@pytest.mark.parametrize("name", ["encoder.image_proj.weight", "decoder.output_projection.weight"])
def test_weights_of_another_size_are_refused(broken, hub, name):
    said = broken({**hub[1], name: torch.ones(3, 16)})
    assert said.startswith(f"OFA tiny has {name} of shape (3, 16); by its config.json it must be (")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"model_type": "bert"}, "holds a bert; it must be an ofa."),
        ({"encoder_normalize_before": False}, "is a variant of OFA with encoder_normalize_before False"),
        ({"use_ofasys": True}, "is a variant of OFA with use_ofasys True; only False is known."),
        ({"resnet_type": "vit"}, "has resnet_type 'vit'; known are resnet18, resnet34"),
        ({"d_model": -16}, "has d_model -16 in its config.json, which is no size of a network."),
        ({"attn_scale_factor": "2"}, "has attn_scale_factor '2' in its config.json"),
        ({"encoder_attention_heads": 3}, "has a width of 16, which 3 heads cannot share."),
        ({"encoder_layers": 1}, "among its weights, which its config.json does not tell of."),
        ({"bos_token_id": 5}, "has <s> as number 0 of its vocab.json and not 5."),
    ],
)
def test_configs_that_do_not_fit_are_refused(broken, change, wanted):
    content = {**tiny_ofa.config(len(tiny_ofa.vocabulary()[0]) + 40), **change}
    assert wanted in broken(**{"config.json": json.dumps(content)})


def test_config_without_a_size_is_refused(broken):
    content = tiny_ofa.config(100)
    del content["d_model"], content["resnet_type"]
    said = broken(**{"config.json": json.dumps(content)})
    assert said == "OFA tiny has a config.json without d_model, resnet_type."


def test_damaged_files_are_refused(broken):
    assert "pytorch_model.bin is not a checkpoint written by PyTorch" in broken(
        **{"pytorch_model.bin": "version https"}
    )


def test_files_that_are_no_json_are_refused(broken):
    assert "OFA tiny is here but cannot be read" in broken(**{"config.json": "{"})


def test_vocabulary_of_another_model_is_refused(broken):
    words = {**tiny_ofa.vocabulary()[0], "far": 5000}
    assert "that are not the first of its" in broken(**{"vocab.json": json.dumps(words)})


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hacked",)


def test_hostile_weights_run_nothing(broken, hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = broken({**hub[1], "encoder.extra": Hostile()})
    assert "asks to run" in said and not (tmp_path / "hacked").exists()

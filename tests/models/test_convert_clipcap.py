"""Converting ClipCap checkpoints: what is kept, what is dropped, and what is refused in one sentence."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file

from models.convert.__main__ import main
from models.families.clipcap import ClipCap, read_wording
from tests.models import tiny_clipcap
from tests.models.tiny_tokenizers import publish_tokenizer

torch.manual_seed(0)
MLP = tiny_clipcap.mlp_weights(24, 32, 6)
TRANSFORMER = tiny_clipcap.transformer_weights(20, 32, 5, 3, 2)


def paths(folder, mapper=MLP, tokenizer=False, change=None, **sizes):
    config = tiny_clipcap.gpt2_config(**sizes)
    state = tiny_clipcap.checkpoint(tiny_clipcap.language_model(config), mapper)
    if change:
        state = change(state) or state
    return *tiny_clipcap.save(folder, state, config, tokenizer), state


def run(checkpoint, gpt2, out, *more: str) -> int:
    asked = ["--checkpoint", str(checkpoint), "--gpt2", str(gpt2), "--clip", "clip-vit-b-32", "--out", str(out)]
    return main(["clipcap", *asked, *more])


def test_what_lies_in_the_folder(tmp_path, capsys):
    size = len(tiny_clipcap.gpt2_tokenizer())
    checkpoint, gpt2, state = paths(tmp_path, tokenizer=True, vocab_size=size)
    assert run(checkpoint, gpt2, tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "is a ClipCap: MLP mapper, 24 values to a prefix of 6 vectors of 32" in said and "as they are" in said
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["mapper"] == {"kind": "mlp", "prefix_length": 6, "clip_size": 24}
    assert (config["clip"], config["normalise"]) == ("clip-vit-b-32", False)
    assert config["stop"] == tiny_clipcap.gpt2_tokenizer().encode(".")
    assert config["gpt2"]["n_layer"] == 2 and "model_type" not in config["gpt2"]
    assert (tmp_path / "out" / "tokenizer.json").is_file()
    weights = {}
    for path in (tmp_path / "out").glob("*.safetensors"):
        assert path.stat().st_size < 10_000_000
        weights |= load_file(path)
    kept = {n for n in state if not n.endswith((".attn.bias", ".masked_bias")) and n != "gpt.lm_head.weight"}
    assert set(weights) == kept and all(torch.equal(weights[name], state[name]) for name in kept)
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    card = (tmp_path / "out" / "README.md").read_text()
    assert source["checkpoint"] == "model.pt" and source["sha256"] in card and str(tmp_path) not in card


def test_large_weights_are_split_into_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("models.convert.clipcap.shards_of.__defaults__", (20_000,))
    checkpoint, gpt2, state = paths(tmp_path)
    assert run(checkpoint, gpt2, tmp_path / "out") == 0
    shards = sorted((tmp_path / "out").glob("*.safetensors"))
    assert len(shards) > 3 and shards[0].name == f"model-00001-of-{len(shards):05d}.safetensors"
    whole = ClipCap.from_folder(tmp_path / "out")
    vectors = torch.ones(1, 24)
    torch.testing.assert_close(whole.prefix(vectors), tiny_clipcap.original_prefix(state, vectors, 32))


@pytest.mark.parametrize(
    ("mapper", "flag", "unit"),
    [(MLP, [], False), (TRANSFORMER, [], True), (MLP, ["--normalise"], True), (TRANSFORMER, ["--no-normalise"], False)],
)
def test_vectors_are_normalised_as_published_unless_said(tmp_path, mapper, flag, unit):
    checkpoint, gpt2, _ = paths(tmp_path, mapper)
    assert run(checkpoint, gpt2, tmp_path / "out", *flag) == 0
    assert ClipCap.from_folder(tmp_path / "out").config["normalise"] is unit


def test_wrappers_and_other_forms_of_the_same(tmp_path):
    def wrapped(state):
        return {"state_dict": {f"module.{name.replace('gpt.', 'gpt2.')}": value for name, value in state.items()}}

    checkpoint, gpt2, _ = paths(tmp_path / "wrapped", change=wrapped)
    (gpt2 / "config.json").rename(gpt2 / "gpt2_config.json")
    assert run(checkpoint, gpt2, tmp_path / "a") == 0
    assert run(checkpoint, gpt2 / "gpt2_config.json", tmp_path / "b") == 0
    single = {"clip_project.weight": torch.randn(64, 9), "clip_project.bias": torch.randn(64)}
    checkpoint, gpt2, _ = paths(tmp_path / "single", single)
    assert run(checkpoint, gpt2, tmp_path / "c") == 0
    model, vectors = ClipCap.from_folder(tmp_path / "c"), torch.randn(2, 9)
    wanted = (vectors @ single["clip_project.weight"].T + single["clip_project.bias"]).view(2, 2, 32)
    torch.testing.assert_close(model.prefix(vectors), wanted)


def test_tokenizer_files_as_gpt2_has_them(tmp_path):
    """Vocabulary and merges, and a config that does not say of which class it is."""
    size = len(tiny_clipcap.gpt2_tokenizer())
    checkpoint, gpt2, _ = paths(tmp_path, tokenizer=True, vocab_size=size)
    publish_tokenizer(gpt2)
    (gpt2 / "tokenizer_config.json").write_text('{"model_max_length": 1024}')
    assert run(checkpoint, gpt2, tmp_path / "out") == 0
    wording = read_wording(tmp_path / "out", [1], size)
    tokens = wording.encode("a red car on grass")
    assert tokens == tiny_clipcap.gpt2_tokenizer().encode("a red car on grass") and len(tokens) == 5
    assert wording.text([*tokens, size - 1]) == "a red car on grass" and wording.stop == (1, size - 1)
    (gpt2 / "vocab.json").write_text("[")
    assert run(checkpoint, gpt2, tmp_path / "again") == 1


def drop(name):
    def change(state):
        del state[name]

    return change


def put(name, *shape):
    def change(state):
        state[name] = torch.zeros(*shape)

    return change


def uneven(state):
    state |= {"clip_project.model.2.weight": torch.zeros(190, 96), "clip_project.model.2.bias": torch.zeros(190)}


def broken(state):
    state["gpt.transformer.ln_f.bias"][3] = float("nan")


M, T = "clip_project.model", "clip_project.transformer.layers.1"
CONST, LINEAR, GPT = "clip_project.prefix_const", "clip_project.linear.weight", "gpt.transformer"


@pytest.mark.parametrize(
    ("mapper", "change", "said"),
    [
        (MLP, put(f"{M}.2.weight", 192, 50), "takes 50 values, but the layer before it gives 96"),
        (MLP, put(f"{M}.0.bias", 5), f"{M}.0.bias has shape (5,), but {M}.0.weight gives 96"),
        (MLP, uneven, "gives 190 values, which is no multiple of 32, the width of the language model"),
        (MLP, drop(f"{M}.2.bias"), f"The checkpoint lacks {M}.2.bias"),
        ({}, None, f"has no mapper: neither {M} nor {CONST}"),
        (TRANSFORMER, put(CONST, 5, 40), "has vectors of 40 values, but the language model's have 32"),
        (TRANSFORMER, put(LINEAR, 70, 20), "gives 70 values, which is no multiple of the width 32"),
        (TRANSFORMER, put(f"{T}.mlp.fc2.weight", 32, 60), "the mapper's width is 32 and that of its MLPs 64"),
        (TRANSFORMER, drop(f"{T}.norm1.weight"), f"lacks {T}.norm1.weight"),
        (TRANSFORMER, put(CONST, 48, 32), "makes a prefix of 48 vectors, but the language model reads only 48"),
        (MLP, put(f"{GPT}.wte.weight", 90, 32), "(90, 32), but the language model's config asks for (97, 32)"),
        (MLP, drop(f"{GPT}.h.1.ln_1.bias"), f"lacks {GPT}.h.1.ln_1.bias"),
        (MLP, put(f"{GPT}.h.2.ln_1.bias", 32), "has 3 layers of GPT-2, and the config says 2"),
        (MLP, put("gpt.lm_head.weight", 97, 31), "gpt.lm_head.weight has shape (97, 31), but"),
        (MLP, broken, f"not finite in {GPT}.ln_f.bias"),
    ],
)
def test_what_contradicts_itself_is_named_in_one_sentence(tmp_path, capsys, mapper, change, said):
    checkpoint, gpt2, _ = paths(tmp_path, mapper, change=change)
    assert run(checkpoint, gpt2, tmp_path / "out") == 1
    message = capsys.readouterr().err.strip()
    assert said in message and message.count("\n") == 0 and str(tmp_path) not in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "config.json is not the config of a GPT-2"),
        ('{"model_type": "gpt2"}', "config.json is not the config of a GPT-2"),
        (json.dumps({**tiny_clipcap.gpt2_config(), "model_type": "bert"}), "is the config of a bert"),
        (json.dumps(tiny_clipcap.gpt2_config(n_layer=-1)), "gives sizes that no GPT-2 has"),
        (json.dumps(tiny_clipcap.gpt2_config(n_head=5)), "width is 32, which its 5 heads cannot share"),
        (json.dumps(tiny_clipcap.gpt2_config(n_layer=3)), "lacks gpt.transformer.h.2"),
    ],
)
def test_configs_that_are_none(tmp_path, capsys, config, said):
    checkpoint, gpt2, _ = paths(tmp_path)
    (gpt2 / "config.json").write_text(config)
    assert run(checkpoint, gpt2, tmp_path / "out") == 1
    assert said in capsys.readouterr().err


def test_hostile_and_missing_files(tmp_path, capsys):
    checkpoint, gpt2, _ = paths(tmp_path)
    hostile = tmp_path / "hostile.pt"
    hostile.write_bytes(pickle.dumps({"x": print}))
    assert run(hostile, gpt2, tmp_path / "out") == 1
    assert "is not a checkpoint" in capsys.readouterr().err
    assert run(tmp_path / "none.pt", gpt2, tmp_path / "out") == 1
    assert "There is no file none.pt to convert" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(checkpoint, tmp_path / "empty", tmp_path / "out") == 1
    assert "There is no config.json of a GPT-2 in empty" in capsys.readouterr().err
    assert run(checkpoint, "no such/folder at/all", tmp_path / "out") == 1
    assert "neither a folder here nor a repository of the hub" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    assert run(checkpoint, gpt2, tmp_path / "full") == 1
    assert "There is something in full already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

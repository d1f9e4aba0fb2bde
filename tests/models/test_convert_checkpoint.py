"""Checkpoints of every age are read, and damaged ones are one sentence."""

from __future__ import annotations

import collections
import pickle
import struct
import types
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from common.errors import BadRequest
from models.convert.checkpoint import open_checkpoint


def read_all(path: Path) -> dict[str, torch.Tensor]:
    with open_checkpoint(path) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.shapes}


@pytest.fixture
def state() -> collections.OrderedDict:
    grid = torch.arange(12.0).view(3, 4)
    tensors = {
        "plain": grid.clone(),
        "turned": grid.t(),
        "part": grid[1:, ::2],
        "half": grid.half(),
        "bf16": grid.bfloat16(),
        "whole": torch.arange(5),
        "truth": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "nothing": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(grid + 1),
        "shared": grid,
    }
    return collections.OrderedDict(tensors)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before zip"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["Lightning", "bare"])
def test_every_tensor_comes_out_as_torch_wrote_it(tmp_path, state, zipped, wrapped):
    content = {"state_dict": state, "epoch": 7, "hparams": {"lr": 0.1}} if wrapped else state
    torch.save(content, tmp_path / "last.ckpt", _use_new_zipfile_serialization=zipped)
    found = read_all(tmp_path / "last.ckpt")
    assert list(found) == list(state)
    for name, value in state.items():
        torch.testing.assert_close(found[name], value.detach().float(), atol=0, rtol=0)
        assert found[name].is_contiguous()


def test_safetensors_are_read_too(tmp_path):
    save_file({"a": torch.arange(6).view(2, 3).half()}, tmp_path / "last.safetensors")
    with open_checkpoint(tmp_path / "last.safetensors") as checkpoint:
        assert checkpoint.shapes == {"a": (2, 3)}
        torch.testing.assert_close(checkpoint.read("a"), torch.arange(6.0).view(2, 3))


class Callback:
    """Stands for what training frameworks pickle; `made` counts how often one was brought to life."""

    made = 0

    def __init__(self):
        self.best = collections.defaultdict(list, a=[1])

    def __setstate__(self, state):
        Callback.made += 1


def test_objects_of_frameworks_stay_asleep(tmp_path):
    trained = {"callbacks": {Callback: Callback()}, "settings": types.SimpleNamespace(a=1), "when": {Path("x"), 3}}
    torch.save({"state_dict": {"a": torch.ones(2)}, **trained}, tmp_path / "last.ckpt")
    assert read_all(tmp_path / "last.ckpt")["a"].tolist() == [1, 1]
    assert Callback.made == 0


def replace_pickle(path: Path, change) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, change(data) if name.endswith("data.pkl") else data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(struct.pack("<2f", 1, 1))] ^= 1
    path.write_bytes(data)


def memo_bomb(path: Path) -> None:
    replace_pickle(path, lambda data: b"\x80\x02Nr\xff\xff\xff\xff.")  # asks to remember item 4,294,967,295


def compress(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("last/data.pkl", pickle.dumps({}))
        archive.writestr("last/data/0", bytes(10**6))


def script(path: Path) -> None:
    torch.jit.script(torch.nn.ReLU()).save(str(path))


def endless(path: Path) -> None:
    replace_pickle(path, lambda data: b"\x80\x02" + b"(" * 50_000 + b"t" * 50_000 + b".")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, "is damaged"),
        (spoil, "is damaged"),
        (memo_bomb, "holds no state dict"),
        (compress, "compressed entries"),
        (script, "is a TorchScript program"),
        (endless, "holds no state dict"),
        (lambda path: path.write_bytes(b""), "is not a checkpoint written by PyTorch"),
        (lambda path: path.write_bytes(b"<html>404</html>"), "is not a checkpoint written by PyTorch"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "is not a checkpoint written by PyTorch"),
        (lambda path: path.unlink(), "There is no file last.ckpt"),
        (lambda path: torch.save([torch.ones(2)], path), "holds no state dict"),
        (lambda path: torch.save({"state_dict": {"a": "b"}}, path), "holds no state dict"),
    ],
)
def test_what_is_no_checkpoint_is_one_sentence(tmp_path, damage, words):
    path = tmp_path / "last.ckpt"
    torch.save({"a": torch.ones(2)}, path)
    damage(path)
    with pytest.raises(BadRequest, match=words) as error:
        read_all(path)
    assert "\n" not in str(error.value) and str(tmp_path) not in str(error.value)


def test_an_old_file_cut_short_is_one_sentence(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"a": torch.ones(200)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadRequest, match="is damaged"):
        read_all(path)


def test_a_plain_zip_is_no_checkpoint(tmp_path):
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(BadRequest, match="not one of PyTorch weights"):
        read_all(tmp_path / "last.ckpt")

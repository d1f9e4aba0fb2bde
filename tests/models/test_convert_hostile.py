"""No pickle runs anything, alters anything or reads what is not its own."""

from __future__ import annotations

import io

import pytest
import torch

from common.errors import BadRequest
from models.convert import unpickling
from models.convert.unpickling import Inert, RestrictedUnpickler
from tests.models.test_convert_checkpoint import read_all, replace_pickle

HOSTILE = {
    "reduce": b"cposix\nsystem\n(S'touch PLACE'\ntR.",
    "instance": b"(S'touch PLACE'\nios\nsystem\n.",
    "object": b"(cos\nsystem\nS'touch PLACE'\no.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0btouch PLACE\x85R.",
    "new object": b"\x80\x02csubprocess\nPopen\n(]X\x05\x00\x00\x00toucha]tb\x81.",
    "exec": b'cbuiltins\nexec\n(S\'open("PLACE", "w")\'\ntR.',
    "eval, old name": b'c__builtin__\neval\n(S\'open("PLACE", "w")\'\ntR.',
    "through importlib": b"cimportlib\nimport_module\n(S'os'\ntR.",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "beside weights"])
def test_a_hostile_pickle_runs_nothing_and_is_one_sentence(tmp_path, monkeypatch, code, inside):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"a": torch.ones(2)}, "extra": "HERE"}, path)
    replace_pickle(path, lambda data: splice(data, code) if inside else code)
    with pytest.raises(BadRequest, match=r"last.ckpt asks to run [\w.]+ while it is read, .* nothing was run") as error:
        read_all(path)
    assert "\n" not in str(error.value)
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


def splice(data: bytes, code: bytes) -> bytes:
    """The pickle with what `code` makes in the place of the text "HERE"."""
    before, after = data.split(b"X\x04\x00\x00\x00HERE")
    return before + code[:-1].removeprefix(b"\x80\x02").removeprefix(b"\x80\x04") + after


# Names that are not on the list of those that run commands are no better than they: they must simply have no effect.
@pytest.mark.parametrize(
    "code",
    [
        b"casyncio\nrun\n(S'x'\ntR.",
        b"cbuiltins\ngetattr\n(cbuiltins\nlist\nS'append'\ntR(S'x'\ntR.",
        b"ctorch\nload\n(S'PLACE'\ntR.",
        b"cnumpy\nsave\n(S'PLACE'\nI1\ntR.",
        b"cpathlib\nPath.touch\n(S'PLACE'\ntR.",
        b"csafe\nThing\n)R(S'a'\nI1\nS'b'\nI2\nd.",
        b"csafe\nThing\n)R(I1\nI2\ne.",
        b"csafe\nThing\n)R}(S'__class__'\nI1\nub.",
    ],
)
def test_other_names_have_no_effect(tmp_path, monkeypatch, code):
    monkeypatch.chdir(tmp_path)
    content = RestrictedUnpickler(io.BytesIO(code), "x").load()
    assert isinstance(content, Inert | dict)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["torch._utils _rebuild_tensor_v2", "collections OrderedDict", "torch FloatStorage"])
@pytest.mark.parametrize("state", [b"(dS'x'\nI1\nsb.", b"(N(dS'x'\nI1\nstb.", b"(N(dS'__defaults__'\n(I1\ntstb."])
def test_a_pickle_cannot_alter_what_reads_the_next_one(name, state):
    with pytest.raises((TypeError, AttributeError)):
        RestrictedUnpickler(io.BytesIO(b"c" + name.replace(" ", "\n").encode() + b"\n" + state), "x").load()
    assert unpickling._view.__defaults__ is None and not hasattr(unpickling._view, "x")


def tensor_pickle(count: int, offset: int, shape: str, stride: str) -> bytes:
    storage = f"(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI{count}\ntQ"
    view = f"(S'a'\nctorch._utils\n_rebuild_tensor_v2\n({storage}I{offset}\n{shape}{stride}I00\nNtRd."
    return view.encode()


@pytest.mark.parametrize(
    ("count", "offset", "shape", "stride"),
    [
        (2, 1, "(I2\nt", "(I1\nt"),  # past the end of the storage
        (2, 0, "(I2\nt", "(I1000000\nt"),
        (2, -1, "(I2\nt", "(I1\nt"),
        (2, 0, "(I2\nI1\nt", "(I1\nt"),
        (900, 0, "(I2\nt", "(I1\nt"),  # a storage longer than what the file holds
        (2, 0, "(S'x'\nt", "(I1\nt"),
    ],
)
def test_a_tensor_reads_nothing_but_its_storage(tmp_path, count, offset, shape, stride):
    path = tmp_path / "last.ckpt"
    torch.save({"a": torch.ones(2)}, path)
    replace_pickle(path, lambda data: tensor_pickle(count, offset, shape, stride))
    with pytest.raises(BadRequest, match=r"last\.ckpt is damaged"):
        read_all(path)
    replace_pickle(path, lambda data: tensor_pickle(2, 0, "(I2\nt", "(I1\nt"))
    assert read_all(path)["a"].tolist() == [1, 1]  # the fixture's own pickle is sound

"""Checkpoints: exact, complete, and unimpressed by what others put into a file."""

from __future__ import annotations

import json
import math
import os
import pickle
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from common.errors import BadRequest
from pipelines.vqgan_clip import checkpoint, run
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.request import ImagePrompt, Region, VqganClipRequest
from pipelines.vqgan_clip.steering import Steer

CANVAS = Image.radial_gradient("L").resize((32, 32))
FULL = VqganClipRequest(
    "a cat | fog:-0.5 ^ a dog",
    clips=("vit", "cnn"),
    image_prompts=(ImagePrompt(CANVAS.convert("RGB"), 0.5),),
    noise_prompts="3:0.2",
    regions=(Region("a tree", CANVAS),),
    freeze=CANVAS.rotate(90).crop((0, 0, 32, 32)),
    start_image=CANVAS.convert("RGB"),
    start_weight=0.5,
    start_decay=0.5,
    steps=8,
    runs=2,
    cuts=4,
    cuts_end=8,
    seed=3,
    tv=0.1,
)


def moved(request, services, steps: int, save=None, steer=()):
    """z and the picture after so many steps; `save` (step, path) leaves a checkpoint, `steer` are (step, change)."""
    with opened(request, services) as canvases:
        while canvases.step_number < steps:
            for when, change in steer:
                if when == canvases.step_number:
                    canvases.steer(change)
            canvases.step()
            if save and save[0] == canvases.step_number:
                checkpoint.save(save[1], canvases)
        return canvases.z.detach().clone(), canvases.picture(), list(canvases.log), canvases.begun


def test_a_run_goes_on_as_if_it_had_never_stopped(services, tmp_path):
    """Pictures, regions, masks, stories, schedules, two CLIPs and two canvases: nothing of it is asked for again."""
    path = tmp_path / "run.safetensors"
    z, picture, _, _ = moved(FULL, services, 8, save=(3, path))
    again = checkpoint.request_of(path)
    assert again.start == "checkpoint" and again.steps == 8
    z_again, picture_again, _, _ = moved(again, services, 8)
    assert torch.equal(z, z_again) and torch.equal(picture, picture_again)


def test_changes_before_and_after_the_checkpoint_are_kept(services, tmp_path):
    path = tmp_path / "run.safetensors"
    steer = [(1, Steer(prompts="a ship", rate=0.3)), (5, Steer(weight=(1, 2.0)))]
    request = replace(FULL, steps=8)
    z, _, log, begun = moved(request, services, 8, save=(3, path), steer=steer)
    saved = checkpoint.load(path)
    assert saved.step == 3 and [line["step"] for line in saved.log] == [1]
    assert saved.request.prompts.startswith("a cat") and saved.steered().prompts == "a ship"
    resumed = checkpoint.request_of(path)
    assert resumed.prompts == "a ship" and resumed.rate == 0.3
    z_again, _, log_again, begun_again = moved(resumed, services, 8, steer=steer[1:])
    assert torch.equal(z, z_again) and log == log_again
    assert begun_again.prompts == begun.prompts and begun_again.start == "image"


def test_a_branch_can_be_made_again_from_the_root(services, tmp_path):
    path = tmp_path / "run.safetensors"
    request = VqganClipRequest("a cat", steps=6, cuts=4, seed=3)
    straight, *_ = moved(request, services, 6, save=(2, path))
    branch = replace(checkpoint.request_of(path), prompts="a dog:2", noise=0.0)
    z, _, log, begun = moved(branch, services, 6)
    assert not torch.equal(z, straight)
    assert log == [{"step": 2, "prompts": "a dog:2", "noise": 0.0}] and begun.prompts == "a cat"
    root = replace(begun, log=tuple(log))
    assert root.checkpoint is None and root.start == "spot"
    assert torch.equal(moved(root, services, 6)[0], z)


def test_another_optimiser_goes_on_without_the_moments_of_the_first(services, tmp_path):
    path = tmp_path / "run.safetensors"
    request = VqganClipRequest("a cat", steps=6, cuts=4, seed=3)
    moved(request, services, 2, save=(2, path))
    with opened(replace(checkpoint.request_of(path), optimiser="RMSprop"), services) as canvases:
        assert canvases.step_number == 2 and "optimiser.square_avg" not in canvases.state_dict()
        canvases.step()
        assert "optimiser.square_avg" in canvases.state_dict()


@pytest.mark.parametrize(
    ("changes", "other"),
    [
        ({}, ()),
        ({"prompts": "a dog", "cuts": 8, "cuts_end": 8}, ()),  # the log tells of these
        ({"steps": 9}, ("steps",)),
        ({"preset": "classic", "ema": 0.5}, ("ema", "preset")),
        ({"cuts": 8, "cuts_end": 16}, ("cuts",)),
    ],
)
def test_changes_that_no_recipe_can_tell_of_are_named(services, path, changes, other):
    going = run.run(replace(checkpoint.request_of(path), **changes), services)
    *_, result = going
    told = [note for note in result.notes if run.KEEP_CHECKPOINT in note]
    assert bool(told) == bool(other) and all(f"({', '.join(other)})" in note for note in told)


@pytest.fixture
def path(services, tmp_path):
    path = tmp_path / "run.safetensors"
    moved(VqganClipRequest("a cat", steps=6, cuts=4, seed=3), services, 2, save=(2, path))
    return path


def test_it_is_one_file_without_pickles_or_leftovers(path):
    assert [each.name for each in path.parent.glob("*.safetensors*")] == ["run.safetensors"]
    assert not list(path.parent.glob(".*"))
    names = set(load_file(path))
    assert {"state.z", "state.optimiser.exp_avg", "state.average", "state.random.cuts", "state.step"} <= names


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 64}, "its z has the shape 1 × 4 × 8 × 8, this run's has 1 × 4 × 8 × 16"),
        ({"runs": 2}, "the number of runs that it was made with"),
        ({"steps": 2}, "has 2 steps behind it, and the number of steps in all is 2; it must be at least 3"),
    ],
)
def test_what_it_cannot_go_on_as_is_said(services, path, changes, words):
    with (
        pytest.raises(BadRequest, match=r"^[^\n]+$") as refused,
        opened(replace(checkpoint.request_of(path), **changes), services),
    ):
        pass
    assert words in str(refused.value)


def rewritten(path, tensors=None, about=None, metadata=None):
    """The same checkpoint with other tensors, or another description."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        old = json.loads(file.metadata()["clip-atelier"])
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, value in (tensors or {}).items():
        if value is None:
            del kept[name]
        else:
            kept[name] = value
    text = json.dumps({**old, **(about or {})}) if not isinstance(about, str) else about
    save_file(kept, path, metadata=metadata if metadata is not None else {"clip-atelier": text})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {"format": "pt"}}, "is a safetensors file of another kind"),
        ({"about": "{"}, "is no checkpoint, or a damaged one"),
        ({"about": '{"a": NaN}'}, "is no checkpoint, or a damaged one"),
        ({"about": "[]"}, "does not hold the settings"),
        ({"about": {"more": 1}}, "does not hold the settings"),
        ({"about": {"format": "99"}}, 'has the format "99"; this program reads format 1'),
        ({"about": {"request": {"evil": 1}}}, 'no setting "evil"'),
        ({"about": {"request": []}}, "does not hold the settings"),
        ({"about": {"log": [{"step": 1, "evil": 2}]}}, "A line of the log"),
        ({"tensors": {"evil": torch.zeros(1)}}, 'unknown entry "evil"'),
        ({"tensors": {"state.evil": torch.zeros(1)}}, 'unknown entry "evil"'),
        ({"tensors": {"picture.region.7": torch.zeros(3, 3, dtype=torch.uint8)}}, 'unknown entry "region.7"'),
        ({"tensors": {"picture.start": torch.zeros(3, 3)}}, '"start", which is no picture'),
        ({"tensors": {"state.step": None}}, "does not say at which step"),
        ({"tensors": {"state.z": None}}, 'lacks the entry "z"'),
        ({"tensors": {"state.step": torch.tensor(math.nan)}}, "does not say at which step"),
        ({"tensors": {"state.step": torch.tensor(-1)}}, "fewer than 0 steps"),
        ({"tensors": {"state.optimiser.evil": torch.zeros(1)}}, 'unknown entry "optimiser.evil"'),
        ({"tensors": {"state.optimiser.exp_avg": None}}, 'lacks the entry "optimiser.exp_avg"'),
        ({"tensors": {"state.optimiser.exp_avg": torch.zeros(3)}}, "its optimiser.exp_avg has the shape 3"),
        ({"tensors": {"state.pull": torch.tensor(math.nan, dtype=torch.float64)}}, '"pull" of this checkpoint is dam'),
        ({"tensors": {"state.random.cuts": torch.zeros(1, 9)}}, '"random.cuts" of this checkpoint is damaged'),
    ],
)
def test_forged_checkpoints_are_refused_in_one_sentence(services, path, change, words):
    rewritten(path, **change)
    with (
        pytest.raises(BadRequest, match=r"^[^\n]+$") as refused,
        opened(VqganClipRequest("a cat", checkpoint=path, steps=6, cuts=4), services),
    ):
        pass
    assert words in str(refused.value)


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_a_pickle_is_never_opened(services, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in (("a.ckpt", pickle.dumps(Evil())), ("b.safetensors", b""), ("c.safetensors", b"\xff" * 99)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadRequest, match=rf"^{name} is no checkpoint"):
            checkpoint.load(tmp_path / name)
    with pytest.raises(BadRequest, match="is missing or not a file"):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_a_full_disk_leaves_no_half_file(services, tmp_path, monkeypatch):
    with opened(VqganClipRequest("a cat", cuts=4), services) as canvases:
        monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            checkpoint.save(tmp_path / "x.safetensors", canvases)
    assert list(tmp_path.glob("*x.safetensors*")) == []

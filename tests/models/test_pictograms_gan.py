"""The GAN in the text-to-image contract: one step, seeds that depend on nothing else, and its place in the catalog."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from common.settings import Settings
from models.catalog import Catalog
from models.families.pictograms_gan import SPECS, PictogramGan
from models.families.sentence import SentenceEncoder
from models.gan_generator import Generator
from models.pool import ModelPool

SMALL = {"channels": [16, 8, 8, 8, 8], "refined": 8, "noise": 4, "text": 384, "words": 8, "style": 8}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return PictogramGan(Generator(**SMALL), SentenceEncoder())


def painted(model, seeds, prompt="a red car"):
    run = model.start(prompt, "", seeds, 64, 64, 1, 1.0, "")
    run.step()
    return run.predicted()


def test_a_picture_depends_on_words_and_seed_alone(model):
    together, alone = painted(model, [5, 6, 7]), painted(model, [6])
    assert together.shape == (3, 3, 64, 64) and together.dtype == torch.float32
    assert together.min() >= 0 and together.max() <= 1
    torch.testing.assert_close(together[1], alone[0], atol=1e-5, rtol=0)
    assert (together[0] - together[1]).abs().max() > 1e-3
    assert (painted(model, [6], "a blue cup") - alone).abs().max() > 1e-3


def test_there_is_one_step_and_nothing_before_it(model):
    run = model.start("a red car", "", [1, 2], 64, 64, None, 1.0, "")
    assert (run.done, run.total, run.size) == (0, 1, 2)
    with pytest.raises(RuntimeError, match="before the first step"):
        run.predicted()
    run.step()
    assert run.done == run.total
    with pytest.raises(RuntimeError, match="done"):
        run.step()


@pytest.mark.parametrize("before", [True, False])
def test_candidates_can_be_given_up(model, before):
    all_three, run = painted(model, [5, 6, 7]), model.start("a red car", "", [5, 6, 7], 64, 64, 1, 1.0, "")
    if before:
        run.keep([2, 0])
        run.step()
    else:
        run.step()
        run.keep([2, 0])
    assert run.seeds == (7, 5)
    torch.testing.assert_close(run.predicted(), all_three[[2, 0]], atol=1e-5, rtol=0)
    for wrong in ([], [0, 0], [2]):
        with pytest.raises(ValueError, match="cannot keep"):
            run.keep(wrong)


def test_what_is_not_read_is_said(model):
    assert model.overflow("a red car") == ""
    assert model.overflow("car " * 300).startswith("car")


@pytest.fixture
def settings(tmp_path):
    folder = tmp_path / "weights" / "pictograms-gan"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    state = {name: value.half().contiguous() for name, value in Generator(**SMALL).state_dict().items()}
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": SMALL}))
    return Settings(models="starter", device="cpu", weights=tmp_path / "weights", output=tmp_path / "out")


def test_it_is_listed_when_its_weights_are_here(settings, tmp_path):
    assert [spec.name for spec in Catalog.scan(settings).all() if spec.pack == "starter"] == [
        "minilm",
        "pictograms-gan",
    ]
    assert SPECS[0] not in Catalog.scan(Settings(weights=tmp_path)).all()


def test_the_diffusion_model_stays_the_first(settings):
    unet = settings.weights / "pictograms-ldm"
    unet.mkdir()
    (unet / "config.json").touch()
    assert Catalog.scan(settings).default("text_to_image").name == "pictograms-ldm"


def test_the_pool_loads_it(settings):
    pool = ModelPool(Catalog.scan(settings), settings, ["cpu"])
    with pool.use("pictograms-gan") as loaded:
        assert painted(loaded, [3]).shape == (1, 3, 64, 64)

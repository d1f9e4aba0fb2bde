"""The starter pack's diffusion model: two things painted alone in one run, plain backgrounds put behind."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import UNet2DConditionModel

from common.settings import Settings
from models.catalog import Catalog
from models.families.pictograms_ground import GROUNDS, ground_of
from models.families.pictograms_ldm import RECOLOURED, STRENGTH, strength_of, told
from models.pool import ModelPool
from tests.models import tiny_painter
from training import ldm


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    weights = tiny_painter.write(tmp_path_factory.mktemp("ldm") / "weights")
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**{**ldm.ARCHITECTURE, "block_out_channels": (16, 16, 16)})
    unet.save_pretrained(weights / "pictograms-ldm" / "unet")
    facts = {"schedule": ldm.SCHEDULE, **tiny_painter.FACTS}
    (weights / "pictograms-ldm" / "config.json").write_text(json.dumps(facts))
    settings = Settings(models="starter", device="cpu", weights=weights)
    with ModelPool(Catalog.scan(settings), settings, ["cpu"]).use("pictograms-ldm") as loaded:
        yield loaded


def painted(model, prompt, seeds, kept=None, guidance=2.0, negative=""):
    run = model.start(prompt, negative, seeds, 128, 128, 3, guidance, "DPM++ 2M")
    run.step()
    if kept is not None:
        run.keep(kept)
    while run.done < run.total:
        run.step()
    return run.predicted()


def test_two_things_are_painted_alone_and_set_where_the_words_say(model):
    both, alone = painted(model, "a red apple above a blue cup", [3, 4]), painted(model, "a red apple", [3, 4])
    above = torch.nn.functional.interpolate(alone, (64, 64), mode="area")
    torch.testing.assert_close(both[:, :, :64, 32:96], above, atol=1e-3, rtol=0)
    assert (both[:, :, 64:, 32:96] - above).abs().max() > 0.01
    assert (both[:, :, :, :32] == 1).all() and (both[:, :, :, 96:] == 1).all()


def test_candidates_of_two_things_can_be_given_up(model):
    prompt = "a red apple next to a blue cup"
    torch.testing.assert_close(
        painted(model, prompt, [5, 6, 7], kept=[2, 0]), painted(model, prompt, [7, 5]), atol=1e-3, rtol=0
    )


def test_a_background_of_one_colour_is_put_behind(model):
    coloured = painted(model, "a red apple next to a cup on a yellow background", [3])
    torch.testing.assert_close(coloured[0, :, 2, 2], torch.tensor(GROUNDS["yellow"]) / 255)


def test_the_words_and_the_negative_prompt_are_read(model):
    plain = painted(model, "a red apple", [3])
    assert (plain - painted(model, "a red apple", [3], negative="a long list of other things")).abs().max() > 1e-4
    assert (plain - painted(model, "a red apple", [3], guidance=1.0)).abs().max() > 1e-4


def test_sentence_vectors_leave_padding_out():
    states, mask = torch.randn(1, 3, 384), torch.tensor([[True, True, False]])
    vectors = told(states, mask)["class_labels"]
    torch.testing.assert_close(vectors, told(states[:, :2], mask[:, :2])["class_labels"])
    torch.testing.assert_close(vectors.square().mean(), torch.tensor(1.0))


@pytest.mark.parametrize(
    ("prompt", "strength"),
    [
        ("a red car in 3D style", RECOLOURED), ("a cat and a green dog", RECOLOURED),
        ("a car on a red background", STRENGTH),
        ("a black and white icon of a key", STRENGTH), ("a penguin", STRENGTH),
    ],
)  # fmt: skip
def test_things_in_a_named_colour_begin_as_noise(prompt, strength):
    bare, _ = ground_of(prompt)
    assert strength_of(bare) == strength

"""The GAN in the text-to-image contract: one step, seeds that depend on nothing else, and its place in the catalog."""

from __future__ import annotations

import pytest
import torch

from common.settings import Settings
from models.catalog import Catalog
from models.families.pictograms_gan import SPECS
from models.families.pictograms_ground import GROUNDS
from models.gan_generator import Generator
from models.pool import ModelPool
from tests.models import tiny_painter


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan")
    weights = tiny_painter.write(folder / "weights")
    return Settings(models="starter", device="cpu", weights=weights, output=folder / "out")


@pytest.fixture(scope="module")
def model(settings):
    with ModelPool(Catalog.scan(settings), settings, ["cpu"]).use("pictograms-gan") as loaded:
        yield loaded


def painted(model, seeds, prompt="a red car"):
    run = model.start(prompt, "", seeds, 128, 128, 1, 1.0, "")
    run.step()
    return run.predicted()


def test_a_picture_depends_on_words_and_seed_alone(model):
    together, alone = painted(model, [5, 6, 7]), painted(model, [6])
    assert together.shape == (3, 3, 128, 128) and together.dtype == torch.float32
    assert together.min() >= 0 and together.max() <= 1
    torch.testing.assert_close(together[1], alone[0], atol=1e-5, rtol=0)
    assert (together[0] - together[1]).abs().max() > 1e-3
    assert (painted(model, [6], "a blue cup") - alone).abs().max() > 1e-3


def test_there_is_one_step_and_nothing_before_it(model):
    run = model.start("a red car", "", [1, 2], 128, 128, None, 1.0, "")
    assert (run.done, run.total, run.size) == (0, 1, 2)
    with pytest.raises(RuntimeError, match="before the first step"):
        run.predicted()
    run.step()
    assert run.done == run.total
    with pytest.raises(RuntimeError, match="done"):
        run.step()


@pytest.mark.parametrize("before", [True, False])
def test_candidates_can_be_given_up(model, before):
    all_three, run = painted(model, [5, 6, 7]), model.start("a red car", "", [5, 6, 7], 128, 128, 1, 1.0, "")
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


def test_it_is_listed_when_its_weights_are_here(settings, tmp_path):
    names = [spec.name for spec in Catalog.scan(settings).all() if spec.pack == "starter"]
    assert "pictograms-gan" in names
    assert SPECS[0] not in Catalog.scan(Settings(weights=tmp_path)).all()


def test_it_is_the_one_to_meet_first(tmp_path):
    weights = tiny_painter.write(tmp_path / "weights")
    (weights / "pictograms-ldm" / "config.json").touch()
    catalog = Catalog.scan(Settings(weights=weights))
    starter = [spec.name for spec in catalog.all("text_to_image") if spec.pack == "starter"]
    assert starter == ["pictograms-gan", "pictograms-ldm"]
    assert catalog.default("text_to_image").name == "pictograms-gan"


def test_untrained_it_gives_back_its_first_neighbour(model):
    neighbours = model.neighbours("a red car", [3, 4])
    fresh = Generator(**tiny_painter.SMALL)
    latents = fresh(torch.randn(2, fresh.noise), torch.randn(2, 384), neighbours)
    torch.testing.assert_close(latents, neighbours[:, :4])


def test_it_redraws_what_is_shown(model):
    with torch.no_grad():
        first = model.decode(model.neighbours("a red car", [6])[:, :4])
    torch.testing.assert_close(model.shown("a red car", 6)[:1], first.clamp(0, 1), atol=1e-4, rtol=0)
    assert (painted(model, [6]) - first).abs().max() > 1e-3


def test_two_things_are_redrawn_alone_and_set_where_the_words_say(model):
    both = painted(model, [3, 4], "a red apple above a blue cup")
    with torch.inference_mode():
        neighbours = model.redrawn_from("a blue cup", [3, 4], 1)
        below = model.decode(model._redraw("a blue cup", neighbours, [3, 4]))
    half = torch.nn.functional.interpolate(below.clamp(0, 1), (64, 64), mode="area")
    torch.testing.assert_close(both[:, :, 64:, 32:96], half, atol=1e-4, rtol=0)
    assert (both[:, :, :, :32] == 1).all() and (both[:, :, :, 96:] == 1).all()


def test_a_background_of_one_colour_is_put_behind(model):
    plain = painted(model, [3], "a red apple next to a cup")
    coloured = painted(model, [3], "a red apple next to a cup on a yellow background")
    yellow = torch.tensor(GROUNDS["yellow"]) / 255
    torch.testing.assert_close(coloured[0, :, 2, 2], yellow)
    assert (plain[0, :, 2, 2] == 1).all()

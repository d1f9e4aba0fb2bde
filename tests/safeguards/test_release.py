from __future__ import annotations

import errno
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from common.errors import AtelierError, Blocked
from models.catalog import Catalog
from models.pool import ModelPool
from models.spec import ModelSpec
from safeguards.recipe import read
from safeguards.release import UNCHECKED, release, safety_note


class RedObjector:
    """A safety model that objects to red pictures and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[int] = []

    def unsafe(self, images: list[Image.Image]) -> list[bool]:
        self.shown.append(len(images))
        return [np.asarray(image)[..., 0].mean() > 200 for image in images]


def spec(name: str, role: str, pack: str, source: str = "pip:numpy", model: object = None) -> ModelSpec:
    return ModelSpec(name, name, role, pack, source, None, "MIT", 1, 1, load=lambda context: model)


@pytest.fixture
def objector():
    return RedObjector()


@pytest.fixture
def pool(settings, objector):
    specs = [
        spec("small", "text_to_image", "starter"),
        spec("large", "text_to_image", "hub"),
        spec("not-here", "safety", "hub", "pip:no-such-package"),
        spec("objector", "safety", "hub", model=objector),
    ]
    return ModelPool(Catalog(specs, settings), replace(settings, precision="fp32"))


RED, BLUE = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")


def test_saves_each_picture_with_its_recipe(recipe, photo, settings):
    made = [replace(recipe, seed=seed) for seed in (5, 6)]
    paths = release([photo, BLUE], made, settings.output / "text_to_image", settings)
    assert [read(path) for path in paths] == made
    assert [Image.open(path).size for path in paths] == [(48, 32), (8, 8)]
    assert sorted(paths) == sorted((settings.output / "text_to_image").iterdir())


def test_names_tell_the_seed_and_nothing_of_the_prompt(recipe, settings):
    seeded, bare = release([BLUE, BLUE], [recipe, replace(recipe, seed=None)], settings.output, settings)
    assert re.fullmatch(r"clip-atelier-\d{8}-\d{6}-123456789-[0-9a-f]{8}\.png", seeded.name)
    assert re.fullmatch(r"clip-atelier-\d{8}-\d{6}-[0-9a-f]{8}\.png", bare.name)


def test_nothing_to_release(settings):
    assert release([], [], settings.output, settings) == []
    with pytest.raises(ValueError, match="1 images and 0 recipes"):
        release([BLUE], [], settings.output, settings)


def test_the_safety_model_sees_the_hub_s_pictures_only(recipe, settings, pool, objector):
    recipes = [replace(recipe, model=model) for model in ("small", "large", "large", "small")]
    paths = release([RED, RED, BLUE, BLUE], recipes, settings.output, settings, pool)
    assert [path is None for path in paths] == [False, True, False, False]
    assert objector.shown == [2]
    assert len(list(settings.output.iterdir())) == 3


def test_starter_pictures_load_no_safety_model(recipe, settings, pool):
    release([RED], [replace(recipe, model="small")], settings.output, settings, pool)
    assert pool.status() == []


def test_all_withheld_is_said(recipe, settings, pool):
    with pytest.raises(Blocked, match="objected to every picture"):
        release([RED, RED], [replace(recipe, model="large")] * 2, settings.output, settings, pool)
    assert not settings.output.exists()


def test_without_a_safety_model_pictures_go_out_and_that_is_said(recipe, settings):
    specs = [spec("small", "text_to_image", "starter"), spec("large", "text_to_image", "hub")]
    pool = ModelPool(Catalog(specs, settings), settings)
    assert release([RED], [replace(recipe, model="large")], settings.output, settings, pool)[0].exists()
    small = replace(recipe, model="small")
    assert safety_note(replace(recipe, model="large"), pool.catalog) == UNCHECKED
    assert safety_note(small, pool.catalog) == ""
    assert safety_note(replace(small, settings={"draft_model": "large"}), pool.catalog) == UNCHECKED
    assert safety_note(replace(small, settings={"draft_model": ""}), pool.catalog) == ""


def test_a_safety_model_makes_the_note_needless(recipe, pool):
    assert safety_note(replace(recipe, model="large"), pool.catalog) == ""


def test_a_picture_over_a_draft_of_a_hub_model_is_looked_at(recipe, settings, pool):
    drafted = replace(recipe, model="small", settings={"draft_model": "large"})
    with pytest.raises(Blocked, match="objected to every picture"):
        release([RED], [drafted], settings.output, settings, pool)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "cannot be written to")]
)
def test_a_disk_that_takes_no_more(number, words, recipe, settings, monkeypatch):
    def save(self, *arguments, **options):
        raise OSError(number, "told by the system", str(settings.output))

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(AtelierError, match=words) as caught:
        release([BLUE], [recipe], settings.output, settings)
    assert str(settings.output) not in str(caught.value)


def test_an_output_folder_that_is_a_file(recipe, settings, tmp_path):
    (tmp_path / "outputs").write_text("mine")
    with pytest.raises(AtelierError, match="choose another folder with --output"):
        release([BLUE], [recipe], settings.output, settings)
    assert (tmp_path / "outputs").read_text() == "mine"


def test_the_quota_holds_for_the_whole_output_folder(recipe, settings):
    size = release([BLUE], [recipe], settings.output / "a", settings)[0].stat().st_size
    tight = replace(settings, output_quota_gb=size * 5.5 / 1e9)
    for k in range(10):
        newest = release([BLUE], [recipe], tight.output / ("a" if k % 2 else "b"), tight)
        left = list(tight.output.rglob("*.png"))
        assert newest[0] in left
        assert sum(path.stat().st_size for path in left) <= size * 5.5
    assert len(left) >= 4

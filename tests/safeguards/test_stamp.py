from __future__ import annotations

import json
import os
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from safeguards.foreign import ForeignRecipe
from safeguards.recipe import Recipe, read, stamp_png


def test_stamped_png_gives_the_recipe_and_the_pixels_back(recipe, photo, tmp_path):
    path = stamp_png(photo, recipe, tmp_path / "cat.png")
    assert read(path) == recipe
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(photo))
    assert [p.name for p in tmp_path.iterdir()] == ["cat.png"]


def test_stamping_twice_gives_the_same_bytes(recipe, photo, tmp_path):
    first, second = (stamp_png(photo, recipe, tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second


def test_stamp_survives_being_opened_and_saved_by_pil_with_its_texts(recipe, photo, tmp_path):
    from PIL.PngImagePlugin import PngInfo

    path = stamp_png(photo, recipe, tmp_path / "cat.png")
    with Image.open(path) as opened:
        kept = PngInfo()
        for name, text in opened.text.items():
            kept.add_text(name, text)
        opened.save(tmp_path / "again.png", pnginfo=kept)
    assert read(tmp_path / "again.png") == recipe


def test_texts_for_other_programs(recipe, photo, tmp_path):
    with Image.open(stamp_png(photo, recipe, tmp_path / "cat.png")) as opened:
        texts = dict(opened.text)
    assert texts["Software"] == "CLIP Atelier"
    assert texts["parameters"] == (
        "a smiling cat, 3D style\nNegative prompt: dog, blurry\n"
        "Steps: 20, Sampler: DPM++ 2M, CFG scale: 4.5, Seed: 123456789, Size: 128x128, Model: pictograms-ldm, "
        "Version: CLIP Atelier"
    )


def test_says_that_a_machine_made_it(recipe, photo, tmp_path):
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    with Image.open(stamp_png(photo, recipe, tmp_path / "cat.png")) as opened:
        texts = dict(opened.text)
    assertion = json.loads(texts["ai_generated"])
    action = assertion["data"]["actions"][0]
    assert (action["action"], action["digitalSourceType"], action["when"]) == ("c2pa.created", kind, recipe.created)
    assert assertion["signed"] is False
    root = ElementTree.fromstring(texts["XML:com.adobe.xmp"].lstrip("\ufeff"))
    assert root.find(".//{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType").text == kind


def test_nothing_of_the_image_s_own_metadata_goes_out(recipe, photo, tmp_path):
    photo.info.update(icc_profile=b"secret", dpi=(1, 1), exif=b"secret", comment=b"secret", transparency=(1, 2, 3))
    assert b"secret" not in stamp_png(photo, recipe, tmp_path / "cat.png").read_bytes()
    with Image.open(tmp_path / "cat.png") as opened:
        assert set(opened.info) == {
            "clip-atelier",
            "parameters",
            "Software",
            "ai_generated",
            "XML:com.adobe.xmp",
            "xmp",
        }


def test_a_failed_stamp_leaves_nothing_and_keeps_the_old_file(recipe, photo, tmp_path, monkeypatch):
    path = stamp_png(photo, recipe, tmp_path / "cat.png")
    before = path.read_bytes()

    def full_disk(self, file, **options):
        with open(file, "wb") as half:
            half.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        stamp_png(photo, recipe, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["cat.png"]


def test_a_picture_appears_whole_or_not_at_all(recipe, photo, tmp_path, monkeypatch):
    def killed(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        stamp_png(photo, recipe, tmp_path / "cat.png")
    assert list(tmp_path.iterdir()) == []


def test_ours_wins_over_the_text_for_others(recipe, photo, tmp_path):
    assert isinstance(read(stamp_png(photo, recipe, tmp_path / "cat.png")), Recipe)


def test_other_programs_understand_our_text(recipe, photo, tmp_path, text_png):
    with Image.open(stamp_png(photo, recipe, tmp_path / "cat.png")) as opened:
        text = opened.text["parameters"]
    found = read(text_png(parameters=text))
    assert isinstance(found, ForeignRecipe)
    assert (found.prompt, found.negative, found.seed) == ("a smiling cat, 3D style", "dog, blurry", 123456789)
    assert found.settings == {
        "steps": 20,
        "guidance": 4.5,
        "scheduler": "DPM++ 2M",
        "width": 128,
        "height": 128,
        "model": "pictograms-ldm",
    }

import gradio as gr
import pytest
from PIL import Image, PngImagePlugin

from common.errors import BadRequest
from safeguards.recipe import Recipe, stamp_png
from tabs.restore import restored
from tests.tabs.conftest import named

PICTURE = Image.new("RGB", (8, 8), "red")


def test_our_own_picture_brings_everything_back(controls, tmp_path):
    recipe = Recipe("text_to_image", "tiny", settings={"prompt": "a cat", "model": "tiny", "steps": 5}, seed=7)
    text, updates = restored(str(stamp_png(PICTURE, recipe, tmp_path / "a.png")), controls)
    assert "All settings" in text
    values = named(controls, updates)
    assert (values["prompt"], values["steps"], values["seed"]) == ("a cat", 5, "7")


def test_a_model_that_is_not_here_is_said(controls, tmp_path):
    recipe = Recipe("text_to_image", "Big <model>", settings={"prompt": "a cat", "model": "big"}, seed=7)
    text, updates = restored(str(stamp_png(PICTURE, recipe, tmp_path / "a.png")), controls)
    assert "Big <model> is not in this app" in text
    assert named(controls, updates)["prompt"] == "a cat"


def test_another_room_gives_its_prompt_only(controls, tmp_path):
    recipe = Recipe("vqgan_clip", "x", settings={"prompt": "a cat", "steps": 50}, seed=7)
    _, updates = restored(str(stamp_png(PICTURE, recipe, tmp_path / "a.png")), controls)
    assert named(controls, updates) == {"prompt": "a cat"}


def test_another_program_gives_prompt_and_seed(controls, tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a castle\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 123")
    PICTURE.save(tmp_path / "a.png", pnginfo=texts)
    text, updates = restored(str(tmp_path / "a.png"), controls)
    values = named(controls, updates)
    assert "another program" in text
    assert (values["prompt"], values["negative"], values["seed"]) == ("a castle", "fog", "123")


def test_a_picture_without_a_recipe_changes_nothing(controls, tmp_path):
    PICTURE.save(tmp_path / "a.png")
    text, updates = restored(str(tmp_path / "a.png"), controls)
    assert "no recipe" in text and updates == {}


def test_a_forged_recipe_is_refused_in_one_sentence(controls, tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("clip-atelier", '{"version":"1","task":"rm -rf","model":"x"}')
    PICTURE.save(tmp_path / "a.png", pnginfo=texts)
    with pytest.raises(BadRequest):
        restored(str(tmp_path / "a.png"), controls)


def test_updates_name_components_of_the_page(controls, tmp_path):
    recipe = Recipe("text_to_image", "tiny", settings={"prompt": "a cat", "model": "tiny"}, seed=7)
    _, updates = restored(str(stamp_png(PICTURE, recipe, tmp_path / "a.png")), controls)
    assert all(isinstance(part, gr.components.Component) for part in updates)

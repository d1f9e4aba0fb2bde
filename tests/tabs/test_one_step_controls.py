"""The room shows only the controls that a model of one step has."""

from types import SimpleNamespace

import gradio as gr
import pytest

from models.catalog import Catalog
from models.families import pictograms_gan
from tabs.text_to_image_controls import FIELDS, Controls
from tests.tabs.conftest import named
from tests.tabs.tiny_pack import SPECS, tiny_settings


@pytest.fixture
def controls(tmp_path):
    settings = tiny_settings(tmp_path)
    (settings.weights / "pictograms-gan").mkdir()
    for name in ("config.json", "model.safetensors"):
        (settings.weights / "pictograms-gan" / name).touch()
    made = Controls(SimpleNamespace(catalog=Catalog((*SPECS, *pictograms_gan.SPECS), settings)))
    with gr.Blocks():
        made.build_prompt()
        made.build_model()
        made.build_seed()
        made.build_more()
    return made


STEERING = ("negative", "width", "height", "steps", "guidance", "scheduler", "fast_ranking")


def test_nothing_is_shown_that_it_does_not_have(controls):
    updates = controls.for_model("pictograms-gan")
    assert [updates[controls.parts[name]].visible for name in STEERING] == [False] * len(STEERING)
    back = controls.for_model("tiny")
    assert [back[controls.parts[name]].visible for name in STEERING] == [True] * len(STEERING)


def test_what_was_typed_for_another_model_is_left_out(controls):
    values = ["a cat", "rain", "pictograms-gan", 8, 128, 128, 1, 0, None, "", "tiny-judge", True, ""]
    request = controls.request(values)
    assert (request.negative, request.guidance, request.steps, request.scheduler) == ("", None, 1, "")


def test_its_recipe_is_restored(controls):
    settings = {
        "prompt": "a cat", "negative": "", "model": "pictograms-gan", "candidates": 8, "width": 128, "height": 128,
        "steps": 1, "guidance": None, "scheduler": "", "seed": 9, "ranker": "tiny-judge", "fast_ranking": False,
        "threshold": None,
    }  # fmt: skip
    updates = controls.restored(settings)
    restored = named(controls, updates)
    assert (restored["model"], restored["seed"], restored["fast_ranking"]) == ("pictograms-gan", "9", False)
    assert updates[controls.parts["fast_ranking"]].visible is False
    assert controls.request([restored.get(name) for name in FIELDS]).steps == 1

"""The safety checker: found in the folder of a Stable Diffusion checkpoint, objects to what its thresholds say."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

from models.catalog import Catalog
from models.pool import ModelPool
from tests.models.tiny_hub import hub_path

SOURCE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
NAME = "sd-safety-checker"


@pytest.fixture
def folder(settings):
    """A tiny checker beside the other parts of a checkpoint, its thresholds out of reach."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**sizes, "image_size": 16, "patch_size": 8}
    torch.manual_seed(0)
    model = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, text_config=sizes, projection_dim=8))
    with torch.no_grad():
        for name in ("concept_embeds", "special_care_embeds"):
            getattr(model, name).normal_()
            getattr(model, f"{name}_weights").fill_(2.0)  # no cosine is above
        model.concept_embeds[0] = 0  # whose cosine with everything is 0
    place = hub_path(settings.hub_folder, SOURCE)
    model.save_pretrained(place / "safety_checker", variant="fp16")
    CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=16).save_pretrained(place / "feature_extractor")
    return place


def unsafe(settings, threshold: float | None = None) -> list[bool]:
    pool = ModelPool(Catalog.scan(settings), settings)
    pictures = [Image.new("RGB", (40, 30), "red"), Image.new("RGBA", (9, 9)), Image.new("L", (16, 16), 90)] * 4
    with pool.use(NAME, "cpu") as model:
        if threshold is not None:
            model.model.concept_embeds_weights[0] = threshold
        return model.unsafe(pictures)


def test_nothing_is_flagged_below_the_thresholds(settings, folder):
    assert unsafe(settings) == [False] * 12


def test_everything_is_flagged_above_a_threshold(settings, folder):
    assert unsafe(settings, threshold=-0.5) == [True] * 12


def test_a_checkpoint_without_its_checker_has_none(settings, folder):
    (folder / "safety_checker" / "config.json").unlink()
    catalog = Catalog.scan(settings)
    assert not catalog.is_available(catalog.get(NAME))


def test_a_damaged_one_is_named_with_its_command(settings, folder):
    (folder / "safety_checker" / "config.json").write_text(json.dumps({"model_type": "unknown"}))
    with pytest.raises(Exception, match=r"python -m models\.fetch sd-safety-checker"):
        unsafe(settings)

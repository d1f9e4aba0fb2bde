from __future__ import annotations

import json

import pytest
from PIL import Image

from safeguards.foreign import understand
from safeguards.recipe import read

CLASSIC = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 156680208700286,
            "steps": 20,
            "cfg": 8,
            "sampler_name": "euler",
            "denoise": 1,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 384, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle of galaxy", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["4", 1]}},
}


def test_comfyui_classic(text_png):
    found = read(text_png(prompt=json.dumps(CLASSIC), workflow="{}"))
    assert (found.source, found.prompt, found.negative) == ("ComfyUI", "a bottle of galaxy", "text, watermark")
    assert found.seed == 156680208700286
    assert found.settings == {
        "steps": 20,
        "guidance": 8,
        "scheduler": "euler",
        "width": 512,
        "height": 384,
        "model": "v1-5.safetensors",
    }


def test_comfyui_webp_has_its_graph_in_exif(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(CLASSIC)
    photo.save(tmp_path / "cat.webp", exif=exif)
    assert read(tmp_path / "cat.webp").prompt == "a bottle of galaxy"


def test_comfyui_flux_with_guider_noise_and_controls():
    graph = {
        "1": {"class_type": "RandomNoise", "inputs": {"noise_seed": ["9", 0]}},
        "9": {"class_type": "PrimitiveInt", "inputs": {"value": 99}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["x", 0]}},
        "8": {"class_type": "PrimitiveString", "inputs": {"value": "a fox"}},
        "3": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["2", 0]}},
        "4": {"class_type": "BasicGuider", "inputs": {"model": ["0", 0], "conditioning": ["3", 0]}},
        "5": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "heun"}},
        "6": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 12, "denoise": 1}},
        "7": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {"noise": ["1", 0], "guider": ["4", 0], "sampler": ["5", 0], "sigmas": ["6", 0]},
        },
    }
    found = understand({"prompt": json.dumps(graph)})
    assert (found.prompt, found.seed) == ("a fox", 99)
    assert (found.settings["steps"], found.settings["scheduler"]) == (12, "heun")


def test_comfyui_takes_the_first_pass_and_the_right_side_of_a_control_net():
    graph = {
        "10": {"class_type": "KSampler", "inputs": {"seed": 1, "denoise": 0.4, "positive": ["7", 0]}},
        **CLASSIC,
        "20": {"class_type": "ControlNetApplyAdvanced", "inputs": {"negative": ["7", 0], "positive": ["6", 0]}},
    }
    graph["3"] = {"inputs": {**CLASSIC["3"]["inputs"], "positive": ["20", 0], "negative": ["20", 1]}}
    found = understand({"prompt": json.dumps(graph)})
    assert (found.prompt, found.negative, found.seed) == ("a bottle of galaxy", "text, watermark", 156680208700286)


@pytest.mark.parametrize(
    "graph",
    [
        {"1": {"inputs": {"seed": 1, "positive": ["1", 0]}}},
        {"1": {"inputs": {"seed": 1, "positive": [["1"], 0]}}},
        {"1": {"inputs": []}, "2": None, "3": 5},
        {"1": {"inputs": {"seed": 1, "positive": ["2", 0]}}, "2": {"inputs": {str(i): ["2", 0] for i in range(500)}}},
        {"1": {"inputs": {"denoise": {}, "noise": [], "guider": "x"}}},
    ],
)
def test_graphs_that_lead_nowhere(graph):
    assert understand({"prompt": json.dumps(graph)}) is None

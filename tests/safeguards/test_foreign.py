from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from PIL import Image

from safeguards.foreign import ForeignRecipe, understand
from safeguards.recipe import read

A1111 = (
    "a cat, 猫\nNegative prompt: dog\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 42, Size: 512x768, Model: dream, "
    "Version: v1.10.1"
)


def test_a1111_png(text_png):
    assert read(text_png(parameters=A1111)) == ForeignRecipe(
        source="AUTOMATIC1111",
        prompt="a cat, 猫",
        negative="dog",
        seed=42,
        settings={
            "steps": 20,
            "guidance": 7.5,
            "scheduler": "DPM++ 2M",
            "width": 512,
            "height": 768,
            "model": "dream",
        },
        raw={
            "Steps": "20",
            "Sampler": "DPM++ 2M",
            "Schedule type": "Karras",
            "CFG scale": "7.5",
            "Seed": "42",
            "Size": "512x768",
            "Model": "dream",
            "Version": "v1.10.1",
        },
    )


def test_latin_1_text_as_pil_writes_it(png_with, chunk):
    text = "café crème\nSteps: 3, Sampler: Euler, Seed: 8"
    assert read(png_with(chunk(b"tEXt", b"parameters\0" + text.encode("latin-1")))).prompt == "café crème"


def exif_comment(comment: bytes) -> bytes:
    """EXIF with a UserComment in its second folder, where the standard puts it, byte by byte."""
    first = struct.pack(">HHHIII", 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack(">HHHIII", 1, 0x9286, 7, len(comment), 44, 0)
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + first + second + comment


@pytest.mark.parametrize("name", ["cat.jpg", "cat.webp"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + A1111.encode("utf-16-be"),
        b"UNICODE\0" + A1111.encode("utf-16-le"),
        b"UNICODE\0" + A1111.encode("utf-16"),
        b"\0" * 8 + A1111.encode(),
        A1111.encode(),
    ],
    ids=["utf-16-be", "utf-16-le", "utf-16 with mark", "undefined", "bare"],
)
def test_a1111_user_comment(tmp_path, photo, name, comment):
    photo.save(tmp_path / name, exif=exif_comment(comment))
    found = read(tmp_path / name)
    assert (found.source, found.prompt, found.negative, found.seed) == ("AUTOMATIC1111", "a cat, 猫", "dog", 42)


def test_fooocus_jpeg_keeps_its_json_in_the_first_folder_of_exif(tmp_path, photo):
    text = json.dumps({"prompt": "a cat", "negative_prompt": "", "seed": "7", "resolution": "(1152, 896)"})
    exif = Image.Exif()
    exif[0x9286] = text
    photo.save(tmp_path / "cat.jpg", exif=exif)
    found = read(tmp_path / "cat.jpg")
    assert (found.source, found.prompt, found.seed) == ("Fooocus", "a cat", 7)
    assert found.settings == {"width": 1152, "height": 896}


def test_fooocus_png(text_png):
    table = {
        "prompt": "a cat",
        "full_prompt": ["a cat, masterpiece"],
        "negative_prompt": "dog",
        "seed": "6488",
        "steps": 30,
        "guidance_scale": 4,
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "base_model": "juggernautXL",
        "resolution": "(1024, 1024)",
    }
    found = read(text_png(parameters=json.dumps(table), fooocus_scheme="fooocus"))
    assert (found.source, found.prompt, found.negative, found.seed) == ("Fooocus", "a cat", "dog", 6488)
    assert found.settings["model"] == "juggernautXL"
    assert (found.settings["width"], found.settings["steps"], found.settings["guidance"]) == (1024, 30, 4)


def test_fooocus_in_the_a1111_scheme_tells_what_was_typed():
    text = (
        "cinematic still a cat, emotional\nNegative prompt: anime, dog\n"
        'Steps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 6, Size: 1152x896, ADM Guidance: "(1.5, 0.8, 0.3)", '
        'Raw prompt: "a cat,\\nred", Raw negative prompt: dog, Version: Fooocus v2.5'
    )
    found = understand({"parameters": text})
    assert (found.source, found.prompt, found.negative) == ("Fooocus", "a cat,\nred", "dog")


def test_sd_next():
    found = understand(
        {"parameters": "a cat\nSteps: 20, Size: 64x64, Sampler: UniPC, Seed: 1, App: SD.Next, Version: 1"}
    )
    assert (found.source, found.seed, found.settings["scheduler"]) == ("SD.Next", 1, "UniPC")


def test_invokeai(text_png):
    table = {
        "app_version": "3.3.0post3",
        "positive_prompt": "landscape",
        "negative_prompt": "low quality",
        "width": 768,
        "height": 432,
        "seed": 356120443,
        "cfg_scale": 7.5,
        "steps": 50,
        "scheduler": "dpmpp_2m_sde_k",
        "model": {"model_name": "amixx", "base_model": "sd-1"},
    }
    found = read(text_png(invokeai_metadata=json.dumps(table), invokeai_graph="{}"))
    assert (found.source, found.prompt, found.negative, found.seed) == (
        "InvokeAI",
        "landscape",
        "low quality",
        356120443,
    )
    assert found.settings == {
        "steps": 50,
        "guidance": 7.5,
        "scheduler": "dpmpp_2m_sde_k",
        "width": 768,
        "height": 432,
        "model": "amixx",
    }


def test_invokeai_2(text_png):
    image = {"prompt": [{"prompt": "a cat [dog, mud]", "weight": 1}], "seed": 5, "steps": 10, "sampler": "k_euler"}
    found = read(text_png({"sd-metadata": json.dumps({"model": "sd", "image": image})}))
    assert (found.prompt, found.negative, found.seed, found.settings["steps"]) == ("a cat", "dog, mud", 5, 10)


def test_swarmui():
    table = {"prompt": "a cat", "negativeprompt": "dog", "seed": 1, "steps": 20, "cfgscale": 7.0, "model": "m"}
    found = understand({"parameters": json.dumps({"sui_image_params": table})})
    assert (found.source, found.prompt, found.negative, found.seed) == ("SwarmUI", "a cat", "dog", 1)
    assert found.settings == {"steps": 20, "guidance": 7.0, "model": "m"}


def test_novelai():
    comment = {"prompt": "a cat", "uc": "dog", "steps": 28, "scale": 5.0, "seed": 9, "sampler": "k_euler"}
    found = understand({"Comment": json.dumps(comment)})
    assert (found.source, found.prompt, found.negative, found.seed) == ("NovelAI", "a cat", "dog", 9)
    assert understand({"Comment": "Created with GIMP"}) is None


def test_settings_as_texts_of_their_own(text_png):
    found = read(text_png(prompt="a cat", negative_prompt="dog", seed="77"))
    assert (found.source, found.prompt, found.negative, found.seed) == ("another program", "a cat", "dog", 77)


@pytest.mark.parametrize("seed", [-1, "-1", "abc", 1.5, True, None, [], 2**63, "9" * 5000, {"a": 1}])
def test_seeds_that_are_none(seed):
    assert understand({"parameters": json.dumps({"prompt": "a cat", "seed": seed})}).seed is None


@pytest.mark.parametrize("value", [-5, "NaN", "inf", 1e999, "x", True, [], {}, 10**300, "1" * 1000])
def test_numbers_that_are_not_understood_are_left_out(value):
    found = understand({"parameters": json.dumps({"prompt": "a cat", "steps": value, "cfg": value, "model": value})})
    assert not {"steps", "guidance"} & set(found.settings)


def test_texts_are_plain_and_of_bounded_length():
    table = {"prompt": "a\0b\x1b[31m\ud800\n" + "x" * 50_000, "negative_prompt": ["not", "text"], "note": {"a": [1]}}
    found = understand({"parameters": json.dumps(table)})
    assert found.prompt.startswith("ab[31m\nxxx")
    assert len(found.prompt) <= 20_000
    assert found.negative == '["not", "text"]'
    assert found.raw == {"note": '{"a": [1]}'}


def test_json_that_is_none_is_taken_as_a_prompt_or_left():
    assert understand({"parameters": "{red|blue} cat"}).prompt == "{red|blue} cat"
    assert understand({"invokeai_metadata": "[" * 100_000}) is None
    assert understand({"sd-metadata": '{"image": 5}'}) is None
    assert understand({"parameters": '{"sui_image_params": 5}'}).prompt == ""
    assert understand({}) is None


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL says what it finds broken
def test_a_spoilt_exif_never_surprises(tmp_path, photo):
    random = np.random.default_rng(0)
    for name in ("cat.jpg", "cat.webp"):
        path = tmp_path / name
        photo.save(path, exif=exif_comment(b"UNICODE\0" + A1111.encode("utf-16-be")))
        sound = path.read_bytes()
        for _ in range(150):
            data = bytearray(sound)
            for position in random.integers(2, min(len(data), 400), size=random.integers(1, 5)):
                data[position] = random.integers(0, 256)
            path.write_bytes(bytes(data[: random.integers(1, len(data))]))
            assert read(path) is None or isinstance(read(path), ForeignRecipe)

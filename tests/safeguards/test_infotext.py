from __future__ import annotations

import time
from dataclasses import replace

import pytest

from safeguards.infotext import parse_infotext, parse_settings, write_infotext

BASIC = (
    "girl with an artist's beret, ((eyeshadow)), [blurry]\n"
    "Negative prompt: ugly, (((deformed))), bad anatomy\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b"
)


def test_the_common_case():
    info = parse_infotext(BASIC)
    assert info.prompt == "girl with an artist's beret, ((eyeshadow)), [blurry]"
    assert info.negative == "ugly, (((deformed))), bad anatomy"
    assert info.settings == {
        "Steps": "20",
        "Sampler": "Euler a",
        "CFG scale": "7",
        "Seed": "965400086",
        "Size": "512x512",
        "Model hash": "45dee52b",
    }


def test_prompts_of_many_lines_with_colons_and_windows_line_ends():
    info = parse_infotext(
        "a cat: portrait,\r\n\r\n  BREAK (fur:1.2), <lora:soft:0.8>\r\nNegative prompt: dog,\r\nmud: any\r\n"
        "Steps: 8, Sampler: LCM, Seed: 1, Size: 64x64"
    )
    assert info.prompt == "a cat: portrait,\n\nBREAK (fur:1.2), <lora:soft:0.8>"
    assert info.negative == "dog,\nmud: any"
    assert info.settings["Seed"] == "1"


def test_no_negative_and_no_prompt():
    assert parse_infotext("a cat\nSteps: 20, Sampler: Euler, Seed: 3").negative == ""
    info = parse_infotext("Negative prompt: dog\nSteps: 20, Sampler: Euler, Seed: 3")
    assert (info.prompt, info.negative, info.settings["Seed"]) == ("", "dog", "3")
    info = parse_infotext("Steps: 20, Sampler: Euler, Seed: 3")
    assert (info.prompt, info.settings["Steps"]) == ("", "20")
    assert parse_infotext("").prompt == ""


@pytest.mark.parametrize(
    "text",
    [
        "just a prompt, nothing else",
        "Portrait\nModel: Kate Moss",
        "a poster\nTitle: Jaws, Mood: dark, Light: soft",
        "time: noon, place: Rome",
        "a page that says Steps: one, two, three",
    ],
)
def test_a_prompt_alone_stays_whole(text):
    info = parse_infotext(text)
    assert (info.prompt, info.negative, info.settings) == (text, "", {})


def test_prompt_and_negative_without_settings():
    info = parse_infotext("a cat\nNegative prompt: a dog,\nblurry")
    assert (info.prompt, info.negative, info.settings) == ("a cat", "a dog,\nblurry", {})


@pytest.mark.parametrize("line", ["Steps: 20", "Seed: 5", "Steps: 20, Seed: 5", "Seed: 5, Steps: 20"])
def test_few_settings_are_still_settings(line):
    info = parse_infotext(f"a cat\n{line}")
    assert info.prompt == "a cat"
    assert set(info.settings) == {pair.split(":")[0] for pair in line.split(", ")}


def test_settings_that_do_not_begin_with_steps():
    info = parse_infotext("a cat\nSize: 832x1216, nsfw: false, Seed: 12, Steps: 25, Sampler: Euler")
    assert (info.prompt, info.settings["Seed"], info.settings["Steps"]) == ("a cat", "12", "25")


def test_quoted_values_with_commas_colons_quotes_and_line_breaks():
    settings = parse_settings(
        r'Steps: 4, Lora hashes: "add_detail: 7c6bad76eb54, b: 1", ADetailer prompt: "say \"hi\", \\ \n done: 1", '
        'ControlNet 0: "preprocessor: canny, weight: 1, resize: (512, 64, 64)", Version: v1.10.1'
    )
    assert settings == {
        "Steps": "4",
        "Lora hashes": "add_detail: 7c6bad76eb54, b: 1",
        "ADetailer prompt": 'say "hi", \\ \n done: 1',
        "ControlNet 0": "preprocessor: canny, weight: 1, resize: (512, 64, 64)",
        "Version": "v1.10.1",
    }


def test_unquoted_json_of_civitai():
    resources = '[{"type":"checkpoint","modelName":"SD XL, v1: [x]"},{"type":"lora","weight":0.85}]'
    info = parse_infotext(
        "carribean beach\nNegative prompt:  negativeXL_D, greyscale\n"
        "Steps: 22, Sampler: DPM++ 2M Karras, CFG scale: 3.8, "
        f"Seed: 894409639, Size: 832x1216, Created Date: 2024-09-23T06:17:42.9952795Z, Civitai resources: {resources}, "
        'Hashes: {"model": "1", "lora:a, b": "2"}, Civitai metadata: {}'
    )
    assert info.negative == "negativeXL_D, greyscale"
    assert info.settings["Civitai resources"] == resources
    assert info.settings["Created Date"] == "2024-09-23T06:17:42.9952795Z"
    assert info.settings["Hashes"] == '{"model": "1", "lora:a, b": "2"}'
    assert info.settings["Civitai metadata"] == "{}"


def test_broken_quotes_and_brackets_cost_one_value_only():
    settings = parse_settings('Steps: 4, Note: "open, Tags: [a, b], Also: "a" and "b", Seed: 9')
    assert settings["Note"] == '"open'
    assert settings["Tags"] == "[a"
    assert settings["Also"] == '"a" and "b"'
    assert settings["Seed"] == "9"


def test_everything_on_one_line():
    info = parse_infotext(
        "Negative space, fog, a car, in the style of a movie Negative prompt: Steps: 23, Sampler: Undefined, "
        "CFG scale: 3.5, Seed: 1760020955, Size: 832x1216, Civitai metadata: {}"
    )
    assert (info.prompt, info.negative) == ("Negative space, fog, a car, in the style of a movie", "")
    assert info.settings["Seed"] == "1760020955"
    info = parse_infotext("a cat, a hat Steps: 5, Seed: 2")
    assert (info.prompt, info.settings) == ("a cat, a hat", {"Steps": "5", "Seed": "2"})


def test_settings_that_go_on_after_their_line():
    info = parse_infotext("a red cat\nSteps: 5, Sampler: Euler, Seed: 2\nTemplate: a {red|blue} cat\nWildcard: x")
    assert info.prompt == "a red cat"
    assert (info.settings["Seed"], info.settings["Template"]) == ("2", "a {red|blue} cat")


def test_a_prompt_that_itself_talks_of_steps():
    info = parse_infotext("a recipe card\nSteps: 3, flour, eggs\nbake\nSteps: 20, Sampler: Euler, Seed: 2")
    assert (info.prompt, info.settings["Steps"]) == ("a recipe card\nSteps: 3, flour, eggs\nbake", "20")


def test_negative_prompt_is_a_line_s_beginning_only():
    info = parse_infotext("a sign that reads Negative prompt: off\nNegative prompt: dog\nSteps: 5, Seed: 2, Size: 8x8")
    assert (info.prompt, info.negative) == ("a sign that reads Negative prompt: off", "dog")


def test_the_last_of_equal_names_wins():
    assert parse_settings("Seed: 1, Seed: 2") == {"Seed": "2"}


def test_endless_settings_are_read_to_a_limit():
    settings = parse_settings(", ".join(f"name{i}: {i}" for i in range(5_000)))
    assert len(settings) == 200


@pytest.mark.parametrize("unit", [",", "a", "a:", 'a:"', "a: [", 'a: {"', "\n", " ", "Steps: 1,", 'k:["x, '])
def test_a_megabyte_of_nonsense_takes_no_time(unit):
    start = time.perf_counter()
    parse_infotext("cat\n" + unit * (1_000_000 // len(unit)))
    assert time.perf_counter() - start < 20  # quadratic reading of it would take minutes


def test_what_we_write_we_read(recipe):
    info = parse_infotext(write_infotext(recipe))
    assert (info.prompt, info.negative) == (recipe.settings["prompt"], recipe.settings["negative"])
    assert info.settings["Seed"] == str(recipe.seed)
    odd = replace(recipe, model='a, "b": c', settings={"prompt": "two\nlines"}, seed=None)
    info = parse_infotext(write_infotext(odd))
    assert (info.prompt, info.settings) == ("two\nlines", {"Model": 'a, "b": c', "Version": "CLIP Atelier"})

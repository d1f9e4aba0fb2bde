"""Requests fill their defaults in, refuse nonsense with one sentence, and survive as plain data."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from PIL import Image

from common.errors import BadRequest, Blocked
from pipelines.vqgan_clip.plain import from_plain, to_plain
from pipelines.vqgan_clip.request import ImagePrompt, Region, VqganClipRequest
from safeguards.recipe import Recipe

PICTURE = Image.new("RGB", (8, 8))


def test_defaults_are_filled_in_once(services):
    request = VqganClipRequest("a red heart").resolve(services.catalog)
    assert (request.model, request.clips, request.judge) == ("tiny", ("vit",), "cnn")
    assert (request.width, request.height, request.cuts, request.cuts_end) == (32, 32, 8, 8)
    assert request.start == "spot" and request.rate and request.seed is not None and request.preset == "single"
    assert request.resolve(services.catalog) == request
    assert VqganClipRequest("a").resolve(services.catalog).seed != request.seed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts": ""}, "holds no words"),
        ({"prompts": " | "}, "holds no words"),
        ({"prompts": "a:inf"}, "weight"),
        ({"prompts": "a:0"}, "All weights"),
        ({"prompts": "", "noise_prompts": "1:0"}, "holds no words"),
        ({"prompts": "", "image_prompts": (ImagePrompt(PICTURE, 0.0),)}, "holds no words"),
        ({"image_prompts": (ImagePrompt(PICTURE, math.nan),)}, "weight of image prompt 1 is nan"),
        ({"image_prompts": (ImagePrompt(PICTURE),) * 9}, "At most 8 image prompts"),
        ({"regions": (Region("", PICTURE),)}, "prompt of region 1"),
        ({"regions": (Region("a ^ b", PICTURE),)}, "prompt of region 1 has scenes"),
        ({"noise_prompts": "x"}, "noise prompt"),
        ({"model": "vit"}, '"vit" is no model for this; allowed are tiny'),
        ({"clips": ("vit", "vit")}, "allowed are 1 to 4 different ones"),
        ({"judge": "vit"}, "is optimised itself"),
        ({"judge": "nobody"}, "There is no model 'nobody'"),
        (
            {"start": "sand"},
            'The start is "sand"; allowed are draft, noise, perlin, gradient, flat, spot, image, checkpoint',
        ),
        ({"start": "image"}, "no picture is given"),
        ({"start": "checkpoint"}, "no checkpoint is given"),
        ({"start_weight": -1}, "start weight is -1"),
        ({"start_decay": 2}, "decay of the start weight is 2"),
        ({"width": 30}, "width is 30; allowed is a multiple of 4 from 16 to 128"),
        ({"height": 4096}, "height is 4096"),
        ({"steps": 0}, "number of steps is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
        ({"runs": 9}, "number of runs is 9"),
        ({"optimiser": "SGD"}, 'The optimiser is "SGD"; allowed are Adam, AdamW, RAdam, Adagrad, RMSprop'),
        ({"rate": 0}, "learning rate is 0"),
        ({"rate": math.inf}, "learning rate is inf"),
        ({"ema": 1}, "averaging of z is 1"),
        ({"coarse": -1}, "coarse beginning"),
        ({"tv": math.nan}, "smoothness is nan"),
        ({"preset": "best"}, "allowed are classic, single, overview, pooled"),
        ({"cuts": 3}, "number of cut-outs is 3; allowed is a whole number from 4 to 128"),
        ({"cuts_end": 129}, "last number of cut-outs is 129"),
        ({"cut_size": 33}, "cut size is 33"),
        ({"augment": 3}, "strength of augmentation is 3"),
        ({"noise": 0.6}, "noise on the cuts is 0.6"),
        ({"normalise": "yes"}, 'normalisation is "yes"'),
        ({"refill": 1}, "refill is 1"),
        ({"fade": 1.5}, "cross-fade of scenes is 1.5"),
        ({"log": ({"step": 1, "rate": 0},)}, "learning rate is 0"),
        ({"log": ({"rate": 1},)}, "must hold a step"),
        ({"log": ({"step": 1, "evil": 1},)}, "must hold a step"),
    ],
)
def test_nonsense_is_refused_in_one_sentence_that_names_it(services, changes, words):
    with pytest.raises(BadRequest, match=r"^[^\n]+$") as refused:
        replace(VqganClipRequest("a red heart"), **changes).resolve(services.catalog)
    assert words in str(refused.value)


def test_words_are_looked_at_wherever_they_stand(services):
    for request in (
        VqganClipRequest("a nude child"),
        VqganClipRequest("a", regions=(Region("a nude child", PICTURE),)),
        VqganClipRequest("a child", regions=(Region("naked skin", PICTURE),)),
    ):
        with pytest.raises(Blocked):
            request.resolve(services.catalog)


def test_pictures_noise_or_regions_may_do_without_words(services):
    for request in (
        VqganClipRequest(image_prompts=(ImagePrompt(PICTURE),)),
        VqganClipRequest(noise_prompts="3"),
        VqganClipRequest(regions=(Region("a", PICTURE),)),
    ):
        assert request.resolve(services.catalog).prompts == ""


def test_judges(services):
    both = VqganClipRequest("a", clips=("vit", "cnn")).resolve(services.catalog)
    assert both.judge == "none"  # nobody is left who was not optimised
    assert VqganClipRequest("a", clips=("cnn",)).resolve(services.catalog).judge == "vit"
    assert VqganClipRequest("a", judge="none").resolve(services.catalog).judge == "none"


def test_starts_follow_from_what_is_given(services):
    assert VqganClipRequest("a", start_image=PICTURE).resolve(services.catalog).start == "image"
    assert VqganClipRequest("a", checkpoint="x").resolve(services.catalog).start == "checkpoint"
    assert VqganClipRequest("a", start_image=PICTURE, start="perlin").resolve(services.catalog).start == "perlin"


def test_a_request_survives_as_the_json_of_a_recipe(services):
    request = VqganClipRequest(
        "a:2 | b ^ c",
        clips=("cnn",),
        image_prompts=(ImagePrompt(PICTURE, -0.5, -0.9), ImagePrompt(PICTURE)),
        regions=(Region("d", PICTURE),),
        start_image=PICTURE,
        cuts_end=12,
        log=({"step": 3, "weight": (1, 2.0)}, {"step": 1, "rate": 0.5}),
    ).resolve(services.catalog)
    recipe = Recipe.from_json(Recipe("vqgan_clip", request.model, settings=to_plain(request)).to_json())
    assert json.loads(json.dumps(recipe.settings)) == to_plain(request)
    again = from_plain(recipe.settings).resolve(services.catalog)
    held = replace(
        request,
        image_prompts=(ImagePrompt("", -0.5, -0.9), ImagePrompt("")),
        regions=(Region("d", ""),),
        start_image="",
    )
    assert again == held and [line["step"] for line in again.log] == [1, 3]


@pytest.mark.parametrize(
    "table",
    [
        {"evil": 1},
        {"start_image": "/etc/passwd"},
        {"image_prompts": 3},
        {"image_prompts": ["x"]},
        {"image_prompts": [{"stop": "x"}]},
        {"regions": [{}]},
        {"regions": [{"prompts": 3}]},
        {"prompts": 3},
        {"noise_prompts": ["1"]},
        {"clips": "vit"},
        {"log": {"step": 1}},
        {"prompts": "a", "steps": "ten"},
        {"prompts": "a", "model": ["tiny"]},
        {"prompts": "a", "clips": [["vit"]]},
        {"prompts": "a", "judge": {}},
        {"prompts": "a", "start": []},
        {"prompts": "a", "rate": "fast"},
        {"prompts": "a", "log": [{"step": "x", "rate": 1}]},
        {"prompts": "a", "log": [{"step": 1, "prompts": 7}]},
        {"prompts": "a", "log": [{"step": 1, "weight": 7}]},
    ],
)
def test_forged_settings_are_refused(services, table):
    with pytest.raises(BadRequest, match=r"^[^\n]+$"):
        from_plain(table).resolve(services.catalog)


def test_a_file_on_this_machine_cannot_be_named_by_settings():
    assert from_plain({"prompts": "a", "checkpoint": "/etc/passwd"}).checkpoint is None

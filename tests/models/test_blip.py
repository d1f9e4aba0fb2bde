"""BLIP, BLIP-2, GIT and Florence-2 from their published layouts, against transformers' own generation."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch
from PIL import Image

from common.errors import BadRequest, ModelUnavailable
from models.catalog import Catalog
from models.families.blip import SPECS
from models.families.caption_contract import Decoding
from models.pool import ModelPool
from tests.models import tiny_captioners, tiny_hub

KINDS = {
    "blip-base": tiny_captioners.save_blip,
    "git-base-coco": tiny_captioners.save_git,
    "blip2-opt-2.7b": tiny_captioners.save_blip2,
    "blip2-flan-t5-xl": lambda folder: tiny_captioners.save_blip2(folder, t5=True),
    "florence-2-base": tiny_captioners.save_florence,
}
SOURCES = {spec.name: spec.source for spec in SPECS}
LENGTH = 7


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    for name, save in KINDS.items():
        save(tiny_hub.hub_path(folder, SOURCES[name]))
    return folder


@pytest.fixture
def pool(settings, hub):
    mine = dataclasses.replace(settings, hub_folder=hub, max_memory_gb=50.0)
    return ModelPool(Catalog.scan(mine), mine)


@pytest.fixture(params=KINDS)
def captioner(pool, request):
    with pool.use(request.param) as model:
        yield model


def picture(seed: int, size: tuple[int, int] = (40, 40)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))


def ask(captioner, pictures, **decoding):
    *_, captions = captioner.caption(pictures, Decoding(**{"max_tokens": LENGTH, **decoding}))
    return captions


def theirs(captioner, image: Image.Image, task: str = "caption", **how) -> list[int]:
    """What transformers' `generate` writes after the start tokens."""
    model, network = captioner.network.model, captioner.network
    pixels = captioner.processor(images=[image], return_tensors="pt")["pixel_values"]
    inputs = {}
    if hasattr(network, "prompts"):
        inputs["input_ids"] = torch.tensor([network.prompts[task]])
    elif type(network).__name__ == "Git":
        inputs["input_ids"] = torch.tensor([network.start])
    length = LENGTH + (len(network.start) - 1 if hasattr(network, "prompts") else 0)
    tokens = model.generate(
        pixel_values=pixels, **inputs, max_new_tokens=length, min_length=0, do_sample=False, use_cache=False, **how
    )[0].tolist()
    if type(network).__name__ == "Blip2Causal":
        tokens = tokens[model.config.num_query_tokens :]  # the picture's places
    while tokens[: len(network.start)] == list(network.start):
        tokens = tokens[len(network.start) :]
    return tokens


def test_greedy_words_are_those_of_transformers(captioner):
    found = ask(captioner, [picture(1), picture(2)], method="greedy")
    for seed, captions in zip((1, 2), found, strict=True):
        tokens = theirs(captioner, picture(seed), num_beams=1)
        assert captions[0].text == captioner.wording.text(tokens) != ""


def test_probability_is_that_of_the_whole_text_read_at_once(captioner):
    search = captioner._search([picture(1), picture(2)], [], Decoding(max_tokens=LENGTH, beams=3), 3,
                               captioner.wording.tokens(Decoding()), ["", ""], 0)  # fmt: skip
    with pytest.raises(StopIteration) as done:
        while True:
            next(search)
    network, start = captioner.network, list(captioner.network.start)
    for seed, found in zip((1, 2), done.value.value.results, strict=True):
        for each in found:  # all beams, so that every change of places in the cache counts
            with torch.no_grad():
                text = torch.tensor([[*start, *each.tokens[:-1]]])
                logits = network.begin(captioner.see([picture(seed)]), text, "caption", None)[0, len(start) - 1 :]
            wanted = logits.log_softmax(-1)[range(len(each.tokens)), list(each.tokens)]
            torch.testing.assert_close(torch.tensor(each.log_probs), wanted, atol=1e-3, rtol=1e-3)


def test_stream_and_settings(captioner):
    *texts, captions = captioner.caption([picture(1)], Decoding(beams=4, count=2, max_tokens=LENGTH))
    assert 1 <= len(texts) <= LENGTH and texts[-1][0] == captions[0][0].text
    for decoding in (
        {"method": "sample", "count": 2, "top_k": 5},
        {"method": "diverse", "beams": 4, "groups": 2, "count": 2},
        {"opening": "a red", "beams": 2},
        {"no_repeat": 2, "repetition_penalty": 1.5},
    ):
        for found in ask(captioner, [picture(1), picture(2)], **decoding):
            assert len(found) == decoding.get("count", 1)
            assert found[0].text.startswith(decoding.get("opening", ""))
    for found in ask(captioner, [picture(1), picture(2)], required=("blue", "dog"), beams=5):
        assert {"blue", "dog"} <= set(re.findall("[a-z]+", found[0].text))


def test_heat(captioner):
    caption = ask(captioner, [picture(1)], opening="a red car", method="greedy")[0][0]
    heat = captioner.heat(picture(1), caption, 1)
    assert heat.shape == ((2, 2) if hasattr(captioner.network, "prompts") else (4, 4))
    assert heat.min() >= 0 and heat.max() == pytest.approx(1)
    other = captioner.heat(picture(1), caption, 2)
    assert not torch.allclose(heat, other)
    wide = captioner.heat(picture(1, (80, 40)), caption, 1)
    assert (wide.shape[1] > heat.shape[1]) == captioner.cropped  # GIT cuts the middle out, the others squash
    with pytest.raises(BadRequest, match="word is -1"):
        captioner.heat(picture(1), caption, -1)


def test_florence_says_more_when_asked(pool):
    with pool.use("florence-2-base") as florence:
        texts = {}
        for detail in ("caption", "detailed", "more"):
            texts[detail] = ask(florence, [picture(1)], method="greedy", detail=detail)[0][0].text
            assert texts[detail] == florence.wording.text(theirs(florence, picture(1), detail, num_beams=1))
        assert len(set(map(tuple, florence.network.prompts.values()))) == 3
    with pool.use("blip-base") as blip, pytest.raises(BadRequest, match="BLIP base has no detail"):
        next(blip.caption([picture(1)], Decoding(detail="more")))


def test_too_long_a_text_is_refused(pool):
    with pool.use("blip-base") as blip:
        with pytest.raises(BadRequest, match="25 tokens are asked for; this model writes at most 24"):
            next(blip.caption([picture(1)], Decoding(max_tokens=25)))
        assert ask(blip, [picture(1)], max_tokens=24)


def test_half_precision_works(hub, settings, request):
    mine = dataclasses.replace(settings, hub_folder=hub, max_memory_gb=50.0, precision="bf16")
    pool = ModelPool(Catalog.scan(mine), mine)
    for name in KINDS:
        with pool.use(name) as model:
            assert model.network.model.dtype == torch.bfloat16
            assert ask(model, [picture(1)], beams=2)[0][0].log_probability < 0


def test_what_is_missing_or_something_else_is_said(settings, tmp_path):
    mine = dataclasses.replace(settings, hub_folder=tmp_path, max_memory_gb=50.0)
    pool = ModelPool(Catalog.scan(mine), mine)
    with pytest.raises(ModelUnavailable, match=r"python -m models\.fetch blip-base"), pool.use("blip-base"):
        pass
    folder = tiny_hub.hub_path(tmp_path, SOURCES["blip-base"])
    folder.mkdir()
    for name in ("preprocessor_config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_text("{}")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    said = "BLIP base holds a bert; this app knows blip, blip-2, git"
    with pytest.raises(ModelUnavailable, match=said), pool.use("blip-base"):
        pass
    (folder / "config.json").write_text('{"model_type": "blip"}')
    with pytest.raises(ModelUnavailable, match="is here but cannot be read"), pool.use("blip-base"):
        pass


def test_a_paragraph_may_have_more_than_a_hundred_tokens_and_its_heat_map_is_about_it(pool):
    with pool.use("florence-2-base") as florence:
        (end,) = florence.wording.stop
        florence.wording.forbidden = (end,)  # it never stops by itself
        decoding = Decoding(detail="more", method="greedy", opening="a red car")
        *_, ((caption,),) = florence.caption([picture(1)], decoding)
        assert len(caption.tokens) >= decoding.max_tokens == 160 and caption.detail == "more"
        heat = florence.heat(picture(1), caption, 1)
        plain = florence.heat(picture(1), dataclasses.replace(caption, detail="caption"), 1)
        assert not torch.allclose(heat, plain)

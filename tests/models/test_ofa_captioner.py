"""OFA from its published layout through the catalogue: captions, settings and heat."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from common.errors import BadRequest
from models.catalog import Catalog
from models.families.caption_contract import Decoding
from models.families.ofa import PUBLISHED, SPECS
from models.pool import ModelPool
from tests.models import tiny_hub, tiny_ofa

SOURCE = "OFA-Sys/ofa-tiny"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    return folder, tiny_ofa.save_ofa(tiny_hub.hub_path(folder, SOURCE))


@pytest.fixture
def make_pool(settings):
    def make(folder, **changes):
        mine = dataclasses.replace(settings, hub_folder=folder, max_memory_gb=50.0, **changes)
        return ModelPool(Catalog.scan(mine), mine)

    return make


@pytest.fixture
def captioner(make_pool, hub):
    with make_pool(hub[0]).use("ofa-tiny") as model:
        model.side = 64  # for time
        yield model


def picture(seed: int, size: tuple[int, int] = (40, 40)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))


def ask(captioner, pictures, **decoding):
    *_, captions = captioner.caption(pictures, Decoding(**{"max_tokens": 8, **decoding}))
    return captions


def results(captioner, pictures, decoding):
    tokens = captioner.wording.tokens(decoding)
    search = captioner._search(pictures, [], decoding, decoding.beams, tokens, [""] * len(pictures), 0)
    with pytest.raises(StopIteration) as done:
        while True:
            next(search)
    return done.value.value.results


def test_probability_is_that_of_the_whole_text_read_at_once(captioner):
    pictures = [picture(1), picture(2, (80, 30))]
    for image, found in zip(pictures, results(captioner, pictures, PUBLISHED), strict=True):
        assert len(found) == 5
        for each in found:
            text = torch.tensor([[0, *each.tokens[:-1]]])
            with torch.inference_mode():
                logits = captioner.model(captioner.pixels(image)[None], captioner.question, text)[0]
            taboo = torch.isin(torch.arange(logits.shape[-1]), torch.tensor(captioner.wording.forbidden))
            wanted = logits.masked_fill(taboo, float("-inf")).log_softmax(-1)[
                range(len(each.tokens)), list(each.tokens)
            ]
            torch.testing.assert_close(torch.tensor(each.log_probs), wanted, atol=1e-3, rtol=1e-3)
            triples = [each.tokens[start : start + 3] for start in range(len(each.tokens) - 2)]
            assert len(set(triples)) == len(triples)


def test_a_published_folder_captions_at_its_own_size(make_pool, hub):
    with make_pool(hub[0]).use("ofa-tiny") as model:
        assert model.side == 256 and model.pixels(picture(1)).shape == (3, 256, 256)
        *texts, captions = model.caption([picture(1)], Decoding(beams=4, count=2, max_tokens=3))
        assert len(captions[0]) == 2 and texts[-1][0] == captions[0][0].text != ""
        assert captions[0][0].log_probability < 0


def test_stream_and_settings(captioner):
    pictures = [picture(1), picture(2)]
    for decoding in (
        {"method": "sample", "count": 2, "top_k": 5},
        {"method": "diverse", "beams": 4, "groups": 2, "count": 2},
        {"opening": "a red", "beams": 2},
        {"method": "greedy", "repetition_penalty": 1.5},
    ):
        for found in ask(captioner, pictures, **decoding):
            assert len(found) == decoding.get("count", 1)
            assert found[0].text.startswith(decoding.get("opening", ""))
    for found in ask(captioner, pictures, required=("blue", "dog"), beams=5):
        assert {"blue", "dog"} <= set(re.findall("[a-z]+", found[0].text))
    with pytest.raises(BadRequest, match="OFA tiny has no detail"):
        ask(captioner, pictures, detail="more")
    with pytest.raises(BadRequest, match="1025 tokens are asked for; this model writes at most 1024"):
        captioner.check_length(1025)
    captioner.check_length(1024)


def test_first_word_is_written_as_those_after_it(captioner):
    words = tiny_ofa.vocabulary()[0]
    assert captioner.wording.encode("a red car") == [words["Ġa"], words["Ġred"], words["Ġcar"]]
    assert captioner.wording.encode(" a") == captioner.wording.encode("a")
    assert not {0, 1, 2, 3} & set(captioner.wording.encode("<s> </s> <pad>"))  # spelled, not obeyed


def test_only_words_are_written(make_pool, hub, tmp_path):
    state, words = dict(hub[1]), len(tiny_ofa.vocabulary()[0])
    loud = state["encoder.embed_tokens.weight"].clone()
    loud[words:] *= 20  # every code, and
    loud[[0, 1, 3, words - 1]] *= 20  # start, padding, unknown and mask shout
    for name in [name for name in state if "embed_tokens" in name or "output_projection" in name]:
        state[name] = loud
    folder = tiny_hub.hub_path(tmp_path, SOURCE)
    tiny_ofa.save_ofa(folder)
    torch.save(state, folder / "pytorch_model.bin")
    with make_pool(tmp_path).use("ofa-tiny") as model:
        model.side = 64
        for each in results(model, [picture(1)], PUBLISHED)[0]:
            assert all(4 <= token < words - 1 or token == 2 for token in each.tokens)


def test_pictures_of_all_kinds_are_squashed(captioner):
    grey = Image.new("L", (10, 50), 255)
    assert captioner.pixels(grey).shape == (3, 64, 64) and captioner.pixels(grey).min() == 1
    assert captioner.pixels(Image.new("RGB", (9, 9))).max() == -1
    halves = Image.new("RGB", (100, 20))
    halves.paste((255, 0, 0), (50, 0, 100, 20))
    red, green, _ = captioner.pixels(halves)
    assert red[:, 40:].min() > 0.9 and red[:, :24].max() < -0.9 and green.max() == -1


def test_heat(captioner):
    caption = ask(captioner, [picture(1)], opening="a red car", method="greedy")[0][0]
    heat = captioner.heat(picture(1), caption, 1)
    assert heat.shape == (4, 4) and heat.min() >= 0 and heat.max() == pytest.approx(1)
    assert not torch.allclose(heat, captioner.heat(picture(1), caption, 2))
    with pytest.raises(BadRequest, match="word is -1"):
        captioner.heat(picture(1), caption, -1)


def test_looks_sum_to_one(captioner):
    with torch.inference_mode():
        looks = captioner.model.looks(torch.tensor([[0, 260, 263]]), captioner.see([picture(1)]))
    assert looks.shape == (1, 3, 16 + len(captioner.question))
    torch.testing.assert_close(looks.sum(-1), torch.ones(1, 3))


def test_leaner_and_safer_copies_are_read_alike(make_pool, hub, captioner, tmp_path):
    wanted = ask(captioner, [picture(1)], beams=2)[0][0]
    lean = {name: value for name, value in hub[1].items() if name in captioner.model.state_dict()}
    renamed = dict(lean)
    renamed["decoder.output_projection.weight"] = renamed.pop("encoder.embed_tokens.weight")
    for number, (state, name) in enumerate(((lean, "pytorch_model.bin"), (renamed, "model.safetensors"))):
        place = tmp_path / str(number)
        folder = tiny_hub.hub_path(place, SOURCE)
        tiny_ofa.save_ofa(folder)
        (folder / "pytorch_model.bin").unlink()
        save = save_file if name.endswith("safetensors") else torch.save
        save({key: value.clone() for key, value in state.items()}, folder / name)
        with make_pool(place).use("ofa-tiny") as model:
            model.side = 64
            found = ask(model, [picture(1)], beams=2)[0][0]
            assert found.text == wanted.text
            assert found.log_probability == pytest.approx(wanted.log_probability, abs=1e-4)


def test_half_precision_works(make_pool, hub):
    with make_pool(hub[0], precision="bf16").use("ofa-tiny") as model:
        model.side = 64
        assert model.model.head.dtype == torch.bfloat16
        assert ask(model, [picture(1), picture(2)], beams=2)[1][0].log_probability < 0


def test_entries_say_what_is_published():
    assert [spec.name for spec in SPECS] == [f"ofa-{size}" for size in ("tiny", "medium", "base", "large", "huge")]
    for spec in SPECS:
        assert (spec.source, spec.revision) == (f"OFA-Sys/{spec.name}", "main")
        assert (spec.role, spec.pack, spec.licence) == ("captioner", "hub", "Apache-2.0")
        assert 0 < spec.memory_mb < spec.download_mb

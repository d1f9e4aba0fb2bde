"""ClipCap captioners from the catalog, on pictures, with a real tokenizer: what a room gets to see."""

from __future__ import annotations

import dataclasses
import re
from math import exp
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from common.errors import BadRequest
from models.catalog import Catalog
from models.convert.clipcap import convert
from models.families.caption_contract import Caption, Decoding
from models.families.clipcap_eye import clip_vectors
from models.families.clipcap_names import Names
from models.pool import ModelPool
from tests.models import tiny_clipcap, tiny_hub

CLIP, SOURCE = "clip-vit-b-32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
LENGTH = 12


def picture(seed: int, size: tuple[int, int] = (40, 40)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    tiny_hub.save_open_clip(tiny_hub.hub_path(folder, SOURCE))
    tokenizer = tiny_clipcap.gpt2_tokenizer()
    config = tiny_clipcap.gpt2_config(vocab_size=len(tokenizer), n_positions=64)
    gpt2 = tiny_clipcap.language_model(config, likely=tokenizer.encode(" car")[0])
    torch.manual_seed(3)
    for name, mapper in (
        ("tiny-mlp", tiny_clipcap.mlp_weights(16, 32, 4)),
        ("tiny-transformer", tiny_clipcap.transformer_weights(16, 32, 4, 3, 1)),
    ):
        if "mlp" in name:  # raw vectors are short here, so their differences need room
            mapper["clip_project.model.0.weight"] *= 20
        paths = tiny_clipcap.save(folder.parent, tiny_clipcap.checkpoint(gpt2, mapper), config, tokenizer=True)
        convert(paths[0], str(paths[1]), CLIP, folder / name)
    return folder


@pytest.fixture
def pool(settings, hub):
    mine = dataclasses.replace(settings, hub_folder=hub, max_memory_gb=20.0)
    return ModelPool(Catalog.scan(mine), mine)


@pytest.fixture(params=["tiny-mlp", "tiny-transformer"])
def captioner(pool, request):
    with pool.use(request.param) as model:
        yield model


def ask(captioner, pictures, **decoding) -> list[list[Caption]]:
    *_, captions = captioner.caption(pictures, Decoding(**{"max_tokens": LENGTH, **decoding}))
    return captions


def test_converted_folders_are_found(pool):
    for name in ("tiny-mlp", "tiny-transformer"):
        spec = pool.catalog.get(name)
        assert (spec.role, spec.pack) == ("captioner", "hub") and pool.catalog.is_available(spec)
    assert "mlp mapper, prefix 4, clip-vit-b-32" in pool.catalog.get("tiny-mlp").note


def test_the_stream_grows_word_by_word_and_ends_with_captions(captioner):
    *texts, captions = captioner.caption([picture(1), picture(2)], Decoding(beams=3, count=2, max_tokens=LENGTH))
    assert 1 <= len(texts) <= LENGTH and all(len(each) == 2 for each in texts)
    assert [len(each) for each in captions] == [2, 2]
    for number, found in enumerate(captions):
        best = found[0]
        assert texts[-1][number] == best.text and best.text.split() == list(best.words)
        assert len(best.confidences) == len(best.words) and all(0 <= each <= 1 for each in best.confidences)
        assert best.log_probability < 0


def test_a_pictures_captions_do_not_depend_on_its_neighbours(captioner):
    pictures = [picture(seed, (30 + seed, 50)) for seed in range(5)]
    for decoding in ({"beams": 3}, {"method": "sample", "count": 2, "seed": 4}, {"method": "greedy"}):
        together = ask(captioner, pictures, **decoding)
        alone = [ask(captioner, [each], **decoding)[0] for each in pictures]
        captioner.rows = 3
        in_parts = ask(captioner, pictures, **decoding)
        del captioner.rows
        texts = [[[each.text for each in found] for found in way] for way in (together, alone, in_parts)]
        assert texts[0] == texts[1] == texts[2]
    assert len({found[0].text for found in ask(captioner, pictures)}) > 1  # pictures differ, and so do captions
    assert ask(captioner, []) == []


def test_confidences_multiply_to_the_probability(captioner):
    for found in ask(captioner, [picture(1), picture(2)], beams=3, count=3):
        for each in found:
            # An unfinished caption has every token in its words; one that ended has the stop token besides.
            assert np.prod(each.confidences) >= exp(each.log_probability) - 1e-9
            if len(captioner.wording.encode(each.text)) == LENGTH:
                assert np.prod(each.confidences) == pytest.approx(exp(each.log_probability), rel=1e-3)


def test_openings_and_required_words(captioner):
    for found in ask(captioner, [picture(1), picture(2)], opening="the blue "):
        assert found[0].text.startswith("the blue") and found[0].confidences[0] == 1.0
    for found in ask(captioner, [picture(1), picture(2)], required=("dog", "hat", "hut"), beams=6, count=3):
        assert len(found) == 3
        assert all({"dog", "hat", "hut"} <= set(re.findall(r"\w+", each.text.lower())) for each in found)


def test_its_clip_chooses_among_what_the_beams_found(captioner, monkeypatch):
    pictures = [picture(1), picture(2)]
    found = ask(captioner, pictures, beams=6, count=6)
    for weight in (0.0, 30.0, 1e9):
        monkeypatch.setattr(captioner, "reranking", {"beams": 6, "weight": weight})
        *texts, chosen = captioner.caption(pictures, Decoding(beams=3, count=2, max_tokens=LENGTH))
        assert all(isinstance(text, str) for each in texts for text in each)
        for shown, mine, beams in zip(pictures, chosen, found, strict=True):
            image = captioner.ranker.encode_images([shown])[0]
            cosines = captioner.ranker.encode_texts([each.text for each in beams]) @ image
            values = [each.log_probability + weight * float(s) for each, s in zip(beams, cosines, strict=True)]
            best = np.argsort(values)[::-1][:2]
            assert [each.text for each in mine] == [beams[k].text for k in best]


def test_a_single_beam_is_not_reranked(captioner, monkeypatch):
    before = ask(captioner, [picture(1)], beams=1)
    monkeypatch.setattr(captioner, "reranking", {"beams": 6, "weight": 1e9})
    assert ask(captioner, [picture(1)], beams=1) == before


def test_raw_vectors_have_a_length_and_others_do_not(pool):
    with pool.use(CLIP) as ranker:
        raw, unit = (clip_vectors(ranker, [picture(1), picture(2)], normalise)[0] for normalise in (False, True))
    torch.testing.assert_close(raw / raw.norm(dim=-1, keepdim=True), unit)
    assert (raw.norm(dim=-1) - 1).abs().min() > 1e-3
    with pool.use("tiny-mlp") as mlp, pool.use("tiny-transformer") as transformer:
        assert (mlp.normalise, transformer.normalise) == (False, True)


def test_heat_is_where_the_word_comes_from(captioner):
    caption = ask(captioner, [picture(1)])[0][0]
    heat = captioner.heat(picture(1), caption, 0)
    assert heat.shape == (4, 4) and heat.dtype == torch.float32  # 32 pixels in patches of 8
    assert heat.min() >= 0 and heat.max() == pytest.approx(1)
    last = captioner.heat(picture(1), caption, len(caption.words) - 1)
    assert len(caption.words) == 1 or not torch.equal(heat, last)
    wide = captioner.heat(picture(1, (80, 40)), caption, 0)
    assert wide.shape == (4, 8) and wide[:, :2].max() == 0 == wide[:, -2:].max()  # CLIP saw the middle alone
    with pytest.raises(
        BadRequest, match=f"word is 99, and the caption's words are numbered 0 to {len(caption.words) - 1}"
    ):
        captioner.heat(picture(1), caption, 99)


def test_what_it_cannot_do_is_refused_before_it_begins(captioner):
    with pytest.raises(BadRequest, match=r"has no detail; leave it at 'caption'"):
        next(captioner.caption([picture(1)], Decoding(detail="more")))
    with pytest.raises(BadRequest, match="101 tokens are asked for; after its prefix this model has room for 60"):
        next(captioner.caption([picture(1)], Decoding(max_tokens=100, opening="a")))
    with pytest.raises(BadRequest, match=r"“U\.S\.” is required, but it contains “\.”, which ends"):
        next(captioner.caption([picture(1)], Decoding(required=("dog", "U.S."))))
    with pytest.raises(BadRequest, match="the required words take 2 tokens, and max_tokens is 1"):
        next(captioner.caption([picture(1)], Decoding(max_tokens=1, required=("dog", "cat"))))


def test_the_ranker_stays_while_the_captioner_does(pool):
    with pool.use("tiny-mlp"):
        pass
    assert {status.name for status in pool.status()} == {"tiny-mlp", CLIP}
    with pytest.raises(BadRequest, match="is in use"):
        pool.unload(CLIP)
    pool.unload("tiny-mlp")
    pool.unload(CLIP)
    assert pool.status() == []


def test_a_caption_keeps_its_own_tokens_for_the_heat_map(captioner):
    caption = ask(captioner, [picture(1)], opening="the blue", beams=3)[0][0]
    opening = captioner.wording.encode("the blue")
    assert list(caption.tokens[: len(opening)]) == opening and captioner.wording.text(caption.tokens) == caption.text
    assert captioner.asked(caption, 0)[0] == list(caption.tokens)
    unknown = dataclasses.replace(caption, tokens=())
    assert captioner.asked(unknown, 0)[0] == captioner.wording.encode(caption.text)


def test_there_is_room_for_what_the_prefix_and_the_opening_leave(captioner):
    assert captioner.room(Decoding(max_tokens=20)) == 20
    assert captioner.room(Decoding(max_tokens=200)) == 60
    assert captioner.room(Decoding(max_tokens=200, opening="a")) == 59


def test_names_that_are_told_are_those_nearest_the_picture(pool):
    shown = [picture(1), picture(2)]
    with pool.use(CLIP) as ranker:
        vectors = ranker.encode_images(shown)
        phrases = torch.stack([vectors[1], vectors[0], -vectors.mean(0)])  # as if pictures were phrases
        encode = {" dog": [5], " hat": [6, 7], " blue car": [8, 9, 10, 11]}.__getitem__
        names = Names(["dog", "hat", "blue car"], phrases, encode, slots=2, length=3, pad=0)
        assert names.nearest(vectors).tolist() == [[6, 7, 0, 5, 0, 0], [5, 0, 0, 6, 7, 0]]


def test_a_captioner_reads_the_names_behind_its_prefix(pool, hub, monkeypatch):
    with pool.use("tiny-mlp") as captioner:
        before = ask(captioner, [picture(1)])[0][0]
        told = torch.tensor([captioner.wording.encode(" dog hat")])
        monkeypatch.setitem(captioner.model.config, "names", {"slots": 1, "length": told.shape[1], "pad": 0})
        monkeypatch.setattr(captioner, "names", SimpleNamespace(nearest=lambda vectors: told.expand(len(vectors), -1)))
        (after,) = ask(captioner, [picture(1)])[0]
        vector, _ = clip_vectors(captioner.ranker, [picture(1)], captioner.normalise)
        tokens = torch.tensor([after.tokens])
        logits = captioner.model.logits(vector, tokens, told)[0, captioner.model.plan.prefix + told.shape[1] - 1 :]
        log_probs = logits.log_softmax(-1)[:-1].gather(1, tokens.T)
        assert float(log_probs.sum()) == pytest.approx(after.log_probability, abs=1e-3)
        assert after.log_probability != pytest.approx(before.log_probability, abs=1e-4)
        assert captioner.heat(picture(1), after, 0) is not None
        with pytest.raises(BadRequest, match="has room for"):
            captioner.model.check_length(captioner.model.language.positions - captioner.model.plan.prefix)

"""Prompts that begin alike: read with what they share read once, equal to reading each of them whole."""

from __future__ import annotations

import pytest
import torch

from models.prompting.readers import SharingReader, WholeReader, joined, reader_of

PROMPT = "a red house beside a lake, highly detailed"
ADDITIONS = [
    "blue",
    "soft light",
    "an oil painting of the sea at night",
    "café",
    "x",
    "'s hat",
    "3d",
    "&amp; so on",
    "🙂",
]


@pytest.fixture
def clip(hub_pool):
    with hub_pool().use("clip-vit-b-32") as ranker:
        yield ranker


def test_extending_equals_reading_whole(clip):
    reader = reader_of(clip)
    assert isinstance(reader, SharingReader) and reader.shares
    whole = clip.encode_texts([joined(PROMPT, each) for each in ADDITIONS])
    assert torch.allclose(reader.extend(PROMPT, ADDITIONS), whole, atol=1e-6)
    assert torch.allclose(reader.read(ADDITIONS), clip.encode_texts(ADDITIONS), atol=1e-6)
    assert torch.allclose(reader.extend("", ADDITIONS), clip.encode_texts(ADDITIONS), atol=1e-6)


@pytest.mark.parametrize("prompt", ["ends with a dot.", "a (bracket", "dots ...", "café", "a <b & c", "7", "so-called"])
def test_the_seam_is_where_the_tokenizer_has_it(clip, prompt):
    whole = clip.encode_texts([joined(prompt, each) for each in ADDITIONS])
    assert torch.allclose(reader_of(clip).extend(prompt, ADDITIONS), whole, atol=1e-6)


def test_what_does_not_fit_is_cut_as_the_model_cuts_it(clip):
    reader, long = reader_of(clip), "a very long prompt " * 30
    assert torch.allclose(
        reader.read([long, "a <end_of_text> b"]), clip.encode_texts([long, "a <end_of_text> b"]), atol=1e-6
    )
    assert reader.count(long) == 122 and not reader.fits(long, "x")
    words = "word " * 73
    assert reader.count(words) == 75 and not reader.fits(words, "two words") and reader.fits(words[:-5], "one")


def test_the_shared_beginning_is_read_once(clip):
    reader, read = reader_of(clip), []
    clip.model.token_embedding.register_forward_hook(lambda module, given, made: read.append(given[0].numel()))
    reader.extend(PROMPT, ["blue", "soft light", "old"])
    shared = reader.count(PROMPT + ",") - 1
    assert sum(read) == shared + 2 + 3 + 2


def test_a_tower_without_causal_mask_is_read_whole(hub_pool):
    with hub_pool().use("siglip-vit-b-16") as ranker:
        reader = reader_of(ranker)
        assert isinstance(reader, WholeReader) and not reader.shares
        texts = ["a red car", "the blue cat and the penguin", "a"]
        assert torch.allclose(reader.read(texts), ranker.encode_texts(texts), atol=1e-5)
        assert reader.fits("a red car", "blue") and not reader.fits(
            "a red car in the blue style and the", "penguin cat red"
        )
        assert all(reader.fits(a, b) <= (reader.count(joined(a, b)) <= reader.limit) for a in texts for b in texts)


def test_coca_reads_behind_its_padding_and_is_read_whole():
    import open_clip

    from models.prompting.causal import is_causal
    from tests.models.test_coca import architecture

    config = architecture(vocab_size=300)
    model = open_clip.CoCa(**{key: value for key, value in config.items() if key != "custom_text"})
    assert not is_causal(model)


def test_nothing_to_read_is_an_error(clip):
    from models.prompting.causal import CausalText

    with pytest.raises(ValueError, match="nothing"):
        CausalText(clip.model).vectors([])

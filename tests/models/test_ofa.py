"""OFA's network: buckets, the published layout, and logits against those of the authors' own code."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from models.families.ofa import QUESTION
from models.ofa.config import OfaConfig
from models.ofa.layers import EncoderLayer
from models.ofa.network import Ofa, OfaContinuation
from models.ofa.positions import picture_buckets, picture_places, token_buckets
from models.ofa.weights import TIED, load_network, load_tokenizer
from tests.models import tiny_ofa

# From the authors' code (modelscope 1.9.5, models/multi_modal/ofa) with the weights of `published_state`, the pixels of
# `pixels`, their question and the text "<s> a red car": every 41st logit after each of its tokens.
AUTHORS_LOGITS = [
    [3.8389, 5.6014, 0.8074, -4.6179, -1.6747, 2.0381, -4.1503, 4.3885, 7.0331],
    [-2.7408, 3.8183, -1.1303, 0.9804, 2.5988, -1.0061, -2.9675, 7.1665, 5.1097],
    [-2.6194, 4.3041, -0.9768, 0.9064, -0.5500, -1.4506, 2.3383, -0.5466, 6.1558],
    [0.2195, 6.9049, -0.0833, -4.8322, -1.0073, 2.6688, -2.3926, 4.4295, 9.3465],
]
# Width, layers of encoder and decoder, heads, ResNet, and millions of parameters as published.
SIZES = {
    "tiny": (256, 4, 4, 4, "resnet50", 33),
    "medium": (512, 4, 4, 8, "resnet101", 93),
    "base": (768, 6, 6, 12, "resnet101", 180),
    "large": (1024, 12, 12, 16, "resnet152", 470),
    "huge": (1280, 24, 12, 16, "resnet152", 930),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("ofa")
    tiny_ofa.save_ofa(place)
    return place


@pytest.fixture(scope="module")
def model(folder):
    return load_network(folder, torch.float32)


def question(folder, model) -> torch.Tensor:
    tokenizer = load_tokenizer(folder, model.config)
    return torch.tensor([0, *tokenizer.encode(QUESTION, add_special_tokens=False), 2])


def pixels(count: int = 1) -> torch.Tensor:
    """Oblong, so that rows and columns cannot be mixed up unnoticed."""
    return torch.cat([tiny_ofa.made_up("pixels" + "+" * number, (1, 3, 64, 96)) for number in range(count)])


def test_logits_are_those_of_the_authors_code(folder, model):
    words = tiny_ofa.vocabulary()[0]
    asked = question(folder, model)
    assert asked.tolist() == [0, *(words[f"Ġ{word}"] for word in QUESTION[:-1].split()), words["?"], 2]
    text = torch.tensor([[0, *(words[f"Ġ{word}"] for word in ("a", "red", "car"))]])
    with torch.inference_mode():
        logits = model(pixels(), asked, text)
        other = model(pixels() * 0.5, asked, text)
    torch.testing.assert_close(logits[0, :, ::41], torch.tensor(AUTHORS_LOGITS), atol=2e-3, rtol=0)
    assert (other - logits).abs().max() > 0.1  # the picture is looked at


def test_distances_of_words_fall_into_the_published_buckets():
    ours = token_buckets(256, 1024)
    assert ours.min() == 0 and ours.max() == 2 * 256 - 2
    for row in (0, 1, 127, 128, 129, 500, 1023):
        assert ours[row].tolist() == [tiny_ofa.bucket(row - column) for column in range(1024)]
    assert ours[10, 3] == 255 + 7 and ours[3, 10] == 255 - 7  # near ones are told apart exactly


def test_patches_come_row_by_row_in_a_wider_square():
    assert picture_places(42, 2, 3).tolist() == [1, 2, 3, 43, 44, 45]
    ours, patches = picture_buckets(42, 2, 3), [(row, column) for row in range(2) for column in range(3)]
    for here, (row, column) in enumerate(patches):
        for there, (other_row, other_column) in enumerate(patches):
            assert ours[here, there] == (row - other_row + 41) * 83 + column - other_column + 41


def test_states_are_patches_then_words(folder, model):
    asked = question(folder, model)
    with torch.inference_mode():
        states, places = model.see(pixels(2), asked)
        assert states.shape == (2, 4 * 6 + len(asked), tiny_ofa.WIDTH) and places.shape == states.shape[1:]
        encoder = model.encoder
        wanted = encoder.image_pos_ln(encoder.embed_image_positions.weight[[1, 2, 3, 4, 5, 6, 17]])
        torch.testing.assert_close(places[:7], wanted)
        torch.testing.assert_close(places[24:], encoder.pos_ln(encoder.embed_positions.weight[: len(asked)]))
        alone = torch.cat([model.see(each[None], asked)[0] for each in pixels(2)])
    torch.testing.assert_close(states, alone, atol=1e-4, rtol=1e-4)


def test_many_pictures_are_looked_at_in_parts(folder, model):
    asked, many = question(folder, model), pixels(5)[:, :, :32, :32]
    with torch.inference_mode():
        torch.testing.assert_close(model.see(many, asked)[0][4:], model.see(many[4:], asked)[0], atol=1e-4, rtol=1e-4)


def test_cached_hypotheses_are_read_as_if_whole(folder, model):
    asked, beams, steps = question(folder, model), 3, 6
    dice = torch.Generator().manual_seed(3)
    with torch.inference_mode():
        seen = model.see(pixels(2), asked)
        opening = torch.tensor([0, 260, 263])
        continued = OfaContinuation(model, seen, opening, beams, steps)
        texts = opening.expand(2, beams, -1)
        torch.testing.assert_close(continued.first(), model(pixels(2), asked, texts[:, 0])[:, -1], atol=1e-4, rtol=1e-4)
        pictures = torch.tensor([0, 1])
        for step in range(steps - 1):
            shape = (len(pictures), beams)
            tokens = torch.randint(4, 250, shape, generator=dice)
            source = torch.randint(0, beams if step else 1, shape, generator=dice)
            texts = torch.cat([texts.gather(1, source[..., None].expand_as(texts)), tokens[..., None]], -1)
            logits = continued.next(tokens, source)
            whole = model(pixels(2)[pictures].repeat_interleave(beams, 0), asked, texts.flatten(0, 1))[:, -1]
            torch.testing.assert_close(logits.flatten(0, 1), whole, atol=1e-4, rtol=1e-4)
            if step == 2:
                continued.keep(torch.tensor([1]))
                pictures, texts = torch.tensor([1]), texts[1:]


def test_all_that_is_published_is_read_or_known(model):
    published = tiny_ofa.published_state(model.config.vocab_size)
    ours = model.state_dict()
    unread = set(published) - set(ours) - set(TIED)
    parts = {name.split(".")[1] for name in unread if not name.endswith("num_batches_tracked")}
    writes_pictures = {"embed_image_positions", "image_pos_ln", "code_layernorm_embedding", "image_rel_pos_table_list"}
    assert parts == {"token_rp_bucket", "image_rp_bucket", "image_position_idx"} | writes_pictures
    assert set(ours) <= set(published)
    for name, value in ours.items():
        assert torch.equal(value, published[name]), name


@pytest.mark.parametrize("name", SIZES)
def test_sizes_have_the_published_number_of_parameters(name):
    width, encoder, decoder, heads, resnet, millions = SIZES[name]
    config = OfaConfig(59457, width, encoder, decoder, heads, heads, 4 * width, 4 * width, resnet)
    with torch.device("meta"):
        count = sum(value.numel() for value in Ofa(config).state_dict().values())
    assert count / 1e6 == pytest.approx(millions, rel=0.015)


def test_parts_that_a_config_leaves_out_are_left_out():
    sizes = tiny_ofa.config(100)
    plain = dict.fromkeys(
        ("normformer", "layernorm_embedding", "patch_layernorm_embedding", "add_type_embedding"), False
    )
    names = {}
    for key, said in {"with": sizes, "without": {**sizes, **plain, "scale_embedding": True}}.items():
        with torch.device("meta"):
            model = Ofa(OfaConfig.read(said))
        names[key] = set(model.state_dict())
        assert model.scale == (4 if key == "without" else 1)
    gone = {name.rsplit(".", 1)[0].split(".")[-1] for name in names["with"] - names["without"]}
    assert names["without"] < names["with"]
    assert gone == {
        "self_attn_mid_layer_norm", "cross_attn_mid_layer_norm", "ffn_layer_norm", "layernorm_embedding",
        "patch_layernorm_embedding", "type_embedding",
    }  # fmt: skip


def test_half_precision_says_much_the_same(folder, model):
    half = load_network(folder, torch.bfloat16)
    asked, text = question(folder, model), torch.tensor([[0, 260, 263]])
    with torch.inference_mode():
        ours, exact = (each(pixels().to(each.head.dtype), asked, text) for each in (half, model))
    assert half.head.dtype == torch.bfloat16 and ours.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(ours, exact, dim=-1).min() > 0.98


def test_half_precision_does_not_overflow():
    layer = EncoderLayer(OfaConfig.read(tiny_ofa.config(100))).half()
    torch.nn.init.constant_(layer.fc2.bias, 60000.0)
    with torch.inference_mode():
        x = layer(torch.full((1, 2, 16), 30000.0).half(), torch.zeros(1, 2, 2, 2).half())
    assert x.isfinite().all() and x.max() > 60000


def test_config_keeps_what_it_read():
    config = OfaConfig.read(tiny_ofa.config(100))
    assert dataclasses.asdict(config).items() <= tiny_ofa.config(100).items()

"""CoCa with our own generation against open_clip's network run over the whole sentence each time."""

from __future__ import annotations

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from common.errors import BadRequest, ModelUnavailable
from models.families.caption_contract import Decoding
from models.families.coca import SPECS, CocaCaptioner
from tests.models import tiny_hub

NAME = "coca-vit-b-32-coco"


def architecture(**text) -> dict:
    vision = {"image_size": 32, "layers": 2, "width": 24, "head_width": 8, "patch_size": 8}
    vision |= {"attentional_pool": True, "attn_pooler_queries": 9, "attn_pooler_heads": 2, "output_tokens": True}
    words = {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2, **text}
    multimodal = {**words, "attn_pooler_heads": 2}
    return {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": vision,
        "text_cfg": {**words, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": multimodal,
    }


def save(folder, **text) -> None:
    folder.mkdir(parents=True)
    picture = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": architecture(**text), "preprocess_cfg": picture})
    )
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    for name, value in model.named_parameters():
        if value.ndim > 1 and not name.startswith("visual"):
            torch.nn.init.normal_(value, 0, 0.3)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")  # as these repositories have it


def picture(seed: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    source = next(spec.source for spec in SPECS if spec.name == NAME)
    save(tiny_hub.hub_path(folder, source))
    return folder, {}


@pytest.fixture
def captioner(hub_pool):
    with hub_pool().use(NAME) as model:
        yield model


@torch.no_grad()
def whole(captioner: CocaCaptioner, image: Image.Image, tokens: list[int]) -> torch.Tensor:
    """open_clip's own logits (T, V) after each token of a text."""
    model = captioner.model
    pixels = captioner.preprocess(image)[None]
    # Its training drops the last word's logits, so one more is appended; under the causal mask nothing changes.
    return model(pixels, torch.tensor([[*tokens, tokens[-1]]]), output_labels=True)["logits"][0, : len(tokens)]


def ask(captioner, pictures, **decoding):
    *_, captions = captioner.caption(pictures, Decoding(**{"max_tokens": 8, **decoding}))
    return captions


def test_logits_are_open_clips(captioner):
    tokens = [captioner.start, 320, 736, 1615, 525, 9]
    with torch.no_grad():
        ours = captioner.decoder(captioner.see([picture(1)]), torch.tensor([tokens]))[0]
    torch.testing.assert_close(ours, whole(captioner, picture(1), tokens), atol=1e-4, rtol=1e-4)


def test_cached_is_uncached_along_branching_hypotheses(captioner):
    pictures, choices = [picture(1), picture(2)], torch.Generator().manual_seed(0)
    texts = [[[captioner.start]] * 3, [[captioner.start]] * 3]
    with torch.inference_mode():
        network = captioner.begin(pictures, [], Decoding(max_tokens=6), 3)
        logits = network.first()[:, None].expand(-1, 3, -1)
        for _ in range(5):
            for row, image in enumerate(pictures):
                wanted = torch.stack([whole(captioner, image, text)[-1] for text in texts[row]])
                torch.testing.assert_close(logits[row], wanted, atol=1e-4, rtol=1e-4)
            source = torch.randint(3, (2, 3), generator=choices)
            tokens = torch.randint(1, 49000, (2, 3), generator=choices)
            texts = [
                [[*texts[row][source[row, beam]], int(tokens[row, beam])] for beam in range(3)] for row in range(2)
            ]
            logits = network.next(tokens, source)


def test_greedy_words_are_the_likeliest_of_the_whole_network(captioner):
    caption = ask(captioner, [picture(3)], method="greedy")[0][0]
    text, total = [captioner.start], 0.0
    for _ in range(8):
        logits = whole(captioner, picture(3), text)[-1]
        logits[list(captioner.wording.forbidden)] = float("-inf")
        value, token = logits.log_softmax(-1).max(-1)
        text, total = [*text, int(token)], total + value.item()
        if int(token) in captioner.wording.stop:
            break
    assert caption.text == captioner.wording.text(text)
    assert caption.log_probability == pytest.approx(total, abs=1e-3)


def test_a_text_ends_at_the_end_marker(captioner):
    end = captioner.wording.stop[0]
    captioner.decoder.head[end] *= 3
    captioner.decoder.norm.bias.copy_(2 * captioner.decoder.head[end])  # now it is likely everywhere
    pictures = [picture(1), picture(2)]
    assert [found[0].text for found in ask(captioner, pictures, method="greedy")] == ["", ""]
    found = ask(captioner, pictures, beams=3, count=3)
    assert {len(each.words) for row in found for each in row} > {0}
    assert all("<" not in each.text for row in found for each in row)


def test_openings_required_words_and_samples(captioner):
    for found in ask(captioner, [picture(1), picture(2)], opening="A photo of"):
        assert found[0].words[:3] == ("a", "photo", "of") and found[0].confidences[:3] == (1, 1, 1)
    for found in ask(captioner, [picture(1), picture(2)], required=("penguin", "ice cream"), max_tokens=12):
        assert "penguin" in found[0].words and "ice cream" in found[0].text
    pair = ask(captioner, [picture(1)], method="sample", count=3, seed=1)
    assert pair == ask(captioner, [picture(1)], method="sample", count=3, seed=1)
    assert pair != ask(captioner, [picture(1)], method="sample", count=3, seed=2)


def test_a_picture_is_seen_once_whatever_the_beams(captioner):
    seen = []
    captioner.model.visual.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    ask(captioner, [picture(1), picture(2)], beams=4)
    assert seen == [2]


def test_heat_is_attention_of_words_through_the_pooler(captioner):
    caption = ask(captioner, [picture(1)], method="greedy")[0][0]
    heats = [captioner.heat(picture(1), caption, word) for word in range(len(caption.words))]
    for heat in heats:
        assert heat.shape == (4, 4) and heat.min() >= 0 and heat.max() == pytest.approx(1)
    assert len(heats) == 1 or not torch.allclose(heats[0], heats[-1])
    assert captioner.heat(picture(1, (32, 64)), caption, 0).shape == (8, 4)


def test_too_long_and_too_detailed_are_refused(captioner):
    with pytest.raises(BadRequest, match="21 tokens are asked for; this model writes at most 20"):
        next(captioner.caption([picture(1)], Decoding(max_tokens=21)))
    assert len(ask(captioner, [picture(1)], max_tokens=20)[0]) == 1
    with pytest.raises(BadRequest, match=r"CoCa ViT-B/32 \(COCO\) has no detail"):
        next(captioner.caption([picture(1)], Decoding(detail="detailed")))


def test_half_precision_works(hub_pool):
    with hub_pool(precision="bf16").use(NAME) as half:
        assert half.decoder.head.dtype == torch.bfloat16
        assert ask(half, [picture(1)], beams=2)[0][0].log_probability < 0


def test_learned_factors_after_each_half_are_kept(tmp_path):
    save(tmp_path / "scaled", ls_init_value=0.7)
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path / 'scaled'}")
    captioner = CocaCaptioner(model, preprocess, open_clip.get_tokenizer("ViT-B-32"))
    tokens = [captioner.start, 5, 6]
    with torch.no_grad():
        ours = captioner.decoder(captioner.see([picture(1)]), torch.tensor([tokens]))[0]
    torch.testing.assert_close(ours, whole(captioner, picture(1), tokens), atol=1e-4, rtol=1e-4)


def test_a_clip_without_a_decoder_is_said(hub_pool, settings, tmp_path):
    source = next(spec.source for spec in SPECS if spec.name == NAME)
    tiny_hub.save_open_clip(tiny_hub.hub_path(tmp_path, source))
    with (
        pytest.raises(ModelUnavailable, match="holds a CLIP, which cannot write"),
        hub_pool(hub_folder=tmp_path).use(NAME),
    ):
        pass

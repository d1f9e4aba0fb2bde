"""The real networks that arrive as packages, and the CLIP built from them."""

from __future__ import annotations

import pytest
import torch

from models.families.efficientnet import MEAN, STD, imagenet_state
from models.families.pictograms_clip import LOOKS, PictogramClip, architecture, build, read_folder
from models.families.sentence import SentenceEncoder


@pytest.fixture(scope="module")
def sentence() -> SentenceEncoder:
    return SentenceEncoder()


def test_the_sentence_encoder_equals_the_published_pipeline(sentence):
    from sentence_transformers import SentenceTransformer

    from models.families.sentence import minilm_folder

    texts = ["a cat", "a red apple next to a blue cup", ""]
    theirs = SentenceTransformer(str(minilm_folder()), device="cpu").encode(texts, normalize_embeddings=True)
    torch.testing.assert_close(sentence.encode(texts), torch.from_numpy(theirs), atol=1e-5, rtol=0)


def test_overflow_is_exactly_what_is_not_read(sentence):
    words = "one two three four five six seven eight"
    assert sentence.overflow(words, length=32) == ""
    assert sentence.overflow(words, length=6) == "five six seven eight"
    assert sentence.overflow("", length=4) == ""


def test_efficientnet_knows_what_an_orange_disc_is_not():
    """The weights fit timm, and the network answers with a sharp opinion rather than noise."""
    import timm

    model = timm.create_model("tf_efficientnet_lite0").eval()
    missing, unexpected = model.load_state_dict(imagenet_state(), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    picture = torch.zeros(1, 3, 224, 224)
    picture[:, :, 60:160, 60:160] = torch.tensor([1.0, 0.5, 0.0])[:, None, None]
    with torch.no_grad():
        chances = model((picture - MEAN[0]) / STD[0]).softmax(1)
    assert chances.max() > 0.05  # 50 times the 0.001 of an untrained network


def test_a_clip_survives_its_own_export(sentence, tmp_path):
    from training.clip import export

    torch.manual_seed(0)
    model = build(architecture(), sentence)
    export(model, architecture(), tmp_path)
    assert all(shard.stat().st_size < 10_000_000 for shard in tmp_path.glob("*.safetensors"))
    loaded = read_folder(tmp_path, sentence)
    direct = PictogramClip(model, sentence, 128)
    pixels = torch.rand(2, 3, 96, 96)
    torch.testing.assert_close(loaded.image_features(pixels), direct.image_features(pixels), atol=2e-2, rtol=0)
    texts = loaded.encode_texts(["a cat", "a dog"])
    torch.testing.assert_close(texts.norm(dim=1), torch.ones(2))


def test_gradients_reach_the_pixels(sentence):
    clip = PictogramClip(build(architecture(), sentence), sentence, 128)
    pixels = torch.rand(1, 3, 64, 64, requires_grad=True)
    (clip.image_features(pixels) @ clip.encode_texts(["a red heart"]).T).sum().backward()
    assert pixels.grad is not None and pixels.grad.abs().sum() > 0


def test_a_captioner_may_read_what_the_tower_saw_before_its_projection(sentence):
    from PIL import Image

    from models.families.clipcap_eye import clip_vectors, patch_heat

    clip = PictogramClip(build(architecture(), sentence).eval(), sentence, 128)
    pictures = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    features, units = clip_vectors(clip, pictures, normalise=False, features=True)
    assert features.shape == (2, 1280)
    assert torch.equal(units, clip.encode_images(pictures))
    with torch.no_grad():
        projected = torch.nn.functional.normalize(clip.model.visual.head(features), dim=-1)
    torch.testing.assert_close(projected, clip.encode_images(pictures), atol=1e-5, rtol=0)
    unit, _ = clip_vectors(clip, pictures, normalise=True, features=True)
    torch.testing.assert_close(unit, torch.nn.functional.normalize(features, dim=-1))
    heat = patch_heat(clip, pictures[0], True, lambda seen: seen[0, :100].sum(), features=True)
    assert heat.shape == (4, 4) and heat.abs().max() > 0


def test_a_smaller_picture_lies_in_the_middle_of_what_its_edges_were():
    from models.families.pictograms_clip import smaller

    pixels = torch.zeros(1, 3, 50, 100)
    pixels[..., :, :50], pixels[..., 20:30, 45:55] = 0.25, 1.0  # two grounds, a white spot over both
    found = smaller(pixels, 0.5)
    assert found.shape == pixels.shape
    assert found[..., :12, :45].unique().tolist() == [0.25] and not found[..., :12, 55:].any()
    torch.testing.assert_close(found[0, 0, 24, 48:52], torch.ones(4), atol=0.1, rtol=0)
    assert (found > 0.5).sum() == (pixels > 0.5).sum() / 4


def test_what_is_ranked_is_the_mean_of_all_looks(sentence):
    from models.families.clipcap_eye import clip_vectors
    from models.families.pictograms_clip import smaller

    model = build(architecture(), sentence).eval()
    twice, once = PictogramClip(model, sentence, 128, (0.88, 1.0)), PictogramClip(model, sentence, 128)
    pixels = torch.rand(3, 3, 128, 128)
    whole, shrunk = once.image_features(pixels), once.image_features(smaller(pixels, 0.88))
    expected = torch.nn.functional.normalize((whole + shrunk) / 2, dim=1)
    torch.testing.assert_close(twice.encode_images(pixels, batch=2), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(once.encode_images(pixels), whole, atol=1e-5, rtol=0)
    features, units = clip_vectors(twice, pixels, normalise=False, features=True)
    alone = [clip_vectors(once, part, normalise=False, features=True)[0] for part in (pixels, smaller(pixels, 0.88))]
    torch.testing.assert_close(features, sum(alone) / 2, atol=1e-4, rtol=1e-4)
    assert torch.equal(units, twice.encode_images(pixels))


def test_looks_are_part_of_the_folder(sentence, tmp_path):
    from training.clip import export

    export(build(architecture(), sentence).eval(), architecture(), tmp_path)
    assert read_folder(tmp_path, sentence).looks == LOOKS

"""OpenCLIP rankers, tiny and random, through the catalog, against open_clip used by hand."""

from __future__ import annotations

import open_clip
import pytest
import torch
from PIL import Image

from common.images import to_tensor
from models.families.clip import SPECS
from tests.models.tiny_hub import hub_path

NAMES = ["clip-vit-b-32", "siglip-vit-b-16"]


def pictures(size=(90, 60)) -> list[Image.Image]:
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(3, 6, 6, 3, generator=generator).mul(255).byte().numpy()
    return [Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC) for picture in noise]


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


def test_vectors_are_those_of_open_clip(hub, hub_pool, name):
    """Raw open_clip, as its README uses it."""
    source = next(spec.source for spec in SPECS if spec.name == name)
    folder = f"local-dir:{hub_path(hub[0], source)}"
    model, preprocess = open_clip.create_model_from_pretrained(folder)
    tokenizer = open_clip.get_tokenizer(folder)
    with torch.no_grad():
        seen = model.eval().encode_image(torch.stack([preprocess(picture) for picture in pictures()]))
        read = model.encode_text(tokenizer(["a red car", "penguin"]))
    with hub_pool().use(name) as ranker:
        images, texts = ranker.encode_images(pictures()), ranker.encode_texts(["a red car", "penguin"])
        assert ranker.logit_scale == pytest.approx(float(model.logit_scale.exp()))
    torch.testing.assert_close(images, seen / seen.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(texts, read / read.norm(dim=-1, keepdim=True))


def test_vectors_are_unit_float32_and_do_not_depend_on_the_batch(hub_pool, name):
    with hub_pool().use(name) as ranker:
        together, one = ranker.encode_images(pictures()), ranker.encode_images(pictures()[2:], batch=1)
        texts = ranker.encode_texts(["cat", "a blue cat", "cat"], batch=2)
    assert together.dtype == texts.dtype == torch.float32
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(together[2:], one)
    torch.testing.assert_close(texts[0], texts[2])
    assert (texts[0] - texts[1]).abs().max() > 1e-4


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (64, 64), (200, 100)])
def test_pixels_go_nearly_the_way_of_pictures(hub_pool, name, size):
    """Rounding to whole bytes between PIL's steps is all that differs: orientation, crop and squash agree."""
    with hub_pool().use(name) as ranker:
        pixels, files = ranker.encode_images(to_tensor(pictures(size))), ranker.encode_images(pictures(size))
        others = ranker.encode_images([picture.transpose(Image.Transpose.ROTATE_90) for picture in pictures(size)])
    error = (pixels - files).abs().max()
    assert error < 0.02
    assert error < (files - others).abs().max()


def test_gradients_reach_the_pixels(hub_pool, name):
    pixels = torch.rand(2, 3, 50, 70, requires_grad=True)
    with hub_pool().use(name) as ranker:
        text = ranker.encode_texts(["a red car"])
        (ranker.image_features(pixels) @ text.T).sum().backward()
    assert pixels.grad is not None and pixels.grad.abs().sum() > 0


def test_overflow_is_exactly_what_is_not_read(hub_pool, name):
    with hub_pool().use(name) as ranker:
        room = ranker.token_limit - (2 if name.startswith("clip") else 1)  # start and end, or the end alone
        fits = " ".join(["red"] * room)
        assert ranker.overflow(fits) == ""
        assert ranker.overflow(f"{fits} blue, cat!") == "blue, cat!"
        same = ranker.encode_texts([f"{fits} blue", f"{fits} penguin"])
        inside = ranker.encode_texts([f"blue {fits}"])
    torch.testing.assert_close(same[0], same[1])
    assert (same[0] - inside[0]).abs().max() > 1e-5


def test_random_weights_are_refused(hub, hub_pool, tmp_path):
    """open_clip would make a model up where the weights are missing."""
    import shutil

    from common.errors import ModelUnavailable

    copy = tmp_path / "laion--CLIP-ViT-B-32-laion2B-s34B-b79K"
    shutil.copytree(hub_path(hub[0], "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"), copy)
    (copy / "open_clip_model.safetensors").unlink()
    with pytest.raises(ModelUnavailable), hub_pool(hub_folder=tmp_path).use("clip-vit-b-32"):
        pass
    (copy / "open_clip_model.safetensors").write_bytes(b"not weights")
    with (
        pytest.raises(ModelUnavailable, match=r"models\.fetch clip-vit-b-32"),
        hub_pool(hub_folder=tmp_path).use("clip-vit-b-32"),
    ):
        pass


@pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])
def test_specs_say_what_people_need_to_know(spec):
    assert spec.role == "ranker" and spec.licence and spec.note and spec.revision == "main"

import numpy as np
import pytest
import torch
from PIL import Image

from common.images import contact_sheet, content_hash, to_pil, to_tensor


def noise(seed: int, width: int = 5, height: int = 3) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_images_survive_the_way_to_tensors_and_back():
    images = [noise(0), noise(1)]
    pixels = to_tensor(images)
    assert (pixels.shape, pixels.dtype) == ((2, 3, 3, 5), torch.float32)
    assert pixels[1, 2, 0, 4] == images[1].getpixel((4, 0))[2] / 255
    assert [image.tobytes() for image in to_pil(pixels)] == [image.tobytes() for image in images]


def test_one_image_and_other_modes_become_rgb():
    assert to_tensor(Image.new("L", (2, 2), 255)).eq(1).all()
    assert to_tensor(Image.new("RGB", (2, 2), "red")).shape == (1, 3, 2, 2)


def test_to_tensor_refuses_what_it_would_have_to_resize():
    with pytest.raises(ValueError, match="one size"):
        to_tensor([noise(0), noise(0, width=6)])
    with pytest.raises(ValueError, match="none"):
        to_tensor([])


def test_to_pil_clips_rounds_and_survives_nan_half_precision_and_gradients():
    pixels = torch.tensor([-1.0, 2.0, float("nan"), 0.5, 100 / 255, 0.0]).repeat(3).reshape(1, 3, 2, 3)
    assert to_pil(pixels)[0].getchannel("R").tobytes() == bytes([0, 255, 0, 128, 100, 0])
    assert to_pil(torch.ones(1, 3, 2, 2, dtype=torch.bfloat16, requires_grad=True))[0].getpixel((0, 0)) == (255,) * 3
    with pytest.raises(ValueError, match=r"\(3, 2, 2\)"):
        to_pil(torch.ones(3, 2, 2))


def test_contact_sheet_reads_like_a_page():
    sheet = contact_sheet([Image.new("RGB", (4, 2), colour) for colour in ("red", "lime", "blue")], columns=2)
    assert sheet.size == (8, 4)
    colours = [sheet.getpixel(place) for place in ((0, 0), (7, 0), (0, 3), (7, 3))]
    assert colours == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert contact_sheet([noise(0)], columns=9).size == (5, 3)
    with pytest.raises(ValueError, match="0"):
        contact_sheet([noise(0)], columns=0)


def test_content_hash_is_of_the_picture_alone():
    image = noise(0)
    tagged = image.copy()
    tagged.info["parameters"] = "a cat"
    assert content_hash(tagged) == content_hash(image) == content_hash(image.convert("RGBA"))
    assert content_hash(noise(1)) != content_hash(image)
    assert content_hash(Image.new("RGB", (2, 8))) != content_hash(Image.new("RGB", (4, 4)))

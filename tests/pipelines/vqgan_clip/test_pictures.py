from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from common.errors import BadRequest
from common.images import content_hash
from pipelines.vqgan_clip.pictures import Pictures, admitted
from pipelines.vqgan_clip.request import ImagePrompt, Region


def painting(size=(64, 32)) -> Image.Image:
    image = Image.new("RGB", size, "blue")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1] - 1), fill="red")
    return image


def mask(size=(32, 32), box=(0, 0, 15, 31)) -> Image.Image:
    image = Image.new("L", size)
    ImageDraw.Draw(image).rectangle(box, fill=255)
    return image


def test_a_start_picture_fills_the_canvas_without_being_squashed(asked, settings, tmp_path):
    path = tmp_path / "start.png"
    painting().save(path)
    for source in (path, str(path), painting()):
        found = admitted(asked(start_image=source), settings)
        assert found.start.shape == (3, 32, 32) and found.start.dtype == torch.uint8
        assert found.parents == (content_hash(painting()),)
        assert found.start[0, 16, :14].min() > 200 and found.start[2, 16, 18:].min() > 200  # the middle square


def test_masks_fit_the_canvas_or_the_start_picture(asked, settings):
    found = admitted(asked(start_image=painting(), freeze=mask((64, 32), (16, 0, 31, 31))), settings)
    assert found.freeze.shape == (32, 32)
    assert found.freeze[:, :15].min() == 255 and found.freeze[:, 17:].max() == 0
    same = admitted(asked(freeze=mask(), regions=(Region("a", mask()),)), settings)
    assert torch.equal(same.freeze, same.regions[0])


def test_of_a_painted_layer_the_opaque_part_counts(asked, settings):
    layer = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    ImageDraw.Draw(layer).rectangle((0, 0, 15, 31), fill=(10, 20, 30, 255))
    assert torch.equal(admitted(asked(freeze=layer), settings).freeze, admitted(asked(freeze=mask()), settings).freeze)


def test_a_mask_of_the_wrong_size_is_refused_with_the_right_ones(asked, settings):
    with pytest.raises(BadRequest) as refused:
        admitted(asked(start_image=painting(), freeze=mask((40, 40))), settings)
    assert str(refused.value) == (
        "The freeze mask has 40 × 40 pixels; it must have 32 × 32 like the canvas, or 64 × 32 like the start picture."
    )
    with pytest.raises(BadRequest, match="mask of region 2 has 8 × 8 pixels; it must have 32 × 32 like the canvas"):
        admitted(asked(regions=(Region("a", mask()), Region("b", mask((8, 8))))), settings)


def test_a_mask_in_which_nothing_is_painted(asked, settings):
    with pytest.raises(BadRequest, match="mask of region 1 nothing is painted"):
        admitted(asked(regions=(Region("a", Image.new("L", (32, 32))),)), settings)


def test_files_that_are_no_pictures(asked, settings, tmp_path):
    bad = tmp_path / "evil.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50)
    for request in (
        asked(start_image=bad),
        asked(freeze=bad),
        asked(image_prompts=(ImagePrompt(bad),)),
        asked(regions=(Region("a", tmp_path / "none.png"),)),
    ):
        with pytest.raises(BadRequest, match=r"^(evil|none)\.png "):
            admitted(request, settings)


def test_image_prompts_keep_their_shape_up_to_a_limit(asked, settings):
    prompts = (ImagePrompt(painting((1024, 256))), ImagePrompt(painting((40, 24))))
    found = admitted(asked(image_prompts=prompts), settings)
    assert [tuple(each.shape) for each in found.prompts] == [(3, 128, 512), (3, 24, 40)]
    assert torch.equal(found.prompts[1], torch.from_numpy(np.array(painting((40, 24)))).permute(2, 0, 1))


def test_pictures_of_a_checkpoint_are_taken_where_none_is_named(asked, settings):
    regions, prompts = (Region("a", mask()),), (ImagePrompt(painting()),)
    request = asked(start_image=painting(), freeze=mask(), regions=regions, image_prompts=prompts)
    first = admitted(request, settings)
    held = asked(start_image="", freeze="", regions=(Region("a", ""),), image_prompts=(ImagePrompt(""),))
    again = admitted(held, settings, first)
    assert again.start is first.start and again.freeze is first.freeze
    assert again.regions[0] is first.regions[0] and again.prompts[0] is first.prompts[0]
    for request in (held, asked(image_prompts=(ImagePrompt(""),)), asked(regions=(Region("a", ""),))):
        with pytest.raises(BadRequest, match="is missing: it was part of the run"):
            admitted(request, settings, Pictures())

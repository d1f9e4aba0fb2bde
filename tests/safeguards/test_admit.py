from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import pytest
from PIL import Image, ImageCms

from common.errors import BadRequest
from safeguards.admit import admit

KINDS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind, photo, tmp_path, settings, close_to):
    path = tmp_path / f"photo.{KINDS[kind]}"
    photo.save(path, kind)
    admitted = admit(path, settings)
    assert close_to(admitted.image, photo)
    assert (admitted.image.mode, admitted.width, admitted.height) == ("RGB", 48, 32)
    assert (admitted.note, admitted.name, admitted.kind) == ("", path.name, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_content_counts_and_not_the_name(kind, photo, tmp_path, settings):
    path = tmp_path / "photo.txt"
    photo.save(path, kind)
    assert admit(str(path), settings).kind == kind


@pytest.mark.parametrize(
    ("kind", "word"), [("GIF", "animated"), ("WEBP", "animated"), ("PNG", "animated"), ("TIFF", "pages")]
)
def test_first_frame_of_several(kind, word, tmp_path, settings):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")]
    path = tmp_path / "moving"
    more = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(
        path, kind, save_all=True, append_images=frames[1:], **({"duration": 100} if kind != "TIFF" else {}), **more
    )
    admitted = admit(path, settings)
    assert admitted.image.getcolors() == [(256, (255, 0, 0))]
    assert word in admitted.note


def test_several_notes_are_one_line(tmp_path, settings):
    frames = [Image.new("RGBA", (16, 16), (255, 0, 0, alpha)) for alpha in (0, 255)]
    frames[0].putpixel((0, 0), (1, 2, 3, 255))
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    assert admit(tmp_path / "moving.png", settings).note == (
        "animated: its first frame was used; transparent parts were put on white"
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_metadata_is_stripped(kind, photo, tmp_path, settings):
    exif = Image.Exif()
    exif[0x010E], exif[0x9286] = "secret place", b"secret place"
    path = tmp_path / "private"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo.save(path, kind, exif=exif, icc_profile=srgb, dpi=(300, 300), comment=b"secret place")
    image = admit(path, settings).image
    assert type(image) is Image.Image
    assert image.info == {}
    assert not image.getexif()
    saved = io.BytesIO()
    image.save(saved, kind)
    assert b"secret" not in saved.getvalue()


def test_animation_whose_later_frame_is_a_bomb_gives_its_first(tmp_path, settings, refusal):
    def frame(size: int) -> bytes:
        return b",\0\0\0\0" + struct.pack("<HH", size, size) + b"\0\2\2D\1\0"

    head = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    (tmp_path / "later.gif").write_bytes(head + frame(1) + frame(60_000) + b";")
    assert admit(tmp_path / "later.gif", settings).image.size == (16, 16)
    (tmp_path / "first.gif").write_bytes(head + frame(60_000) + b";")
    refusal(tmp_path / "first.gif", settings)


def test_the_limit_is_the_settings_and_not_the_process_s(photo, tmp_path, settings, monkeypatch, refusal):
    photo.save(tmp_path / "photo.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert admit(tmp_path / "photo.png", settings).width == 48
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    small = replace(settings, max_upload_megapixels=0.001)
    assert "has 48 x 32 pixels; at most 0.001 million" in refusal(tmp_path / "photo.png", small)


def test_shapes_that_no_model_can_take(tmp_path, settings, refusal):
    Image.new("L", (420, 20)).save(tmp_path / "long.png")
    assert "the longer side may be at most 20 times the shorter" in refusal(tmp_path / "long.png", settings)
    Image.new("1", (30_001, 8)).save(tmp_path / "wide.png")
    assert "at most 30,000 on a side" in refusal(tmp_path / "wide.png", settings)
    Image.new("L", (400, 20)).save(tmp_path / "strip.png")
    assert admit(tmp_path / "strip.png", settings).width == 400
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    assert admit(tmp_path / "dot.png", settings).width == 1


def test_no_pixels_at_all(chunk, tmp_path, settings, refusal):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "zero.png").write_bytes(data)
    assert "zero.png " in refusal(tmp_path / "zero.png", settings)
    (tmp_path / "zero.gif").write_bytes(b"GIF89a" + struct.pack("<HHBBB", 0, 0, 0, 0, 0) + b";")
    assert "zero.gif " in refusal(tmp_path / "zero.gif", settings)


def test_tiff_with_a_tile_larger_than_itself(tmp_path, settings, refusal):
    """16 x 16 pixels by its header, in one tile of 60,000 x 60,000."""
    tags = [
        (256, 16),
        (257, 16),
        (258, 8),
        (259, 1),
        (262, 1),
        (277, 1),
        (322, 60_000),
        (323, 60_000),
        (324, 8),
        (325, 1),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    (tmp_path / "tile.tif").write_bytes(data)
    assert "has tiles of 60,000 x 60,000 pixels" in refusal(tmp_path / "tile.tif", settings)


def test_a_name_that_is_markup_or_endless_stays_harmless(tmp_path, settings):
    path = tmp_path / ("\x1b[31m" + "x" * 200 + ".png")
    path.write_bytes(b"")
    with pytest.raises(BadRequest) as caught:
        admit(path, settings)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 250

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from safeguards.admit import admit


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_plain_modes(kind, mode, photo, tmp_path, settings, close_to):
    path = tmp_path / "photo"
    photo.convert(mode).save(path, kind)
    admitted = admit(path, settings)
    assert close_to(admitted.image, photo.convert(mode), 1 if (kind, mode) != ("GIF", "RGB") else 6)
    assert admitted.note == ""


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind, photo, tmp_path, settings, close_to):
    path = tmp_path / "print"
    photo.convert("CMYK").save(path, kind)
    admitted = admit(path, settings)
    assert close_to(admitted.image, photo, 12)
    assert "CMYK" in admitted.note


def test_16_bit_grey(tmp_path, settings):
    grey = np.linspace(0, 65535, 40 * 30).reshape(30, 40)
    for name in ("grey.png", "grey.tif"):
        Image.fromarray(grey.astype(np.uint16)).save(tmp_path / name)
        admitted = admit(tmp_path / name, settings)
        assert np.abs(np.asarray(admitted.image)[..., 0] - grey / 257).max() <= 1
        assert "16-bit grey" in admitted.note


def test_dark_16_bit_grey_stays_dark(tmp_path, settings):
    Image.fromarray(np.full((8, 8), 200, np.uint16)).save(tmp_path / "dark.png")
    assert np.asarray(admit(tmp_path / "dark.png", settings).image).max() == 1


def test_16_bit_grey_with_a_transparent_value(png_16_bit, settings):
    values = np.array([[1000, 65535], [30000, 0]], dtype=">u2")
    path = png_16_bit(values, colour_type=0, more=(b"tRNS", struct.pack(">H", 30000)))
    admitted = admit(path, settings)
    assert np.asarray(admitted.image)[..., 0].tolist() == [[4, 255], [255, 0]]
    assert "white" in admitted.note


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_16_bit_colour(png_16_bit, settings, colour_type, channels):
    values = np.random.default_rng(0).integers(0, 65536, (4, 5, channels)).astype(">u2")
    if channels in (2, 4):
        values[..., -1] = 65535
    admitted = admit(png_16_bit(values, colour_type), settings)
    expected = values[..., : channels - 1 + channels % 2] / 257
    assert np.abs(np.asarray(admitted.image) - expected).max() <= 2
    assert admitted.note == ""


@pytest.fixture
def png_16_bit(tmp_path, chunk):
    def make(values, colour_type, more=None):
        height, width = values.shape[:2]
        rows = b"".join(b"\0" + row.tobytes() for row in values)
        parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))]
        parts += [chunk(*more)] if more else []
        parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
        (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
        return tmp_path / "deep.png"

    return make


def test_floating_point_and_32_bit_grey(tmp_path, settings, refusal):
    ramp = np.linspace(0, 1, 12 * 10, dtype=np.float32).reshape(10, 12)

    def grey_of(values) -> tuple[np.ndarray, str]:
        Image.fromarray(values).save(tmp_path / "grey.tif")
        admitted = admit(tmp_path / "grey.tif", settings)
        return np.asarray(admitted.image)[..., 0], admitted.note

    for values, note in ((ramp, ""), (ramp * 9e5 - 4e5, "stretched"), ((ramp * 1e6).astype(np.int32), "stretched")):
        grey, said = grey_of(values)
        assert np.abs(grey - ramp * 255).max() <= 1
        assert note in said
    grey, said = grey_of((ramp * 255).astype(np.int32))
    assert np.abs(grey - ramp * 255).max() <= 1
    assert said == ""
    ramp[0, 0] = np.nan
    Image.fromarray(ramp).save(tmp_path / "nan.tif")
    assert "not numbers" in refusal(tmp_path / "nan.tif", settings)


def test_constant_values_outside_the_scale_are_black(tmp_path, settings):
    Image.fromarray(np.full((4, 4), -7, np.int32)).save(tmp_path / "flat.tif")
    assert np.asarray(admit(tmp_path / "flat.tif", settings).image).max() == 0


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_parts_become_white_and_that_is_said(kind, tmp_path, settings):
    picture = Image.new("RGBA", (20, 10), (0, 0, 255, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 10, 10))
    picture.paste((0, 0, 0, 128), (18, 0, 20, 10))
    path = tmp_path / "logo"
    picture.save(path, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    admitted = admit(path, settings)
    assert [admitted.image.getpixel(at) for at in ((5, 5), (14, 5), (19, 5))] == [
        (255, 0, 0),
        (255, 255, 255),
        (127, 127, 127),
    ]
    assert admitted.note == "transparent parts were put on white"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_with_opacity(kind, tmp_path, settings):
    picture = Image.new("LA", (4, 2), (0, 255))
    picture.putpixel((3, 0), (0, 0))
    picture.save(tmp_path / "clear", kind)
    admitted = admit(tmp_path / "clear", settings)
    assert [admitted.image.getpixel((x, 0)) for x in (0, 3)] == [(0, 0, 0), (255, 255, 255)]
    assert "white" in admitted.note


def test_palette_and_colour_key_transparency(tmp_path, settings):
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([10, 20, 30, 200, 0, 0])
    picture.putpixel((0, 0), 1)
    picture.save(tmp_path / "p.png", transparency=bytes([0, 255]))
    picture.save(tmp_path / "p.gif", transparency=0)
    picture.convert("RGB").save(tmp_path / "key.png", transparency=(10, 20, 30))
    for name in ("p.png", "p.gif", "key.png"):
        admitted = admit(tmp_path / name, settings)
        assert (admitted.image.getpixel((0, 0)), admitted.image.getpixel((3, 3))) == ((200, 0, 0), (255, 255, 255))
        assert admitted.note == "transparent parts were put on white"


def test_opaque_alpha_is_not_worth_a_note(photo, tmp_path, settings):
    photo.convert("RGBA").save(tmp_path / "opaque.png")
    assert admit(tmp_path / "opaque.png", settings).note == ""


def test_completely_transparent(tmp_path, settings):
    Image.new("RGBA", (8, 8)).save(tmp_path / "nothing.png")
    admitted = admit(tmp_path / "nothing.png", settings)
    assert admitted.note == "completely transparent, so it became plain white"
    assert admitted.image.getcolors() == [(64, (255, 255, 255))]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("number", range(1, 9))
def test_turned_upright(kind, number, photo, tmp_path, settings, close_to):
    """Saved turned as a camera would hold it, with the number that says so, it comes back as it was."""
    undo = [None, None, 0, 3, 1, 5, 2, 6, 4]  # PIL's Transpose that makes the stored picture of number 2 to 8
    stored = photo if number == 1 else photo.transpose(undo[number])
    exif = Image.Exif()
    exif[0x0112] = number
    path = tmp_path / "turned"
    stored.save(path, kind, exif=exif)
    admitted = admit(path, settings)
    assert close_to(admitted.image, photo, 12)
    assert (admitted.width, admitted.height) == photo.size
    assert bool(admitted.note) == (number > 1)


@pytest.mark.parametrize("number", [0, 9, 65535])
def test_unknown_orientations_are_left(number, photo, tmp_path, settings):
    exif = Image.Exif()
    exif[0x0112] = number
    photo.save(tmp_path / "odd.png", exif=exif)
    assert admit(tmp_path / "odd.png", settings).note == ""


def profile_with_red_and_green_swapped() -> bytes:
    """The screen's own profile under another name, in which what is called red is green."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = data.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")
    return data.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_of_another_space_are_brought_to_the_screen_s(mode, tmp_path, settings):
    swapped = profile_with_red_and_green_swapped()
    Image.new(mode, (4, 4), (250, 0, 0, 255)[: len(mode)]).save(tmp_path / "swapped.png", icc_profile=swapped)
    red, green, blue = admit(tmp_path / "swapped.png", settings).image.getpixel((0, 0))
    assert max(red, blue) < 10
    assert green > 240


def test_profiles_that_do_not_fit_are_ignored(tmp_path, settings):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (lab, b"no profile", b""):
        Image.new("RGB", (4, 4), (120, 130, 90)).save(tmp_path / "odd.png", icc_profile=profile)
        assert admit(tmp_path / "odd.png", settings).image.getpixel((0, 0)) == (120, 130, 90)

from __future__ import annotations

import os
import zlib
from dataclasses import replace

import numpy as np
import pytest

from common.errors import BadRequest
from safeguards.admit import admit


def test_empty_missing_folder_and_pipe(tmp_path, settings, refusal):
    (tmp_path / "empty.png").write_bytes(b"")
    assert "is empty (0 bytes)" in refusal(tmp_path / "empty.png", settings)
    assert "is missing" in refusal(tmp_path / "gone.png", settings)
    (tmp_path / "folder.png").mkdir()
    assert "not a file" in refusal(tmp_path / "folder.png", settings)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert "not a file" in refusal(tmp_path / "pipe.png", settings)


def test_file_too_large(photo, tmp_path, settings, refusal):
    photo.save(tmp_path / "photo.bmp")
    refusal(tmp_path / "photo.bmp", replace(settings, max_upload_mb=0.004))
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(25_000_000)
    assert "has 25 MB; at most 20 MB are allowed. Please save it smaller." in refusal(tmp_path / "huge.png", settings)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("text.png", b"this is no picture", "is a text, not a picture; PNG, JPEG, WebP, GIF, BMP and TIFF"),
        ("umlaut.png", "größer als nichts".encode(), "is a text"),
        ("drawing.svg", b"<svg xmlns='x'><script>alert(1)</script></svg>", "is an SVG drawing"),
        ("drawing.png", b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<svg width="1"/>', "is an SVG drawing"),
        ("page.jpg", b"<!DOCTYPE html><html><img></html>", "is a web page"),
        ("paper.pdf", b"%PDF-1.7\n%\xff\xff", "is a PDF document"),
        ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC picture, and this app has no decoder for it"),
        ("photo.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "save or export it as JPEG"),
        ("photo.avif", b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf", "is an AVIF picture"),
        ("photo2.avif", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "is an AVIF picture"),
        ("film.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isom", "is a video"),
        ("film.webm", b"\x1a\x45\xdf\xa3\0\0", "is a video"),
        ("layers.psd", b"8BPS\0\1", "is a Photoshop document"),
        ("icon.ico", b"\0\0\1\0\1\0", "is a Windows icon"),
        ("photo.jxl", b"\xff\x0a\0\0", "is a JPEG XL picture"),
        ("pictures.zip", b"PK\3\4\0\0", "is a zip archive"),
        ("noise.png", bytes(range(256)), "is not a picture of a kind that is known here"),
        ("short.png", b"\x89PNG\r\n\x1a\n", "is cut off"),
        ("short.jpg", b"\xff\xd8\xff", "looks like a JPEG picture but cannot be read to its end"),
        ("short.webp", b"RIFF\x04\0\0\0WEBP", "looks like a WEBP picture"),
        ("short.gif", b"GIF89a", "looks like a GIF picture"),
        ("short.bmp", b"BM", "looks like a BMP picture"),
        ("short.tif", b"II*\0", "looks like a TIFF picture"),
    ],
)
def test_what_is_no_picture(name, data, words, tmp_path, settings, refusal):
    (tmp_path / name).write_bytes(data)
    assert words in refusal(tmp_path / name, settings)


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL says what it finds broken
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_cut_off_anywhere(kind, photo, tmp_path, settings, refusal):
    path = tmp_path / "whole"
    photo.resize((96, 64)).save(path, kind)
    data = path.read_bytes()
    half = tmp_path / "half"
    for length in range(12, len(data) * 9 // 10, max(len(data) // 25, 1)):
        half.write_bytes(data[:length])
        refusal(half, settings)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_spoilt_byte_anywhere_never_surprises(kind, photo, tmp_path, settings):
    path = tmp_path / "spoilt"
    photo.save(path, kind)
    sound = path.read_bytes()
    random = np.random.default_rng(1)
    for _ in range(200):
        data = bytearray(sound)
        for position in random.integers(0, min(len(data), 600), size=random.integers(1, 5)):
            data[position] = random.integers(0, 256)
        path.write_bytes(bytes(data))
        try:
            assert admit(path, settings).image.mode == "RGB"
        except BadRequest as error:
            assert str(error).startswith("spoilt ")


def test_broken_text_chunks_do_not_spoil_a_sound_picture(png_with, chunk, settings):
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 20_000_000))
    broken = chunk(b"iTXt", b"no end") + chunk(b"zTXt", b"x\0\5") + chunk(b"tEXt", b"")
    assert admit(png_with(bomb, broken), settings).image.getpixel((0, 0)) == (128, 128, 128)

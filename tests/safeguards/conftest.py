"""Pictures as people and programs really make them, written by hand where PIL would not write them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from common.settings import Settings
from common.video import VideoWriter
from safeguards.admit import admit
from safeguards.recipe import Recipe


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.fixture
def chunk() -> Callable[[bytes, bytes], bytes]:
    """`chunk(kind, data)`: one PNG chunk with its length and checksum."""
    return _chunk


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(output=tmp_path / "outputs")


@pytest.fixture
def photo() -> Image.Image:
    """48 x 32, RGB, smooth enough to survive JPEG: red grows to the right, green downwards."""
    rows, columns = np.mgrid[0:32, 0:48]
    return Image.fromarray(np.stack([columns * 5, rows * 8, np.full_like(rows, 60)], axis=-1).astype(np.uint8))


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        task="text_to_image",
        model="pictograms-ldm",
        revision="v0",
        settings={
            "prompt": "a smiling cat, 3D style",
            "negative": "dog, blurry",
            "steps": 20,
            "guidance": 4.5,
            "scheduler": "DPM++ 2M",
            "width": 128,
            "height": 128,
            "threshold": None,
            "fast_ranking": True,
        },
        seed=123456789,
        scores={"cosine": 0.31, "clip_score": 0.775, "share": 0.5},
        created="2026-01-31T12:00:00+00:00",
        parents=("ab" * 16,),
    )


@pytest.fixture
def png_with(tmp_path: Path) -> Callable[..., Path]:
    """A 1 x 1 grey PNG that carries the given raw chunks before its pixels."""

    def make(*chunks: bytes, name: str = "picture.png") -> Path:
        head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        end = _chunk(b"IDAT", zlib.compress(b"\0\x80")) + _chunk(b"IEND", b"")
        path = tmp_path / name
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + end)
        return path

    return make


@pytest.fixture
def text_png(png_with: Callable[..., Path]) -> Callable[..., Path]:
    """A PNG with plain text chunks, as `text_png(parameters="...")` or `text_png({"sd-metadata": "..."})`."""

    def make(texts: dict[str, str] | None = None, **more: str) -> Path:
        pairs = {**(texts or {}), **more}
        return png_with(*(_chunk(b"iTXt", f"{name}\0\0\0\0\0{text}".encode()) for name, text in pairs.items()))

    return make


@pytest.fixture
def refusal() -> Callable[[Path, Settings], str]:
    """The sentence with which `admit` refuses a file, after checking that it gives away nothing of the server."""

    def refuse(path: Path, settings: Settings) -> str:
        with pytest.raises(BadRequest) as caught:
            admit(path, settings)
        message = str(caught.value)
        assert message.startswith(path.name + " ")
        assert str(path.parent) not in message
        assert "\n" not in message
        return message

    return refuse


@pytest.fixture
def close_to() -> Callable[..., bool]:
    """True when both pictures have one size and their pixels differ by `tolerance` of 255 on average at most."""

    def compare(image: Image.Image, expected: Image.Image, tolerance: float = 6) -> bool:
        a, b = np.asarray(image, dtype=float), np.asarray(expected.convert("RGB"), dtype=float)
        return a.shape == b.shape and np.abs(a - b).mean() <= tolerance

    return compare


@pytest.fixture
def film_recipe(recipe: Recipe) -> Recipe:
    """The recipe of a film, with characters that containers treat specially."""
    return replace(recipe, task="vqgan_clip", settings={**recipe.settings, "mode": "flight", "odd": 'a=b;c#d\\e"\n猫'})


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Six grey frames, each lighter than the one before, as a writer leaves them."""
    with VideoWriter(tmp_path / "film.mp4", fps=10) as writer:
        for index in range(6):
            writer.add(np.full((32, 48, 3), 40 * index, np.uint8))
    return writer.path

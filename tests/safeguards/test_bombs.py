from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image


def png_bomb(chunk) -> bytes:
    """A sound PNG of 20,000 x 20,000 black pixels in some 50 kB."""
    rows = zlib.compress(b"\0" * (2501 * 20_000), 1)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bombs(chunk) -> dict[str, bytes]:
    jpeg = io.BytesIO()
    Image.new("L", (16, 16)).save(jpeg, "JPEG")
    sof = jpeg.getvalue().index(b"\xff\xc0")
    tiff = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(tiff, "TIFF", compression="group4")
    vp8x = b"VP8X" + struct.pack("<II", 10, 0) + (16_383).to_bytes(3, "little") * 2 + b"VP8L" + b"\0" * 40
    lossless = b"VP8L" + struct.pack("<IB", 40, 0x2F) + (0x3FFF | 0x3FFF << 14).to_bytes(4, "little") + b"\0" * 40
    lossy = b"VP8 " + struct.pack("<I", 40) + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16_000, 16_000) + b"\0" * 40
    return {
        "bomb.png": png_bomb(chunk),
        "bomb.jpg": jpeg.getvalue()[: sof + 5] + struct.pack(">HH", 20_000, 20_000) + jpeg.getvalue()[sof + 9 :],
        "bomb.gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
        "bomb.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 54, 40, 20_000, 20_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "bomb.tif": tiff.getvalue(),
        **{
            f"bomb-{index}.webp": b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
            for index, body in enumerate((vp8x, lossless, lossy))
        },
    }


def test_bombs_are_refused_by_their_size(chunk, tmp_path, settings, refusal):
    for name, data in bombs(chunk).items():
        assert len(data) < 300_000
        (tmp_path / name).write_bytes(data)
        message = refusal(tmp_path / name, settings)
        assert "pixels; at most 40 million pixels are allowed. Please scale it down." in message
        if "webp" not in name and "gif" not in name:
            assert "has 20,000 x 20,000 pixels" in message


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is not there")
def test_bombs_cost_no_memory(chunk, tmp_path):
    paths = []
    for name, data in bombs(chunk).items():
        (tmp_path / name).write_bytes(data)
        paths.append(str(tmp_path / name))
    Image.new("RGB", (8, 8)).save(tmp_path / "warm.png")
    code = (
        "import resource, sys\n"
        "from common.errors import BadRequest\n"
        "from common.settings import Settings\n"
        "from safeguards.admit import admit\n"
        "admit(sys.argv[1], Settings())\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sys.argv[2:]:\n"
        "    try: admit(path, Settings())\n"
        "    except BadRequest: continue\n"
        "    sys.exit(path)\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "print(grown // (1024 if sys.platform == 'linux' else 1024 * 1024))\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "warm.png"), *paths]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < 20  # MB; one decoded bomb has 50 to 1,600

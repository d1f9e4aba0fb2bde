"""Small videos as cameras, browsers and other programs make them, drawn by ffmpeg itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import ffmpeg


def make_video(
    path: Path,
    size: str = "96x64",
    seconds: float = 1.0,
    rate: float = 10,
    sound: bool = False,
    picture: str = "testsrc",
    coded: Sequence[str] = ("-c:v", "libx264", "-pix_fmt", "yuv420p"),
) -> Path:
    """A video of ffmpeg's test picture, by default H.264, with a tone under it if `sound`; returns `path`."""
    source = f"{picture}{':' if '=' in picture else '='}s={size}:d={seconds}:r={rate}"
    arguments = ["-v", "error", "-f", "lavfi", "-i", source]
    arguments += ["-f", "lavfi", "-i", f"sine=d={seconds}", "-map", "0:v", "-map", "1:a"] if sound else []
    ffmpeg.check([*arguments, *coded, "-threads", "1", f"file:{path}"], timeout=60)
    return path


def shots(path: Path, colours: Sequence[str], seconds: float = 0.5, rate: float = 10, size: str = "64x64") -> Path:
    """A video of one plain colour after another, with hard cuts between them."""
    inputs = [
        part for colour in colours for part in ("-f", "lavfi", "-i", f"color={colour}:s={size}:d={seconds}:r={rate}")
    ]
    joined = f"concat=n={len(colours)}:v=1:a=0"
    coded = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-threads", "1", f"file:{path}"]
    ffmpeg.check(["-v", "error", *inputs, "-filter_complex", joined, *coded], timeout=60)
    return path


def bar(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Red, with a green bar that moves four pixels to the right a frame and a blue floor."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = 220
    frame[:, 4 * index : 4 * index + 8] = (20, 200, 40)
    frame[-8:] = (10, 20, 240)
    return frame

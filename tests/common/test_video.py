from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from common.ffmpeg import VideoError
from common.video import VideoWriter
from common.video_source import frames, probe
from tests.common.video_files import bar

ROOT = Path(__file__).parents[2]


def test_frames_come_back_in_order_and_in_their_colours(film):
    back = list(frames(probe(film, "mov"), as_float=True))
    assert len(back) == 12
    for index, frame in enumerate(back):
        assert frame.dtype == np.float32
        assert np.abs(frame * 255 - bar(index)).mean() < 6
    assert np.abs(back[0][20, 40] * 255 - (220, 0, 0)).max() < 6  # the matrix of the colours is the one it says


def test_floats_are_rounded_clipped_and_never_nan(tmp_path):
    frame = np.full((16, 16, 3), 2.0, np.float32)
    frame[:8] = np.nan
    with VideoWriter(tmp_path / "film.mp4", fps=5, lossless=True) as writer:
        writer.add(frame)
    (back,) = frames(probe(writer.path, "mov"))
    assert (back[:8] == 0).all()
    assert (back[8:] == 255).all()


def test_lossless_changes_no_pixel(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), np.uint8)
    with VideoWriter(tmp_path / "film.mp4", fps=5, lossless=True) as writer:
        for frame in noise:
            writer.add(frame)
    assert np.array_equal(np.stack(list(frames(probe(writer.path, "mov")))), noise)


@pytest.mark.parametrize("size", [(1, 1), (15, 31), (64, 17)])
def test_odd_sides_are_made_even_by_their_last_row_and_column(tmp_path, size):
    height, width = size
    with VideoWriter(tmp_path / "film.mp4", fps=5, lossless=True) as writer:
        writer.add(bar(0, height, width))
    (back,) = frames(probe(writer.path, "mov"))
    assert back.shape == (height + height % 2, width + width % 2, 3)
    assert np.array_equal(back[:height, :width], bar(0, height, width))
    assert np.array_equal(back[-1, :width], bar(0, height, width)[-1])


def test_a_writer_without_frames_leaves_no_file(tmp_path):
    with VideoWriter(tmp_path / "film.mp4", fps=5) as writer:
        pass
    assert writer.seconds == 0
    assert list(tmp_path.iterdir()) == []


def test_frames_that_do_not_belong_are_refused(tmp_path):
    with VideoWriter(tmp_path / "film.mp4", fps=5) as writer:
        writer.add(bar(0))
        for wrong in (bar(0, 50), bar(0)[..., :2], bar(0)[0]):
            with pytest.raises(ValueError, match="a frame must have the shape"):
                writer.add(wrong)
    assert probe(writer.path, "mov").frames == 1


@pytest.mark.parametrize("fps", [0, -1, 121, float("nan"), float("inf")])
def test_rates_that_no_player_shows_are_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="fps is"):
        VideoWriter(tmp_path / "film.mp4", fps)


def test_fractions_of_a_frame_rate_are_kept(tmp_path):
    with VideoWriter(tmp_path / "film.mp4", fps=30_000 / 1001) as writer:
        for index in range(30):
            writer.add(bar(index % 10))
    assert writer.seconds == pytest.approx(1.001)
    assert probe(writer.path, "mov").fps == pytest.approx(29.97, abs=0.01)


def test_ffmpeg_killed_in_the_middle_leaves_what_it_was_given(tmp_path):
    writer = VideoWriter(tmp_path / "film.mp4", fps=5)
    for index in range(8):
        writer.add(bar(index))
    until = time.monotonic() + 30
    while time.monotonic() < until and _frames_in(writer.path) < 7:  # the last waits for one that follows
        time.sleep(0.05)
    os.kill(writer._process.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    writer._process.wait()
    assert _frames_in(writer.path) >= 7
    with pytest.raises(VideoError):
        for index in range(100):
            writer.add(bar(index % 8))


def _frames_in(path: Path) -> int:
    try:
        return probe(path, "mov").frames
    except VideoError:
        return 0


def test_the_program_killed_in_the_middle_leaves_a_film(tmp_path):
    path = tmp_path / "film.mp4"
    code = (
        "import os, sys, pathlib, numpy as np\n"
        "from common.video import VideoWriter\n"
        "writer = VideoWriter(pathlib.Path(sys.argv[1]), fps=5)\n"
        "for index in range(6):\n"
        "    writer.add(np.full((32, 32, 3), index, np.uint8))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False, timeout=60)
    until = time.monotonic() + 30
    while time.monotonic() < until and _frames_in(path) < 6:
        time.sleep(0.05)
    assert _frames_in(path) == 6


def test_memory_does_not_grow_with_the_film(tmp_path):
    frame = np.zeros((128, 128, 3), np.uint8)
    with VideoWriter(tmp_path / "film.mp4", fps=30) as writer:
        writer.add(frame)
        tracemalloc.start()
        for _ in range(300):  # 15 MB of pixels
            writer.add(frame)
        peak = tracemalloc.get_traced_memory()[1]
    size = 0
    for back in frames(probe(writer.path, "mov")):
        size += back.nbytes
    reading = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 301 * frame.nbytes
    assert peak < 1_000_000
    assert reading < 1_500_000


def test_discarding_deletes_the_file(film, tmp_path):
    writer = VideoWriter(tmp_path / "other.mp4", fps=5)
    writer.add(bar(0))
    writer.discard()
    writer.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    writer = VideoWriter(tmp_path / "no" / "film.mp4", fps=5)
    with pytest.raises(VideoError, match="No such file"):
        for _ in range(1000):
            writer.add(bar(0))
        writer.close()

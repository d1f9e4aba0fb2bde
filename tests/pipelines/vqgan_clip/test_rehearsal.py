from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from common.video_source import frames, probe
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.rehearsal import rehearse


@pytest.fixture
def halves() -> Image.Image:
    """Left black, right white."""
    picture = Image.new("RGB", (600, 300))
    picture.paste("white", (300, 0, 600, 300))
    return picture


def test_the_camera_goes_its_way_over_the_picture(halves, tmp_path):
    path = rehearse(halves, "0: 1, 12.5", 5, tmp_path / "way.mp4")
    assert [file.name for file in tmp_path.iterdir()] == ["way.mp4"]
    info = probe(path, "mov")
    assert (info.width, info.height, info.frames) == (256, 128, 5)
    shares = [frame.mean() / 255 for frame in frames(info)]
    assert shares == pytest.approx([0.5, 0.625, 0.75, 0.875, 1.0], abs=0.02)


def test_a_hundred_frames_stay_as_sharp_as_one(halves, tmp_path):
    there_and_back = "0: 1, 0.7, 0, 1.5\n49: 1, 0.7, 0, 1.5\n50: 1, -0.7, 0, -1.5"
    *_, last = frames(probe(rehearse(halves, there_and_back, 99, tmp_path / "way.mp4"), "mov"))
    edge = np.abs(np.diff(last[64].astype(float).mean(-1)))
    assert edge.max() > 100  # of 255 between two neighbours


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_as_a_moving_picture(halves, tmp_path, form):
    path = rehearse(halves, "0: 1.1", 4, tmp_path / f"way.{form}", film=FilmSettings(10, form))
    with Image.open(path) as opened:
        assert (opened.n_frames, opened.size) == (4, (256, 128))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera": "9: 1"}, "goes on to frame 9"),
        ({"frames": 1}, "number of frames is 1"),
        ({"fill": "mirror"}, "fill is"),
        ({"film": FilmSettings(-1)}, "frame rate of MP4 is -1"),
    ],
)
def test_what_is_not_allowed_leaves_no_file(halves, tmp_path, changes, words):
    with pytest.raises(BadRequest, match=words):
        rehearse(**{"picture": halves, "camera": "0: 1.1", "frames": 4, "target": tmp_path / "way.mp4", **changes})
    assert list(tmp_path.iterdir()) == []

from __future__ import annotations

import pytest
import torch

from common.video_source import frames, probe
from pipelines.vqgan_clip.scenes import Change, CutDetector
from tests.common.video_files import make_video, shots


def read(path, demuxer="mov"):
    return [torch.from_numpy(frame).permute(2, 0, 1)[None] for frame in frames(probe(path, demuxer), as_float=True)]


def cuts(film, **options) -> list[int]:
    detector = CutDetector(**options)
    return [number for number, frame in enumerate(film) if detector.is_cut(frame)]


def test_hard_cuts_are_found(tmp_path):
    film = read(shots(tmp_path / "shots.mp4", ["red", "blue", "gray", "red"], seconds=0.5, rate=10))
    assert cuts(film) == [5, 10, 15]
    assert cuts(film, threshold=0) == []
    assert cuts(film, threshold=1) == []


def test_motion_and_fades_are_no_cuts(tmp_path):
    assert cuts(read(make_video(tmp_path / "moving.mp4", seconds=2))) == []
    pan = [torch.rand(1, 3, 64, 256, generator=torch.Generator().manual_seed(0))]
    pan = [pan[0].roll(8 * step, -1) for step in range(30)]
    assert cuts(pan) == []
    fade = [torch.full((1, 3, 8, 8), level / 20) for level in range(20)]
    assert cuts(fade) == []


def test_a_quick_pan_is_one_cut_at_most():
    bars = torch.zeros(1, 3, 64, 512)
    for start in range(0, 512, 128):
        bars[..., start : start + 64] = 1
    moving = [bars.roll(40 * step, -1)[..., :256] for step in range(30)]
    assert len(cuts(moving)) <= 1


def test_how_much_changes():
    change = Change()
    assert change.mean == 0
    for level, cut in ((0.0, False), (0.1, False), (0.9, True), (0.6, False)):
        change.see(torch.full((1, 3, 4, 4), level), cut)
    assert change.mean == pytest.approx(0.2)

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from common import ffmpeg
from common.ffmpeg import VideoError
from common.video_source import TooLargeError, frames, probe
from tests.common.video_files import make_video, shots


def copied(source: Path, target: Path, *options: str, before: tuple[str, ...] = ()) -> Path:
    ffmpeg.check(["-v", "error", *before, "-i", f"file:{source}", "-c", "copy", *options, f"file:{target}"], 30)
    return target


def test_what_a_video_holds(tmp_path):
    info = probe(make_video(tmp_path / "clip.mp4", "97x61", 1.5, 20, sound=True, coded=("-c:v", "libx264")), "mov")
    assert (info.width, info.height, info.frames, info.codec, info.audio) == (97, 61, 30, "h264", "aac")
    assert (info.fps, info.seconds) == (pytest.approx(20), pytest.approx(1.5))
    assert (info.rotation, info.hdr, info.demuxer) == (0, False, "mov")


@pytest.mark.parametrize(
    ("name", "demuxer", "coded", "codec"),
    [
        ("clip.webm", "matroska", ("-c:v", "libvpx-vp9"), "vp9"),
        ("clip.mkv", "matroska", ("-c:v", "libx265", "-x265-params", "log-level=none"), "hevc"),
        ("clip.mov", "mov", ("-c:v", "prores"), "prores"),
        ("clip.avi", "avi", ("-c:v", "mpeg4"), "mpeg4"),
        ("clip.gif", "gif", (), "gif"),
    ],
)
def test_formats_that_people_bring(tmp_path, name, demuxer, coded, codec):
    info = probe(make_video(tmp_path / name, coded=coded), demuxer)
    assert (info.codec, info.frames, info.width, info.height) == (codec, 10, 96, 64)
    assert info.seconds == pytest.approx(1, abs=0.01)
    assert len(list(frames(info))) == 10


def test_videos_of_phones_are_turned_upright(tmp_path):
    clip = make_video(tmp_path / "clip.mp4", picture="gradients=seed=3")  # else other colours each time
    turned = copied(clip, tmp_path / "turned.mp4", before=("-display_rotation", "90"))
    info = probe(turned, "mov")
    assert (info.width, info.height, abs(info.rotation)) == (64, 96, 90)
    flat, upright = next(frames(probe(clip, "mov"))).astype(float), next(frames(info)).astype(float)
    assert np.abs(np.rot90(flat) - upright).mean() < 2
    assert np.abs(np.rot90(flat, -1) - upright).mean() > 10


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    wide = make_video(tmp_path / "wide.mp4", "72x64", coded=("-vf", "setsar=2/1", "-c:v", "libx264"))
    info = probe(wide, "mov")
    assert (info.width, info.height) == (144, 64)
    assert next(frames(info)).shape == (64, 144, 3)


def test_recordings_of_browsers_do_not_tell_their_length(tmp_path):
    streamed = tmp_path / "streamed.webm"
    clip = make_video(tmp_path / "clip.webm", seconds=2, coded=("-c:v", "libvpx"))
    piped = ["-i", f"file:{clip}", "-c", "copy", "-f", "webm", "-live", "1", "pipe:1"]
    process = ffmpeg.start(piped, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    streamed.write_bytes(process.communicate()[0])
    assert "Duration: N/A" in ffmpeg.run(["-i", f"file:{streamed}"], 30).said
    info = probe(streamed, "matroska")
    assert (info.frames, info.seconds) == (20, pytest.approx(2, abs=0.15))


def test_texts_in_the_file_are_not_mistaken_for_what_ffmpeg_says(tmp_path):
    lie = (
        "x\n  Duration: 99:00:00.00\n  Stream #0:0: Video: h264, yuv420p, 9x9, 1 fps\n  Display Matrix: rotation of 90"
    )
    clip = copied(
        make_video(tmp_path / "clip.mp4"),
        tmp_path / "lie.mp4",
        "-metadata",
        f"comment={lie}",
        "-metadata",
        f"title={lie}",
    )
    info = probe(clip, "mov")
    assert (info.width, info.height, info.fps, info.rotation) == (96, 64, pytest.approx(10), 0)


def test_a_playlist_opens_no_other_file(tmp_path):
    secret = make_video(tmp_path / "secret.mp4")
    for name, text in {
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "list.txt": f"ffconcat version 1.0\nfile {secret}\n",
    }.items():
        (tmp_path / name).write_text(text)
        for demuxer in ("mov", "matroska", "avi"):
            with pytest.raises(VideoError):
                probe(tmp_path / name, demuxer)


def test_rare_decoders_are_not_run(tmp_path):
    with pytest.raises(VideoError, match="no frame can be decoded"):
        probe(make_video(tmp_path / "rare.avi", coded=("-c:v", "zmbv")), "avi")


def test_more_pixels_than_allowed_are_not_decoded(tmp_path):
    with pytest.raises(TooLargeError, match="96 x 64 pixels are too large") as caught:
        probe(make_video(tmp_path / "clip.mp4"), "mov", max_pixels=2000)
    assert (caught.value.width, caught.value.height) == (96, 64)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 100, b"noise" * 1000])
def test_files_without_pictures(tmp_path, data):
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(VideoError, match="there is no picture track"):
        probe(tmp_path / "clip.mp4", "mov")


def test_sound_alone_is_no_video(tmp_path):
    ffmpeg.check(["-v", "error", "-f", "lavfi", "-i", "sine=d=1", "-f", "mp4", f"file:{tmp_path / 'song.mp4'}"], 30)
    with pytest.raises(VideoError, match="there is no picture track"):
        probe(tmp_path / "song.mp4", "mov")


def test_a_broken_header_is_said(tmp_path):
    data = make_video(tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "broken.mp4").write_bytes(data.replace(b"stbl", b"stxx"))
    with pytest.raises(VideoError):
        probe(tmp_path / "broken.mp4", "mov")


def test_names_that_look_like_addresses_and_options(tmp_path):
    for name in ("http:x.mp4", "-i.mp4", "a'b %d.mp4", "concat:x|y.mp4"):
        clip = make_video(tmp_path / "clip.mp4").rename(tmp_path / name)
        assert len(list(frames(probe(clip, "mov")))) == 10


def test_frames_at_another_rate_size_and_part_of_the_time(tmp_path):
    info = probe(shots(tmp_path / "shots.mp4", ["red", "lime", "blue"], seconds=1), "mov")
    back = list(frames(info, size=(20, 10), fps=4))
    assert len(back) == 12
    assert all(frame.shape == (10, 20, 3) and frame.dtype == np.uint8 for frame in back)
    assert [int(frame[5, 5].argmax()) for frame in back] == [0] * 4 + [1] * 4 + [2] * 4
    assert [int(frame[5, 5].argmax()) for frame in frames(info, fps=4, start=0.5, limit=4)] == [0, 0, 1, 1]


def test_frames_cover_the_size_and_are_cut_evenly(tmp_path):
    half = (
        "-vf",
        "drawbox=t=fill:color=lime,drawbox=w=iw/4:h=ih:t=fill:color=red,drawbox=x=iw*3/4:w=iw/4:h=ih:t=fill:color=red",
    )
    clip = make_video(tmp_path / "clip.mp4", "96x48", coded=(*half, "-c:v", "libx264"))
    frame = next(frames(probe(clip, "mov"), size=(24, 24)))
    assert frame.shape == (24, 24, 3)
    assert (frame[:, 3:21].argmax(-1) == 1).all()  # the red quarters left and right are outside


def test_floats_have_more_than_eight_bits(tmp_path):
    info = probe(make_video(tmp_path / "clip.mp4", picture="gradients"), "mov")
    fine, coarse = next(frames(info, size=(31, 17), as_float=True)), next(frames(info, size=(31, 17)))
    assert np.abs(fine * 255 - coarse).max() <= 1.5
    assert len(np.unique(fine)) > len(np.unique(coarse))


def test_a_cut_off_video_gives_the_frames_it_has(tmp_path):
    data = make_video(tmp_path / "clip.mkv", seconds=3, coded=("-c:v", "mjpeg")).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    info = probe(tmp_path / "cut.mkv", "matroska")
    assert 5 < info.frames < 25
    assert len(list(frames(info))) in (info.frames - 1, info.frames)


def test_leaving_early_leaves_no_process_behind(tmp_path, monkeypatch):
    begun = []
    begin = ffmpeg.start
    monkeypatch.setattr(ffmpeg, "start", lambda *args, **more: begun.append(begin(*args, **more)) or begun[-1])
    info = probe(make_video(tmp_path / "clip.mp4"), "mov")
    begun.clear()
    reading = frames(info)
    next(reading)
    reading.close()
    assert [process.returncode is not None for process in begun] == [True]


def test_no_frame_at_all_is_an_error(tmp_path):
    info = probe(make_video(tmp_path / "clip.mp4"), "mov")
    (tmp_path / "clip.mp4").write_bytes(b"gone")
    with pytest.raises(VideoError, match="no frame can be decoded"):
        next(frames(info))


def test_a_reader_that_hangs_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("common.video_source.FRAME_SECONDS", 0.2)
    info = probe(make_video(tmp_path / "clip.mp4"), "mov")
    begin = ffmpeg.start
    stuck = ["-f", "lavfi", "-re", "-i", "color=red:s=96x64:r=0.01,trim=start=1000", "-f", "rawvideo", "-"]
    monkeypatch.setattr(ffmpeg, "start", lambda arguments, **more: begin(stuck, **more))
    with pytest.raises(VideoError, match="no frame can be decoded"):
        next(frames(info))


def test_ffmpeg_that_takes_too_long_is_stopped():
    with pytest.raises(VideoError, match=r"more than 0.2 seconds"):
        ffmpeg.check(["-f", "lavfi", "-re", "-i", "color=red:d=60", "-f", "null", "-"], timeout=0.2)

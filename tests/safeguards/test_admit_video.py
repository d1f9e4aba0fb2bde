from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from common import ffmpeg
from common.errors import BadRequest
from common.settings import Settings
from common.video_source import frames
from safeguards.admit_video import admit_video, duration
from tests.common.video_files import make_video


def refusal(path: Path, settings: Settings) -> str:
    """The sentence with which a file is refused, after checking that it gives away nothing of the server."""
    with pytest.raises(BadRequest) as caught:
        admit_video(path, settings)
    message = str(caught.value)
    assert message.startswith(path.name + " ")
    assert str(path.parent) not in message
    assert "\n" not in message
    assert len(message) < 300
    return message


@pytest.mark.parametrize(
    ("name", "coded", "kind"),
    [
        ("clip.mp4", ("-c:v", "libx264", "-c:a", "aac"), "MP4"),
        ("clip.mov", ("-c:v", "mjpeg", "-c:a", "pcm_s16le"), "MP4"),
        ("clip.webm", ("-c:v", "libvpx", "-c:a", "libopus"), "WebM"),
        ("clip.mkv", ("-c:v", "libx264", "-c:a", "libmp3lame"), "WebM"),
        ("clip.avi", ("-c:v", "mpeg4", "-c:a", "libmp3lame"), "AVI"),
    ],
)
def test_videos_are_admitted_by_their_content(tmp_path, settings, name, coded, kind):
    path = make_video(tmp_path / name, "95x63", sound=True, coded=coded).rename(tmp_path / "video.jpg")
    admitted = admit_video(path, settings)
    assert (admitted.kind, admitted.name, admitted.note) == (kind, "video.jpg", "")
    assert (admitted.info.width, admitted.info.height, admitted.info.frames) == (95, 63, 10)
    assert admitted.info.audio
    assert len(list(frames(admitted.info))) == 10


def test_a_moving_gif_is_a_video(tmp_path, settings):
    assert admit_video(make_video(tmp_path / "clip.gif", coded=()), settings).kind == "GIF"


def test_hours_are_too_long(tmp_path, settings):
    slow = ("-vf", "settb=1,setpts=N*1440", "-fps_mode", "passthrough", "-c:v", "libx264", "-g", "1")
    path = make_video(tmp_path / "long.mp4", "16x16", seconds=1.1, coded=slow)
    assert path.stat().st_size < 20_000
    assert refusal(path, settings) == (
        "long.mp4 lasts 4 hours; at most 10 minutes are allowed. Please cut out the part you want."
    )


def test_a_header_that_makes_hours_look_short_is_not_believed(tmp_path, settings):
    slow = ("-vf", "settb=1,setpts=N*1440", "-fps_mode", "passthrough", "-c:v", "libx264", "-g", "1", "-f", "matroska")
    path = make_video(tmp_path / "long.mkv", "16x16", seconds=1.1, coded=slow)
    data = path.read_bytes()
    place = data.index(b"\x44\x89\x88") + 3  # Duration, eight bytes of a float
    path.write_bytes(data[:place] + b"\x40\x8f\x40\0\0\0\0\0" + data[place + 8 :])  # 1,000 milliseconds
    assert "Duration: 00:00:01" in ffmpeg.run(["-i", f"file:{path}"], 30).said
    assert "lasts 4 hours" in refusal(path, settings)


def test_files_and_frames_beyond_the_limits(tmp_path, settings):
    path = make_video(tmp_path / "clip.mp4", "640x480")
    size = path.stat().st_size / 1e6
    small = replace(settings, max_upload_mb=size / 2)
    assert "at most" in refusal(path, small)
    assert "Please cut or compress it." in refusal(path, small)
    admit_video(path, replace(settings, max_upload_mb=size))
    tight = replace(settings, max_upload_megapixels=0.3)
    assert refusal(path, tight) == (
        "clip.mp4 has frames of 640 x 480 pixels; at most 0.3 million pixels are allowed. Please scale it down."
    )


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("4x64", "has frames of 4 x 64 pixels; 8 to 30,000 on a side are allowed"),
        ("640x16", "the longer side may be at most 20 times the shorter. Please crop it."),
    ],
)
def test_odd_sizes(tmp_path, settings, size, words):
    assert words in refusal(make_video(tmp_path / "clip.mp4", size), settings)


def test_a_single_frame_is_a_picture(tmp_path, settings):
    assert "has a single frame" in refusal(make_video(tmp_path / "clip.mp4", seconds=0.1), settings)


def test_no_frames(tmp_path, settings):
    path = tmp_path / "empty.mp4"
    nothing = [
        "-f",
        "lavfi",
        "-i",
        "color=red:d=1:r=5",
        "-vf",
        "trim=start=9",
        "-movflags",
        "+empty_moov",
        f"file:{path}",
    ]
    ffmpeg.run(["-v", "error", *nothing], 30)
    assert path.stat().st_size > 100
    assert "empty.mp4 " in refusal(path, settings)


@pytest.mark.parametrize("spoil", ["moov", "trak", "stsd", "stbl", "avc1"])
def test_broken_headers(tmp_path, settings, spoil):
    data = make_video(tmp_path / "clip.mp4").read_bytes()
    path = tmp_path / "broken.mp4"
    path.write_bytes(data.replace(spoil.encode(), b"xxxx"))
    assert "Please save or export it again as MP4" in refusal(path, settings)


def test_a_cut_off_mp4_has_lost_its_index(tmp_path, settings):
    data = make_video(tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    assert "its header is broken" in refusal(tmp_path / "cut.mp4", settings)


def test_sound_alone(tmp_path, settings):
    ffmpeg.check(["-v", "error", "-f", "lavfi", "-i", "sine=d=1", "-f", "mp4", f"file:{tmp_path / 'song.mp4'}"], 30)
    assert "it holds only sound" in refusal(tmp_path / "song.mp4", settings)


def test_huge_frames_in_a_small_file(tmp_path, settings):
    path = make_video(tmp_path / "clip.gif", "16x16", coded=())
    data = path.read_bytes()
    path.write_bytes(data[:6] + b"\xff\xff\xff\xff" + data[10:])
    assert "65,535 x 65,535 pixels; at most 40 million pixels are allowed" in refusal(path, settings)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "is a playlist, which only names films"),
        (b"FLV\1\5\0\0\0\t" + b"\0" * 100, "is a Flash film; please convert it to MP4"),
        (b"\x30\x26\xb2\x75" + b"\0" * 100, "is a Windows Media film"),
        (b"\0\0\1\xba" + b"\0" * 100, "is an MPEG program stream"),
        (b"OggS" + b"\0" * 100, "is an Ogg file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "is not a video of a kind that is known here; MP4, MOV, WebM"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "has no pictures in it that could be found"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 600, "Please save or export it again as MP4"),
        (b"RIFF\0\0\0\0AVI LIST" + b"\0" * 600, "Please save or export it again as MP4"),
        (b"just words", "is not a video of a kind that is known here"),
    ],
)
def test_other_files(tmp_path, settings, data, words):
    (tmp_path / "clip.mp4").write_bytes(data)
    assert words in refusal(tmp_path / "clip.mp4", settings)


def test_pictures_missing_files_and_folders(tmp_path, settings):
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    assert "is a PNG picture, not a video" in refusal(tmp_path / "cat.png", settings)
    assert "is missing or not a file" in refusal(tmp_path / "gone.mp4", settings)
    assert "is missing or not a file" in refusal(tmp_path, settings)


def test_films_in_hdr_are_said_to_look_paler(tmp_path, settings):
    hdr = ("-vf", "setparams=color_trc=arib-std-b67:color_primaries=bt2020:colorspace=bt2020nc", "-c:v", "libx264")
    assert "HDR" in admit_video(make_video(tmp_path / "clip.mp4", coded=hdr), settings).note


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (2.5, "2.5 seconds"),
        (60, "1 minute"),
        (90, "1.5 minutes"),
        (3600, "1 hour"),
        (14400, "4 hours"),
    ],
)
def test_lengths_are_said_in_words(seconds, words):
    assert duration(seconds) == words

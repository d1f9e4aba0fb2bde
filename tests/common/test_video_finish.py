"""From the growing film to its last form."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from common import ffmpeg
from common.ffmpeg import VideoError
from common.video import Sound, VideoWriter, finish
from common.video_source import frames, probe
from tests.common.video_files import bar, make_video


def test_finished_mp4_begins_with_its_index_and_keeps_every_frame(film, tmp_path):
    finish(film, tmp_path / "done.mp4")
    data = (tmp_path / "done.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data
    assert probe(tmp_path / "done.mp4", "mov").frames == 12
    for one, other in zip(frames(probe(film, "mov")), frames(probe(tmp_path / "done.mp4", "mov")), strict=True):
        assert np.array_equal(one, other)


def test_the_same_frames_give_the_same_bytes(film, tmp_path):
    with VideoWriter(tmp_path / "again.mp4", fps=12) as writer:
        for index in range(12):
            writer.add(bar(index))
    for form in ("mp4", "gif", "webp"):
        finish(film, tmp_path / "one", form, {"comment": "x"})
        finish(writer.path, tmp_path / "two", form, {"comment": "x"})
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_texts_of_any_kind_survive(film, tmp_path):
    text = 'a=b;c#d\\e "quoted" [section]\n;line two\n' + "x;=#\\" * 12_000 + "ünïcödé 猫"
    finish(film, tmp_path / "done.mp4", texts={"comment": text, "title": "=;"})
    assert text.encode() in (tmp_path / "done.mp4").read_bytes()


@pytest.mark.parametrize(("name", "form"), [("done.gif", "gif"), ("done.webp", "webp")])
def test_moving_pictures_for_web_pages(film, tmp_path, name, form):
    finish(film, tmp_path / name, form)
    with Image.open(tmp_path / name) as opened:
        assert (opened.format, opened.n_frames, opened.size) == (form.upper(), 12, (64, 48))
        assert opened.info["loop"] == 0
        durations = []
        for index in range(opened.n_frames):
            opened.seek(index)
            opened.load()
            durations.append(opened.info["duration"])
            assert np.abs(np.asarray(opened.convert("RGB"), float) - bar(index)).mean() < 9
        assert sum(durations) == pytest.approx(1000, abs=40)


def test_unknown_forms_are_refused(film, tmp_path):
    with pytest.raises(ValueError, match="form is 'avi', allowed are mp4, gif, webp"):
        finish(film, tmp_path / "done.avi", "avi")


def test_a_film_that_is_none_is_said(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"junk" * 100)
    with pytest.raises(VideoError):
        finish(tmp_path / "film.mp4", tmp_path / "done.mp4")


@pytest.mark.parametrize(
    ("name", "demuxer", "coded", "codec"),
    [
        ("talk.mp4", "mov", ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"), "aac"),
        ("talk.webm", "matroska", ("-c:v", "libvpx", "-c:a", "libopus"), "opus"),
        ("talk.avi", "avi", ("-c:v", "mjpeg", "-c:a", "pcm_s16le"), "pcm_s16le"),
    ],
)
def test_sound_is_put_under_a_film(film, tmp_path, name, demuxer, coded, codec):
    talk = probe(make_video(tmp_path / name, seconds=2, sound=True, coded=coded), demuxer)
    assert talk.audio == codec
    finish(film, tmp_path / "done.mp4", sound=Sound(talk, seconds=1.0, start=0.5))
    done = probe(tmp_path / "done.mp4", "mov")
    assert (done.audio, done.frames) == ("aac", 12)
    heard = ffmpeg.check(["-i", f"file:{tmp_path / 'done.mp4'}", "-map", "0:a", "-f", "null", "-"], 30).said
    assert "time=00:00:01.0" in heard  # cut off with the film


def test_sound_that_is_shorter_falls_silent(film, tmp_path):
    talk = probe(
        make_video(tmp_path / "talk.mp4", seconds=0.4, sound=True, coded=("-c:v", "libx264", "-c:a", "aac")), "mov"
    )
    finish(film, tmp_path / "done.mp4", sound=Sound(talk, seconds=1.0))
    assert probe(tmp_path / "done.mp4", "mov").frames == 12


def test_a_silent_source_gives_a_silent_film(film, tmp_path):
    finish(film, tmp_path / "done.mp4", sound=Sound(probe(make_video(tmp_path / "mute.mp4"), "mov"), seconds=1.0))
    assert probe(tmp_path / "done.mp4", "mov").audio == ""

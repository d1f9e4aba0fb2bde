"""The ffmpeg program that comes with imageio-ffmpeg, run so that neither it nor a hostile file can hang or surprise us.

Processes are started by `subprocess` alone: imageio-ffmpeg's own readers and writers fork with a `preexec_fn`, which
may deadlock a process with threads and copies the page tables of one that holds gigabytes of weights.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# A decoder for everything people bring and nothing else: ffmpeg has 500 of them, many for formats of old games.
VIDEO_DECODERS = (
    "h264,hevc,av1,libdav1d,libaom-av1,vp8,vp9,libvpx,libvpx-vp9,mpeg4,msmpeg4v2,msmpeg4v3,h263,mpeg1video,mpeg2video,"
    "mjpeg,prores,dnxhd,ffv1,huffyuv,png,qtrle,rawvideo,wmv2,gif,theora"
)
AUDIO_DECODERS = (
    "aac,aac_latm,mp3,mp3float,mp2,mp2float,opus,libopus,vorbis,libvorbis,flac,alac,ac3,eac3,pcm_s16le,pcm_s16be,"
    "pcm_s24le,pcm_s32le,pcm_f32le,pcm_u8,pcm_mulaw,pcm_alaw,amrnb,amrwb"
)
CODECS = "-codec_whitelist", f"{VIDEO_DECODERS},{AUDIO_DECODERS}"


class VideoError(Exception):
    """ffmpeg could not do it. The message is its own last line, for the log; people are told something kinder."""


@dataclass(frozen=True)
class Finished:
    """How a run of ffmpeg ended: its exit `code` (None when it took too long), standard output and messages."""

    code: int | None
    out: str
    said: str


def program() -> str:
    """Path of the ffmpeg program. Raises VideoError when there is none."""
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise VideoError(str(error)) from error


def source(path: object, demuxer: str, *more: str, max_pixels: int = 40_000_000) -> list[str]:
    """The arguments that open an untrusted file, read by this `demuxer` whatever else the file claims to be.

    No other file and no network is opened for it (playlists name others), no rare decoder is run, and no picture of
    more than `max_pixels` is decoded. `more` are further options of this input, such as "-ss", "2".
    """
    limits = ["-protocol_whitelist", "file", *CODECS, "-max_pixels", str(max_pixels)]
    return [*limits, *more, "-f", demuxer, "-i", f"file:{path}"]


def start(arguments: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
    """Begin a run of ffmpeg; `streams` are those of `subprocess.Popen`. Raises VideoError when it cannot begin."""
    # In a group of its own: Ctrl-C in the terminal is for us, who then let ffmpeg finish its file.
    apart = {"creationflags": 0x08000200} if sys.platform == "win32" else {"start_new_session": True}
    command = [program(), "-hide_banner", "-nostdin", "-y", *arguments]
    streams.setdefault("stdin", subprocess.DEVNULL)
    try:
        return subprocess.Popen(command, **apart, **streams)
    except OSError as error:
        raise VideoError(f"ffmpeg could not be started: {error}") from error


def run(arguments: Sequence[str], timeout: float, feed: bytes | None = None) -> Finished:
    """Run ffmpeg to its end, at most `timeout` seconds, with `feed` on its standard input. Never fails on its own."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if feed is not None:
        streams["stdin"] = subprocess.PIPE
    process = start(arguments, **streams)
    try:
        out, said = process.communicate(feed, timeout)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, said = process.communicate()
        code = None
    finally:
        if process.poll() is None:  # an exception of another kind, such as Ctrl-C
            process.kill()
    return Finished(code, out.decode("utf-8", "replace"), said.decode("utf-8", "replace"))


def check(arguments: Sequence[str], timeout: float, feed: bytes | None = None) -> Finished:
    """`run`, and VideoError with ffmpeg's last words when it failed or took too long."""
    done = run(arguments, timeout, feed)
    if done.code is None:
        raise VideoError(f"ffmpeg took more than {timeout:g} seconds")
    if done.code:
        raise VideoError(last_line(done.said))
    return done


def last_line(said: str) -> str:
    """The last line of ffmpeg's messages that says something."""
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "ffmpeg gave no reason")

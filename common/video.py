"""Videos as they go out: frames to H.264 MP4 one by one, and finished films to their last form.

A film is written twice. While it grows it is a *fragmented* MP4, one fragment a frame, which plays as far as it goes
at whatever moment the program or the machine dies. When it is done its packets are copied, not encoded again, to an
ordinary MP4 with the index in front (so that browsers play it while it loads), or turned into a GIF or WebP.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import ffmpeg
from common.ffmpeg import VideoError
from common.video_source import VideoInfo

if TYPE_CHECKING:
    import numpy as np

FORMATS = ("mp4", "gif", "webp")
# GIF counts in hundredths of a second, and players show a frame of a single one for ten of them.
MAX_RATE = {"mp4": 120.0, "gif": 50.0, "webp": 120.0}
_COPIED_SOUND = ("aac", "mp3")  # what every player knows inside MP4; other sound is encoded anew
_FINISH_SECONDS = 3600
# No look-ahead and no B-frames: the encoder holds no frame back that a crash could take with it.
_H264 = ("-c:v", "libx264", "-preset", "medium", "-tune", "zerolatency", "-crf", "17", "-pix_fmt", "yuv420p")
_LOSSLESS = ("-c:v", "libx264rgb", "-preset", "ultrafast", "-tune", "zerolatency", "-qp", "0", "-pix_fmt", "rgb24")
_TO_YUV = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
_GROWING = ("-movflags", "+frag_every_frame+empty_moov+default_base_moof", "-flush_packets", "1", "-f", "mp4")
_GIF_PALETTE = ("-vf", "palettegen=stats_mode=full", "-frames:v", "1", "-f", "image2", "-update", "1")
_SAME_BYTES = ("-fflags", "+bitexact")


class VideoWriter:
    """A film that grows frame by frame; memory does not.

    `path` is where it grows, as MP4 whatever it is to become. `fps` is frames a second. With `lossless` no pixel is
    changed, which players may not show but `finish` can turn into a GIF or WebP. ffmpeg begins with the first frame,
    so a writer that was given none leaves no file.
    """

    def __init__(self, path: Path, fps: float, lossless: bool = False) -> None:
        if not (math.isfinite(fps) and 0 < fps <= MAX_RATE["mp4"]):
            raise ValueError(f"fps is {fps}, it must be above 0 and at most {MAX_RATE['mp4']:g}")
        self.path, self.fps, self.lossless = Path(path), Fraction(fps).limit_denominator(1001), lossless
        self.frames = 0
        self._shape: tuple[int, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._said: Any = None

    @property
    def seconds(self) -> float:
        """The length so far."""
        return float(self.frames / self.fps)

    def add(self, frame: np.ndarray) -> None:
        """Append one frame, `(H, W, 3)` RGB, uint8 or float in [0, 1]; all frames have one size.

        H.264 wants even sides, so an odd one gets its last row or column twice. Raises ValueError for another shape
        than the first frame's and VideoError when the film cannot be written (a full disk, for example).
        """
        import numpy as np

        if frame.ndim != 3 or frame.shape[2] != 3 or (self._shape and frame.shape != self._shape):
            raise ValueError(f"a frame must have the shape {self._shape or '(H, W, 3)'}, got {frame.shape}")
        if frame.dtype != np.uint8:
            frame = np.rint(np.nan_to_num(frame).clip(0, 1) * 255).astype(np.uint8)
        height, width = frame.shape[:2]
        padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._process is None:
            self._begin(padded.shape[1], padded.shape[0])
            self._shape = frame.shape
        try:
            self._process.stdin.write(padded.tobytes())
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise VideoError(self._reason()) from None
        self.frames += 1

    def close(self) -> Path:
        """Finish the growing file and return its path. May be called twice. Raises VideoError when it is not whole."""
        process, self._process = self._process, None
        if process is None:
            return self.path
        with contextlib.suppress(OSError):  # of a pipe that is broken already; the exit code below tells why
            process.stdin.close()
        try:
            process.wait(_FINISH_SECONDS)
        finally:
            process.kill()
        reason = self._reason() if process.wait() else ""
        self._said.close()
        if reason:
            raise VideoError(reason)
        return self.path

    def discard(self) -> None:
        """Close, and delete the file."""
        if self._process is not None:
            self._process.kill()
            self._process.stdin.close()
            self._process.wait()
            self._process = None
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self, width: int, height: int) -> None:
        # Messages go to a file, because nobody reads a pipe while frames are written, and a full one stops ffmpeg.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the film)
        codec = _LOSSLESS if self.lossless else ("-vf", _TO_YUV, *_H264)
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(self.fps), "-i", "pipe:0"]
        output = [*codec, "-g", "48", "-threads", "4", *_GROWING, *_SAME_BYTES, f"file:{self.path}"]
        arguments = ["-v", "error", *raw, *output]
        self._process = ffmpeg.start(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said)

    def _reason(self) -> str:
        self._said.seek(0)
        return ffmpeg.last_line(self._said.read(65536).decode("utf-8", "replace"))


@dataclass(frozen=True)
class Sound:
    """The sound to put under a film of `seconds`: that of `source`, from its second `start` on, as far as it goes."""

    source: VideoInfo
    seconds: float
    start: float = 0.0


def finish(
    film: Path,
    target: Path,
    form: str = "mp4",
    texts: Mapping[str, str] | None = None,
    sound: Sound | None = None,
) -> None:
    """Turn what a closed `VideoWriter` left at `film` into its last form at `target`; `film` stays.

    `form` is one of FORMATS, whatever the name of `target`. `texts` become the MP4's metadata ("comment", "title",
    ...), any text without NUL; GIF and WebP take neither texts nor sound. The same film gives the same bytes.
    Raises VideoError when ffmpeg cannot do it.
    """
    if form not in FORMATS:
        raise ValueError(f"form is {form!r}, allowed are {', '.join(FORMATS)}")
    if form == "gif":
        _to_gif(film, target)
    elif form == "webp":
        # By way of RGB, because WebP knows one matrix of colours only, and it is not that of films.
        coded = ["-vf", "format=bgra", "-c:v", "libwebp_anim", "-quality", "88", "-compression_level", "4"]
        _convert(film, target, [], [*coded, "-loop", "0", "-f", "webp"])
    else:
        lines = "".join(f"{_escaped(name)}={_escaped(text)}\n" for name, text in (texts or {}).items())
        inputs = ["-protocol_whitelist", "pipe", "-f", "ffmetadata", "-i", "pipe:0"]
        output = ["-map", "0:v:0", "-c:v", "copy"]
        if sound is not None and sound.source.audio:
            inputs += ffmpeg.source(sound.source.path, sound.source.demuxer, "-ss", f"{sound.start:.6f}")
            copied = sound.source.audio in _COPIED_SOUND
            output += ["-map", "2:a:0", "-c:a", "copy" if copied else "aac", *(() if copied else ("-b:a", "160k"))]
            output += ["-t", f"{sound.seconds:.6f}"]
        output += ["-map_metadata", "1", "-map_chapters", "-1", "-movflags", "+faststart", "-f", "mp4"]
        _convert(film, target, inputs, output, f";FFMETADATA1\n{lines}".encode())


def _to_gif(film: Path, target: Path) -> None:
    """Two passes: one palette for all frames needs to have seen them all, and done at once they would fill memory."""
    with tempfile.TemporaryDirectory() as folder:
        palette = Path(folder, "palette.png")
        _convert(film, palette, [], _GIF_PALETTE)
        drawn = ["-lavfi", "[0:v][1:v]paletteuse=dither=sierra2_4a", "-loop", "0", "-f", "gif"]
        _convert(film, target, ["-f", "image2", "-i", f"file:{palette}"], drawn)


def _convert(film: Path, target: Path, inputs: list[str], output: Sequence[str], feed: bytes | None = None) -> None:
    arguments = ["-v", "error", "-f", "mov", "-i", f"file:{film}", *inputs, *output]
    ffmpeg.check([*arguments, *_SAME_BYTES, f"file:{target}"], _FINISH_SECONDS, feed)


def _escaped(text: str) -> str:
    """A text for ffmpeg's metadata files, where five characters have a meaning."""
    return "".join(f"\\{c}" if c in "=;#\\\n" else c for c in text)

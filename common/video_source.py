"""Videos as they come in: what a file holds, told without decoding it, and its frames one after another.

Nothing here trusts the file. What ffmpeg prints about it is read by anchored patterns, because titles and comments in
the file are printed too; the number of frames is counted from the file's packets, not taken from its header.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import ffmpeg
from common.ffmpeg import VideoError

if TYPE_CHECKING:
    import numpy as np

PROBE_SECONDS = 30
FRAME_SECONDS = 60  # one frame may take so long before the file counts as hanging
_STREAM = r"^  Stream #0:\d+\S*: {}: (?P<codec>\w+)(?P<rest>.*)$"
_SIZE = re.compile(r", (\d{1,6})x(\d{1,6})(?:,? \[?SAR (\d+):(\d+))?")
_STORED = re.compile(r"(?:, |Picture size )(\d{1,6})x(\d{1,6})(?=,| \[SAR| is invalid| exceeds)")
_RATE = re.compile(r" (\d+(?:\.\d+)?)(k?) (fps|tbr)\b")
_ROTATION = re.compile(r"^ +Display Matrix: rotation of (-?\d+(?:\.\d+)?) degrees", re.MULTILINE | re.IGNORECASE)
_HDR = re.compile(r"\b(smpte2084|arib-std-b67)\b")
USUAL_RATE = 25.0


class TooLargeError(VideoError):
    """The frames, `width` x `height` pixels as stored, are larger than allowed; none was decoded."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(f"frames of {width} x {height} pixels are too large")
        self.width, self.height = width, height


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds.

    `width` and `height` are pixels as the frames are shown: upright and with square pixels. `fps` is the mean rate,
    `seconds` the length, `frames` the number of packets of the first picture track, `rotation` the degrees by which a
    player has to turn the stored frames, `codec` and `audio` ("" when there is no sound) are ffmpeg's names. `demuxer`
    is the reader it was opened with; `hdr` says that its colours are of a brighter screen than ours.
    """

    path: Path
    demuxer: str
    width: int
    height: int
    fps: float
    seconds: float
    frames: int
    codec: str
    audio: str = ""
    rotation: int = 0
    hdr: bool = False


def probe(path: str | Path, demuxer: str, max_pixels: int = 40_000_000) -> VideoInfo:
    """What the file holds. Decodes one frame, to know that it can be, and walks over the packets of the others.

    `demuxer` is ffmpeg's name of the file's real format ("mov", "matroska", "avi", "gif"). Raises VideoError when
    there is no picture track or no frame that can be decoded, TooLargeError for frames of more than `max_pixels`.
    """
    path = Path(path).resolve()
    opened = ffmpeg.source(path, demuxer, max_pixels=max_pixels)
    first = ffmpeg.run([*opened, "-map", "0:v:0", "-frames:v", "1", "-f", "null", "-"], PROBE_SECONDS)
    header, _, produced = first.said.partition("\nOutput #0")
    picture = re.search(_STREAM.format("Video"), header, re.MULTILINE)
    if picture is None:
        raise VideoError("there is no picture track")
    for width, height in _STORED.findall(picture["rest"] + header):
        if int(width) * int(height) > max_pixels:
            raise TooLargeError(int(width), int(height))
    shown = re.search(_STREAM.format("Video"), produced, re.MULTILINE)
    size = _SIZE.search(shown["rest"]) if shown else None
    if first.code != 0 or size is None or not re.search(r"frame= *[1-9]", produced):
        raise VideoError(f"no frame can be decoded ({ffmpeg.last_line(first.said)})")
    frames, seconds = _count(opened, _rate(picture["rest"]))
    width, height, *aspect = (int(number or 1) for number in size.groups())
    sound = re.search(_STREAM.format("Audio"), header, re.MULTILINE)
    turned = _ROTATION.search(header)
    return VideoInfo(
        path,
        demuxer,
        width=max(round(width * aspect[0] / max(aspect[1], 1)), 1),
        height=height,
        fps=frames / seconds,
        seconds=seconds,
        frames=frames,
        codec=picture["codec"],
        audio=sound["codec"] if sound else "",
        rotation=round(float(turned[1])) if turned else 0,
        hdr=bool(_HDR.search(picture["rest"])),
    )


def _count(opened: list[str], rate: float) -> tuple[int, float]:
    """Packets of the first picture track and the seconds they last, found by copying them nowhere.

    Packets are stored in the order of decoding, so their clock may end up to 16 frames before the film does; where it
    agrees so far with the header's `rate`, that is the finer measure.
    """
    copied = [*opened, "-map", "0:v:0", "-c", "copy", "-f", "null", "-progress", "pipe:1", "-nostats", "-"]
    told = dict(line.split("=", 1) for line in ffmpeg.run(copied, PROBE_SECONDS).out.splitlines() if "=" in line)
    frames, microseconds = told.get("frame", ""), told.get("out_time_us", "")
    if not frames.isdigit() or int(frames) < 1:
        raise VideoError("there are no frames in it")
    clocked, told_by_rate = int(microseconds) / 1e6 if microseconds.isdigit() else 0.0, int(frames) / rate
    agree = clocked <= 0 or abs(clocked - told_by_rate) <= 16 / rate + 0.1
    return int(frames), told_by_rate if agree else clocked


def _rate(line: str) -> float:
    """Frames a second as the header tells them; a clock's ticks ("1k tbr") are no rate of frames."""
    rates = {name: float(value) for value, thousand, name in _RATE.findall(line) if not thousand}
    rate = rates.get("fps") or rates.get("tbr") or USUAL_RATE
    return rate if 0.01 <= rate <= 1000 else USUAL_RATE


def frames(
    info: VideoInfo,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    start: float = 0.0,
    limit: int | None = None,
    as_float: bool = False,
) -> Iterator[np.ndarray]:
    """The frames, upright, one at a time: `(H, W, 3)` uint8 RGB, or float32 in [0, 1] made from 16 bits a channel.

    Frames cover `size` (width, height), and what stands out is cut off evenly. With `fps` frames are repeated or left
    out so that time runs as it did. `start` is in seconds, `limit` a number of frames. Only one frame is in memory.
    Raises VideoError when not a single frame comes or one takes longer than a minute. Close the iterator, or use it
    to its end, to be rid of ffmpeg.
    """
    width, height = size or (info.width, info.height)
    # First to square pixels, then to the size asked for; sar is 0 in files that do not tell it.
    filters = ["scale=w='max(1,trunc(iw*if(sar,sar,1)+0.5))':h=ih:flags=lanczos+accurate_rnd+full_chroma_int,setsar=1"]
    filters += [f"fps={fps:.6f}"] if fps else []
    filters += [f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=lanczos+accurate_rnd"]
    filters += [f"crop={width}:{height}"]
    skipped = ["-ss", f"{start:.6f}"] if start > 0 else []
    arguments = ["-v", "error", *ffmpeg.source(info.path, info.demuxer, *skipped), "-map", "0:v:0"]
    arguments += ["-vf", ",".join(filters), *(["-frames:v", str(limit)] if limit else [])]
    # Passed through as they are: left to itself, ffmpeg repeats frames where a file's clock begins late.
    arguments += ["-fps_mode", "passthrough", "-pix_fmt", "rgb48le" if as_float else "rgb24", "-f", "rawvideo", "-"]
    process = ffmpeg.start(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    count = 0
    try:
        while data := _read(process, width * height * (6 if as_float else 3)):
            count += 1
            yield _array(data, (height, width, 3), as_float)
        if count == 0:
            raise VideoError("no frame can be decoded")
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def _read(process: Any, size: int) -> bytes:
    """The next `size` bytes, or none at the end. A frame cut off at the end of a damaged file counts as the end."""
    watch = threading.Timer(FRAME_SECONDS, process.kill)
    watch.daemon = True
    watch.start()
    try:
        data = process.stdout.read(size)
    finally:
        watch.cancel()
    return data if len(data) == size else b""


def _array(data: bytes, shape: tuple[int, int, int], as_float: bool) -> np.ndarray:
    import numpy as np

    if as_float:
        return np.frombuffer(data, "<u2").reshape(shape).astype(np.float32) / 65535
    return np.frombuffer(data, np.uint8).reshape(shape)

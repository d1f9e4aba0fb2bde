"""Uploaded videos: each is looked at without decoding more than a frame, then admitted or refused with a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.ffmpeg import VideoError
from common.video_source import TooLargeError, VideoInfo, probe
from safeguards.admit import MAX_RATIO, MAX_SIDE
from safeguards.kinds import VIDEOS, VIDEOS_ALLOWED, video_kind_of, why_no_video
from safeguards.wording import megabytes, refuse

if TYPE_CHECKING:
    from common.settings import Settings

MAX_SECONDS = 600
MIN_SIDE = 8
_HDR = "filmed in HDR: bright colours look paler here"
_SAVE_AGAIN = "Please save or export it again as MP4, or choose another."


@dataclass(frozen=True)
class AdmittedVideo:
    """A video that may be worked on.

    `info` says what it holds and is what `common.video_source.frames` reads it by; `note` says in plain words what is
    particular about it ("" when nothing is), `name` is the own name of the file and `kind` what it is by its content.
    The file itself is left where it is and has to stay there.
    """

    info: VideoInfo
    note: str
    name: str
    kind: str


def admit_video(path: str | Path, settings: Settings) -> AdmittedVideo:
    """Look at an uploaded MP4, MOV, WebM, MKV, AVI or moving GIF.

    The limits are `settings.max_upload_mb` for the file, `settings.max_upload_megapixels` for a frame, MAX_SECONDS for
    the length, and the longest side and ratio of sides of pictures. The length is counted from the file's packets,
    because its header may say anything.
    Raises BadRequest with one sentence that names the file (never its folder), what is wrong, and what is allowed.
    """
    head = _beginning(path, settings)
    kind = video_kind_of(head)
    if kind is None:
        raise refuse(path, why_no_video(head))
    try:
        info = probe(path, VIDEOS[kind], int(settings.max_upload_megapixels * 1e6))
    except TooLargeError as error:
        _check_size(path, error.width, error.height, settings)
        raise refuse(path, f"has frames too large to be decoded. {_SAVE_AGAIN}") from error
    except VideoError as error:
        raise refuse(path, _unreadable(kind, error)) from error
    _check_size(path, info.width, info.height, settings)
    if info.frames < 2:
        raise refuse(path, "has a single frame, so nothing moves in it. Upload it as a picture, or choose a video.")
    if info.seconds > MAX_SECONDS:
        raise refuse(
            path,
            f"lasts {duration(info.seconds)}; at most {duration(MAX_SECONDS)} are allowed. "
            "Please cut out the part you want.",
        )
    return AdmittedVideo(info, _HDR if info.hdr else "", Path(path).name, kind)


def _beginning(path: str | Path, settings: Settings) -> bytes:
    """The first bytes of the file, if it is one and not too large."""
    limit = settings.max_upload_mb * 1e6
    try:
        if not Path(path).is_file():
            raise refuse(path, "is missing or not a file. Choose a video.")
        with open(path, "rb") as file:
            head = file.read(512)
            size = file.seek(0, 2)
    except (OSError, ValueError):
        raise refuse(path, "cannot be read. Choose it again.") from None
    if not head:
        raise refuse(path, f"is empty (0 bytes); {VIDEOS_ALLOWED}. Perhaps it was not copied whole.")
    if size > limit:
        raise refuse(path, f"has {megabytes(size)}; at most {megabytes(limit)} are allowed. Please cut or compress it.")
    return head


def _unreadable(kind: str, error: VideoError) -> str:
    if "no picture track" in str(error):
        return f"has no pictures in it that could be found: it holds only sound, or its header is broken. {_SAVE_AGAIN}"
    if "no frames" in str(error):
        return f"has no frames in it. {_SAVE_AGAIN}"
    return (
        f"looks like {kind} but no frame of it can be decoded: it is damaged, cut off or of a rare sort. {_SAVE_AGAIN}"
    )


def _check_size(path: str | Path, width: int, height: int, settings: Settings) -> None:
    frames = f"has frames of {width:,} x {height:,} pixels"
    limit = settings.max_upload_megapixels
    if width * height > limit * 1e6:
        raise refuse(path, f"{frames}; at most {limit:g} million pixels are allowed. Please scale it down.")
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise refuse(
            path, f"{frames}; {MIN_SIDE} to {MAX_SIDE:,} on a side are allowed. Please scale it or choose another."
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise refuse(path, f"{frames}; the longer side may be at most {MAX_RATIO} times the shorter. Please crop it.")


def duration(seconds: float) -> str:
    """A length of time as people say it: "3 seconds", "2.5 minutes", "4 hours"."""
    for unit, size in (("hour", 3600), ("minute", 60)):
        if seconds >= size:
            number = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{number} {unit}{'s' * (number != '1')}"
    number = f"{seconds:.1f}".removesuffix(".0")
    return f"{number} second{'s' * (number != '1')}"

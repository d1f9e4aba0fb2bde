"""A camera's way over one picture, shown at once: the picture is only warped, nothing is painted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from common.images import to_tensor
from common.video import VideoWriter, finish
from pipelines import limits
from pipelines.vqgan_clip.camera import CameraPath, parse
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.view import FILLS, warp

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

LARGEST = 256  # pixels of the longer side
MAX_FRAMES = 1000


def seen(path: CameraPath, picture: Tensor, frames: int, fill: str = "reflect") -> Iterator[Tensor]:
    """The picture (1, 3, H, W) float in [0, 1] as the camera sees it in each frame, in the same form.

    Each frame is one resampling of the picture itself, however long the way to it.
    """
    height, width = picture.shape[-2:]
    for view in path.views(frames, width, height):
        yield warp(picture, view, fill)


def rehearse(
    picture: Image, camera: str, frames: int, target: Path, fill: str = "reflect", film: FilmSettings | None = None
) -> Path:
    """Write the way of `camera` (see `camera.parse`) over a picture as a small film at `target`; returns `target`.

    Raises BadRequest for a camera path, fill or film that is not allowed, and common.ffmpeg.VideoError.
    """
    film = (film or FilmSettings()).check()
    frames = limits.whole("number of frames", frames, 2, MAX_FRAMES)
    fill = limits.one_of("fill", fill, FILLS, FILLS[0])
    path = parse(camera, frames)
    small = picture.convert("RGB")
    small.thumbnail((LARGEST, LARGEST))
    grown = target.with_name(f"{target.stem}-growing.mp4")
    writer = VideoWriter(grown, film.fps, lossless=film.form != "mp4")
    try:
        for pixels in seen(path, to_tensor(small), frames, fill):
            writer.add(pixels[0].permute(1, 2, 0).numpy())
        finish(writer.close(), target, film.form)
    finally:
        writer.discard()
    return target

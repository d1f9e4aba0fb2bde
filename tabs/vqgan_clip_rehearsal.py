"""The camera's way, shown before anything is painted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError
from common.ffmpeg import VideoError
from pipelines import limits
from pipelines.vqgan_clip import camera
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.rehearsal import MAX_FRAMES, rehearse
from safeguards.admit import admit
from tabs.widgets import served

if TYPE_CHECKING:
    from PIL.Image import Image

    from common.settings import Settings

SIDE, SQUARE = 256, 32


def rehearsed(settings: Settings, rows: Any, frames: Any, fill: str, fps: float, picture: str | None) -> str:
    """A small film of the way in the camera's table over `picture`, or over a board; its served path.

    Raises BadRequest for a table, a picture or a number that is not allowed.
    """
    frames = limits.whole("number of frames", frames, 2, MAX_FRAMES)
    path = camera.from_rows(rows or [], frames).text()
    ground = board() if picture is None else admit(picture, settings).image
    with tempfile.TemporaryDirectory() as folder:
        try:
            film = rehearse(ground, path, frames, Path(folder) / "way.mp4", fill, FilmSettings(fps))
        except VideoError as error:
            raise AtelierError("The camera's way could not be written; the disk may be full.") from error
        return served(film)


def board() -> Image:
    """A board of squares with a cross in its middle, on which every turn shows."""
    from PIL import Image, ImageDraw

    ground = Image.new("RGB", (SIDE, SIDE), "#e9e6dc")
    pen = ImageDraw.Draw(ground)
    for row in range(0, SIDE, SQUARE):
        for column in range(row % (2 * SQUARE), SIDE, 2 * SQUARE):
            pen.rectangle((column, row, column + SQUARE - 1, row + SQUARE - 1), "#b9c8bf")
    middle = SIDE // 2
    pen.line((middle, 24, middle, SIDE - 24), "#1f6657", 4)
    pen.line((24, middle, SIDE - 24, middle), "#1f6657", 4)
    pen.polygon(((middle, 14), (middle - 9, 34), (middle + 9, 34)), "#b4472f")
    return ground

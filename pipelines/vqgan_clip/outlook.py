"""What is asked of a film, and what it will be and cost, told before it is begun."""

from __future__ import annotations

import math
from dataclasses import dataclass

from common.errors import BadRequest
from common.video import FORMATS, MAX_RATE
from pipelines import limits
from safeguards.admit_video import duration
from safeguards.wording import megabytes

MAX_FRAMES = 18_000  # ten minutes at 30 a second
BITS_PER_PIXEL = {"mp4": 1.2, "gif": 5.0, "webp": 1.2}  # of optimised pictures, which change all over in every frame


@dataclass(frozen=True)
class FilmSettings:
    """How a film is shown: frames a second, and "mp4", "gif" or "webp"."""

    fps: float = 12.0
    form: str = "mp4"

    def check(self) -> FilmSettings:
        """The same settings, if they are allowed. Raises BadRequest otherwise."""
        form = limits.one_of("film format", self.form, FORMATS, "mp4")
        return FilmSettings(limits.number(f"frame rate of {form.upper()}", self.fps, 1, MAX_RATE[form]), form)


@dataclass(frozen=True)
class Outlook:
    """What a film will be and cost, told before it is begun.

    `length` is in seconds of film, `bytes` a guess from films like it, `steps` the steps of work, and `seconds` the
    time they will take, None when nobody knows yet how long one takes.
    """

    frames: int
    fps: float
    width: int
    height: int
    form: str
    steps: int
    seconds: float | None = None

    @property
    def length(self) -> float:
        return self.frames / self.fps

    @property
    def bytes(self) -> float:
        return 2000 + self.frames * self.width * self.height * BITS_PER_PIXEL[self.form] / 8

    def sentence(self) -> str:
        """The outlook in words."""
        shape = f"{self.frames:,} frames of {self.width} × {self.height} pixels at {self.fps:g} a second"
        work = f"{self.steps:,} steps" + ("" if self.seconds is None else f", about {duration(round(self.seconds))}")
        size = megabytes(self.bytes)
        size = size if size.startswith("less") else f"about {size}"
        return f"{shape}: {duration(self.length)} of film, {size}; {work}."


def outlook(
    film: FilmSettings, frames: int, size: tuple[int, int], steps: int, seconds_per_step: float | None = None
) -> Outlook:
    """The outlook of a film of so many frames of `size` (width, height) after so many steps of work."""
    seconds = None if seconds_per_step is None else steps * seconds_per_step
    return Outlook(frames, film.fps, *size, film.form, steps, seconds)


def every_nth(steps: int, fps: float, length: float) -> int:
    """Of how many steps one becomes a frame, so that the film of `steps` lasts at most `length` seconds.

    Raises BadRequest when `length` is not a number above 0.
    """
    if not (isinstance(length, (int, float)) and length > 0):
        raise BadRequest(f"The length of the film is {length}; allowed is a number of seconds above 0.")
    return max(1, math.ceil(steps / max(1.0, fps * length)))

"""The path of a camera over the picture, as a table of keyframes: the view of frame k is that of k - 1, moved."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

from common.errors import BadRequest
from pipelines.vqgan_clip.view import STILL, Matrix, Motion, matrix, times
from safeguards.wording import shown

MAX_KEYFRAMES = 200
LIMITS = {"zoom": (0.5, 2.0), "pan_x": (-50.0, 50.0), "pan_y": (-50.0, 50.0), "rotate": (-45.0, 45.0)}
_COLUMNS = "frame: zoom, pan x, pan y, rotate"


@dataclass(frozen=True)
class CameraPath:
    """Keyframes, by rising frame, of how the camera moves; between them the motion changes evenly.

    Made by `parse` or `from_rows`, which check it. Before the first keyframe and after the last the nearest one holds.
    """

    keyframes: tuple[tuple[int, Motion], ...]

    def motion(self, frame: int) -> Motion:
        """The motion from frame - 1 to frame. Zoom changes by equal factors, the others by equal amounts."""
        place = bisect_right([at for at, _ in self.keyframes], frame)
        if place in (0, len(self.keyframes)):
            return self.keyframes[min(place, len(self.keyframes) - 1)][1]
        (before, one), (after, other) = self.keyframes[place - 1 : place + 1]
        part = (frame - before) / (after - before)
        mixed = {each.name: _mix(getattr(one, each.name), getattr(other, each.name), part) for each in fields(Motion)}
        return Motion(**{**mixed, "zoom": one.zoom ** (1 - part) * other.zoom**part})

    def views(self, frames: int, width: int, height: int) -> Iterator[Matrix]:
        """For each frame the matrix (see `matrix`) from its view to that of frame 0, for a preview of the path.

        A picture warped by it is resampled once, however long the way.
        """
        view = matrix(STILL, width, height)
        for frame in range(frames):
            view = times(view, matrix(self.motion(frame), width, height)) if frame else view
            yield view

    def text(self) -> str:
        """The table as `parse` reads it."""
        rows = (
            f"{frame}: " + ", ".join(f"{value:.9g}" for value in astuple(motion)) for frame, motion in self.keyframes
        )
        return "\n".join(rows)


def _mix(one: float, other: float, part: float) -> float:
    return one + (other - one) * part


def parse(text: str, frames: int) -> CameraPath:
    """The path in a text of rows `frame: zoom, pan x, pan y, rotate`, for a film of so many frames.

    Values may be left out from the right; empty rows and those that begin with "#" are passed over; rows may come in
    any order, and ";" parts them as a new line does. Raises BadRequest, in one sentence, for anything else.
    """
    return from_rows(rows_of(text), frames)


def rows_of(text: str) -> list[list[str]]:
    """The cells of such a text, as `from_rows` takes them. Raises BadRequest for a row without a colon."""
    if not isinstance(text, str):
        raise BadRequest(f"The camera path is {shown(text)}; write rows like 0: 1.02, 0, 0, 1 ({_COLUMNS}).")
    rows = []
    for row in re.split(r"[\n;]", text):
        frame, colon, values = row.partition(":")
        if not row.strip() or row.lstrip().startswith("#"):
            continue
        if not colon:
            raise BadRequest(f"The row {shown(row.strip())} of the camera path has no colon; write {_COLUMNS}.")
        rows.append([frame.strip(), *(value.strip() for value in values.split(","))])
    return rows


def from_rows(rows: Iterable[Sequence[Any]], frames: int) -> CameraPath:
    """The path in a table of the columns frame, zoom, pan x, pan y, rotate; numbers, or texts of them.

    Rows without any value are passed over, missing values are those of a camera that stays. Raises BadRequest, in one
    sentence, for values outside LIMITS, a frame named twice, and a path that goes past the end of the film.
    """
    keyframes: dict[int, Motion] = {}
    for row in rows:
        cells = [None if _is_empty(cell) else cell for cell in row]
        if all(cell is None for cell in cells):
            continue
        if len(cells) > 5:
            raise BadRequest(f"A row of the camera path has {len(cells)} values; there are five: {_COLUMNS}.")
        frame = _frame(cells[0], frames)
        if frame in keyframes:
            raise BadRequest(f"The camera path names frame {frame} twice; each frame has one row.")
        keyframes[frame] = _motion(cells[1:], frame)
        if len(keyframes) > MAX_KEYFRAMES:
            raise BadRequest(f"The camera path has more than {MAX_KEYFRAMES} rows, the most that are allowed.")
    return CameraPath(tuple(sorted(keyframes.items())) or ((0, STILL),))


def _is_empty(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)) or not str(cell).strip()


def _frame(cell: Any, frames: int) -> int:
    number = _number(cell)
    if number is None or number != int(number) or number < 0:
        raise BadRequest(f"A row of the camera path begins with {shown(cell)}; allowed is a frame's number, from 0 on.")
    if number >= frames:
        raise BadRequest(
            f"The camera path goes on to frame {int(number)}, but the film has {frames} frames, 0 to {frames - 1}; "
            "make the film longer or end the path earlier."
        )
    return int(number)


def _motion(cells: Sequence[Any], frame: int) -> Motion:
    values = {}
    for (name, (least, most)), cell in zip(LIMITS.items(), cells, strict=False):
        if cell is None:
            continue
        number = _number(cell)
        if number is None or not least <= number <= most:
            raise BadRequest(
                f"{name.replace('_', ' ').capitalize()} at frame {frame} of the camera path is {shown(cell)}; "
                f"allowed is a number from {least:g} to {most:g}."
            )
        values[name] = number
    return Motion(**values)


def _number(cell: Any) -> float | None:
    """A finite number from a cell that holds one or its digits; None for anything else."""
    if isinstance(cell, bool) or not isinstance(cell, (int, float, str)):
        return None
    try:
        number = float(str(cell)[:40])
    except ValueError:
        return None
    return number if math.isfinite(number) else None

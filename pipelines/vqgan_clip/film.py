"""Films: how one grows while a run goes on, and what comes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.ffmpeg import VideoError
from common.images import to_pil
from common.video import VideoWriter
from pipelines.ranking import recipe_table
from pipelines.services import Services
from pipelines.steps import Result
from pipelines.vqgan_clip.outlook import FilmSettings
from pipelines.vqgan_clip.plain import to_plain
from pipelines.vqgan_clip.request import VqganClipRequest
from safeguards import quota
from safeguards.recipe import Recipe
from safeguards.release import not_saved, release, release_video, safety_note

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from common.video import Sound
    from pipelines.vqgan_clip.planner import Footprint

TASK = "vqgan_clip"
SECONDS_PER_GLANCE = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmResult(Result):
    """A film: its `path` (None when it was stopped before its first frame), and how many `frames` at what `fps`.

    `picture` is its last frame as a PNG, from which a run can go on; `measures` what was measured, by name;
    `checkpoints`, `log`, `curves`, `at`, `pace` and `footprint` as in `run.VqganClipResult`; `notes` sentences.
    """

    path: Path | None
    frames: int
    fps: float
    picture: Path | None = None
    measures: dict[str, float] = field(default_factory=dict)
    checkpoints: dict[int, Path] = field(default_factory=dict)
    log: tuple[dict[str, Any], ...] = ()
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    at: list[int] = field(default_factory=list)
    pace: float = 0.0
    footprint: Footprint | None = None
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> float:
        """Seconds of film."""
        return self.frames / self.fps


class Film:
    """A film that grows in the output folder, playable at every moment, until `finish` gives it its last form."""

    def __init__(self, settings: FilmSettings, services: Services, seed: int | None = None) -> None:
        folder = services.settings.output / TASK
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise not_saved("film", error) from error
        self.settings, self.services = settings, services
        path = quota.output_path(folder, ".mp4", seed)
        self.writer = VideoWriter(path, settings.fps, lossless=settings.form != "mp4")

    @property
    def frames(self) -> int:
        """How many there are so far."""
        return self.writer.frames

    def add(self, pixels: Tensor, times: int = 1) -> None:
        """Append canvases (B, 3, H, W) float in [0, 1] as one frame, several beside and below each other.

        Raises AtelierError when the disk takes no more.
        """
        frame = tiled(pixels.detach().float()).permute(1, 2, 0).cpu().numpy()
        try:
            for _ in range(times):
                self.writer.add(frame)
        except VideoError as error:
            raise not_saved("film", error) from error

    def finish(self, recipe: Recipe, device: str | None = None, sound: Sound | None = None) -> tuple[Path | None, str]:
        """Close the film and release it: its path and a sentence about its sound, (None, "") without any frame.

        Raises what `safeguards.release.release_video` raises.
        """
        if not self.frames:
            return None, ""
        try:
            film = self.writer.close()
        except VideoError as error:
            raise not_saved("film", error) from error
        return release_video(
            film, recipe, self.settings.form, self.services.settings, self.services.pool, device, sound
        )

    def close(self) -> None:
        """Leave the film as it is: it plays up to here. One without frames is deleted."""
        if not self.frames:
            self.writer.discard()
            return
        try:
            self.writer.close()
        except VideoError:  # what ended the run counts, not what became of its film
            return


def film_recipe(
    mode: str, image: VqganClipRequest, film: dict[str, Any], services: Services, parents: Sequence[str] = ()
) -> Recipe:
    """The recipe of a film: the settings of `image`, and as "film" a table of its `mode` and what `film` says."""
    settings = {name: value for name, value in to_plain(image).items() if name != "seed"}
    revision = services.catalog.get(image.model).revision or ""
    settings["film"] = {"mode": mode, **film}
    return Recipe(TASK, image.model, revision, settings, image.seed, parents=tuple(parents))


def film_table(request: Any) -> dict[str, Any]:
    """What the request of a film says beside the image's settings and the pictures and videos it starts from."""
    table = {each.name: getattr(request, each.name) for each in fields(request)}
    left_out = ("image", "video", "pictures", "film")
    return {**{name: value for name, value in table.items() if name not in left_out}, **asdict(request.film)}


@contextmanager
def growing(film: Film) -> Iterator[Film]:
    """Around the loop that makes a film: what becomes of it when the loop does not come to its end.

    A run that fails, or is closed because its owner or the app went away, leaves its film, playable up to there.
    """
    try:
        yield film
    except BaseException:
        film.close()
        raise


def released(
    film: Film, last: Tensor | None, recipe: Recipe, device: str | None = None, sound: Sound | None = None
) -> dict[str, Any]:
    """Release a finished film, and its last canvases (B, 3, H, W) as a PNG; the fields of `FilmResult` about them."""
    services = film.services
    path, about_sound = film.finish(recipe, device, sound)
    pictures = to_pil(tiled(last)[None]) if last is not None else []
    folder = services.settings.output / TASK
    saved = release(pictures, [recipe] * len(pictures), folder, services.settings, services.pool, device)
    notes = (about_sound, safety_note(recipe, services.catalog))
    return {
        "path": path,
        "frames": film.frames,
        "fps": film.settings.fps,
        "picture": saved[0] if saved else None,
        "model": services.catalog.get(recipe.model).title,
        "recipe": recipe_table(recipe),
        "notes": tuple(note for note in notes if note),
    }


def tiled(pixels: Tensor) -> Tensor:
    """Canvases (B, 3, H, W) in reading order as one picture (3, rows * H, columns * W), what is left over black."""
    import torch.nn.functional as F

    count, channels, height, width = pixels.shape
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    padded = F.pad(pixels, (0, 0, 0, 0, 0, 0, 0, rows * columns - count))
    grid = padded.view(rows, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    return grid.reshape(channels, rows * height, columns * width)


class Glances:
    """Previews at most every quarter of a second: making and sending more would cost the run its time."""

    def __init__(self) -> None:
        self._due = 0.0

    def at(self, pixels: Tensor) -> tuple[Image, ...]:
        """The canvases (B, 3, H, W) as pictures, or nothing when the last glance was just now."""
        now = time.monotonic()
        if now < self._due:
            return ()
        self._due = now + SECONDS_PER_GLANCE
        return tuple(to_pil(pixels))

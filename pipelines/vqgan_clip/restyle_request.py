"""What is asked of a restyled video, and the checks that it can be done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import BadRequest
from common.video_source import VideoInfo
from models.spec import Range
from pipelines import limits
from pipelines.vqgan_clip.conduct import one_canvas
from pipelines.vqgan_clip.outlook import MAX_FRAMES, FilmSettings, Outlook, outlook
from pipelines.vqgan_clip.request import MAX_STEPS, VqganClipRequest
from safeguards.admit_video import MAX_SECONDS, admit_video
from safeguards.wording import refuse

if TYPE_CHECKING:
    from models.catalog import Catalog
    from models.spec import ModelSpec


@dataclass(frozen=True)
class RestyleRequest:
    """What is asked for.

    `image` says what is painted, with which models and how; the video is its start, and its `steps` are overridden.
    Without width and height the canvas has the video's shape and the model's usual area. `video` is the path of an
    upload, of which `seconds` (None: all) from `start` on are taken. The first frame of each scene gets `first_steps`,
    each later one `steps_per_frame`. `pull` is the weight of the pull towards the source, `follow` in [0, 1] how much
    of the latent is replaced by that of the new frame before it is painted. `window` (odd) frames are smoothed, a
    neighbour weighing 1 - `fall`. `cut` is the mean change of a pixel from which on a new scene may begin, 0 for never.
    """

    image: VqganClipRequest
    video: str | Path = ""
    start: float = 0.0
    seconds: float | None = None
    first_steps: int = 60
    steps_per_frame: int = 15
    pull: float = 1.0
    follow: float = 0.3
    window: int = 3
    fall: float = 0.5
    cut: float = 0.12
    sound: bool = True
    film: FilmSettings = field(default_factory=FilmSettings)

    def resolve(self, catalog: Catalog) -> RestyleRequest:
        """The same request with every default filled in; looks at the video without decoding it.

        Raises what `admit_video` and `VqganClipRequest.resolve` raise.
        """
        video = admit_video(self.video, catalog.settings)
        start = limits.number("start", self.start, 0, MAX_SECONDS)
        if start >= video.info.seconds:
            raise refuse(video.name, f"lasts {video.info.seconds:.1f} seconds; the start is {start:g}, after its end.")
        seconds = self.seconds if self.seconds is None else limits.number("seconds", self.seconds, 0.01, MAX_SECONDS)
        request = replace(
            self,
            start=start,
            seconds=min(seconds or math.inf, video.info.seconds - start),
            first_steps=limits.whole("number of first steps", self.first_steps, 1, MAX_STEPS),
            steps_per_frame=limits.whole("number of steps per frame", self.steps_per_frame, 1, 1000),
            pull=limits.number("pull", self.pull, 0, 100),
            follow=limits.number("follow", self.follow, 0, 1),
            window=limits.whole("smoothing window", self.window, 1, 15, step=2),
            fall=limits.number("fall", self.fall, 0, 1),
            cut=limits.number("cut", self.cut, 0, 1),
            sound=limits.flag("sound", self.sound),
            film=self.film.check(),
        )
        limits.whole("number of frames", request.frames, 1, MAX_FRAMES)
        steps = limits.whole("number of steps of the whole film", request.steps, 1, MAX_STEPS)
        if self.image.freeze is not None:
            raise BadRequest("A freeze mask cannot be used here, because every frame of a video is its own start.")
        spec = limits.model(catalog, "vqgan", one_canvas(self.image).model)
        begin = {"start": "noise", "start_image": None, "checkpoint": None, "steps": steps}
        begin |= {"start_weight": request.pull, "start_decay": 0.0}  # where it can be steered
        shaped = replace(self.image, **_shape(self.image, video.info, spec), **begin)
        return replace(request, image=shaped.resolve(catalog))

    @property
    def frames(self) -> int:
        """Frames of the film of a resolved request, as far as the video's length tells."""
        return max(1, round(self.seconds * self.film.fps))

    @property
    def steps(self) -> int:
        """Steps of the optimisation over the whole film, if there is no cut in it."""
        return self.first_steps + (self.frames - 1) * self.steps_per_frame

    def outlook(self, seconds_per_step: float | None = None) -> Outlook:
        """What the film of a resolved request will be and take; every cut in the video makes it longer."""
        size = self.image.width, self.image.height
        return outlook(self.film, self.frames, size, self.steps, seconds_per_step)


def _shape(image: VqganClipRequest, info: VideoInfo, spec: ModelSpec) -> dict[str, int | None]:
    """Width and height of the canvas: as asked for, and what was left open in the shape of the video."""
    wide, high = spec.controls.get("width"), spec.controls.get("height")
    if not (isinstance(wide, Range) and isinstance(high, Range)) or not (image.width is None or image.height is None):
        return {}
    aspect = info.width / info.height
    width, height = image.width, image.height
    if width is None:
        width = _nearest(wide, math.sqrt(wide.default * high.default * aspect) if height is None else height * aspect)
    return {"width": width, "height": _nearest(high, width / aspect) if height is None else height}


def _nearest(allowed: Range, value: float) -> int:
    steps = round((value - allowed.minimum) / allowed.step)
    return int(min(max(allowed.minimum + steps * allowed.step, allowed.minimum), allowed.maximum))

"""An uploaded video painted anew: every frame is pulled towards its source while words say what it should be.

After `style_transfer` of rkhamilton/vqgan-clip-generator: the latent and the state of the optimiser are carried from
frame to frame, so that each begins where the last one ended, and the latents are smoothed over time before they are
decoded.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.ffmpeg import VideoError
from common.video import Sound
from common.video_source import frames
from pipelines.services import Services
from pipelines.steps import Run
from pipelines.vqgan_clip.conduct import Conductor
from pipelines.vqgan_clip.film import Film, FilmResult, film_table, growing, released
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.restyle_request import RestyleRequest
from pipelines.vqgan_clip.scenes import Change, CutDetector
from pipelines.vqgan_clip.smoothing import Smoother
from safeguards.admit_video import AdmittedVideo, admit_video
from safeguards.wording import refuse

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.vqgan_clip.optimisation import Optimisation

MODE = "restyle"


def run(request: RestyleRequest, services: Services, device: str | None = None) -> Run:
    """Restyle; yields a `Step` after each step of the optimisation and a `FilmResult` at the end.

    Takes the commands that a run of one picture takes. On `Stop` the film ends with the frames there are. The result's
    `measures` are the mean change of a pixel from frame to frame in the film ("change") and in its source
    ("source_change"), both without cuts, and the number of "scenes". Raises what `resolve`, the safeguards and the
    pool raise.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    video, film = admit_video(request.video, services.settings), Film(request.film, services, request.image.seed)
    with opened(request.image, services, device) as canvas, growing(film):
        conductor, scenes = Conductor(canvas, request.steps, request.frames, services), CutDetector(request.cut)
        painted, given = _Painted(film, canvas, Smoother(request.window, request.fall)), Change()
        with closing(_source(video, request, canvas.z.device)) as source:
            for number, pixels in enumerate(source):
                cut = scenes.is_cut(pixels)
                given.see(pixels, cut)
                steps = _begin(conductor, painted, pixels, request, new=cut or number == 0)
                whole = yield from conductor.frame(number + 1, steps)
                if number and not whole:
                    break
                painted.add()
                if conductor.stopped:
                    break
        painted.end_scene()
        recipe = conductor.recipe(MODE, film_table(request), (_fingerprint(video.info.path),))
        sound = Sound(video.info, film.writer.seconds, request.start) if request.sound else None
        made = conductor.told(released(film, painted.last, recipe, device, sound))
    made["measures"] = {"change": painted.change.mean, "source_change": given.mean, "scenes": float(painted.scenes)}
    made["notes"] += tuple(note for note in (video.note, _unheard(video, request)) if note)
    yield FilmResult(seconds=time.monotonic() - began, **made)


class _Painted:
    """The latents of painted frames on their way into the film: smoothed over a scene, decoded, measured."""

    def __init__(self, film: Film, canvas: Optimisation, smoother: Smoother) -> None:
        self._film, self._canvas, self._smoother = film, canvas, smoother
        self.change, self.last, self.scenes = Change(), None, 0
        self._first = True  # of its scene is the next frame to come out

    def add(self) -> None:
        """Take the latent of the frame that the canvas shows now."""
        canvas = self._canvas
        z = canvas.average if canvas.request.ema else canvas.z
        self._finish(self._smoother.add(z.detach().clone()))

    def end_scene(self) -> None:
        """Bring out what still waits for later neighbours: nothing is smoothed across a cut."""
        self._finish(self._smoother.flush())
        self._first = True

    def _finish(self, latents: Iterator[Tensor]) -> None:
        import torch

        for z in latents:
            with torch.no_grad():
                self.last = self._canvas.gradient.decode(z)
            self.change.see(self.last, cut=self._first)
            self.scenes += self._first
            self._first = False
            self._film.add(self.last)


def _begin(conductor: Conductor, painted: _Painted, pixels: Tensor, request: RestyleRequest, new: bool) -> int:
    """Turn the canvas to the next frame of the source, of a `new` scene or not; returns the steps it gets."""
    canvas = conductor.canvas
    canvas.pull(pixels, canvas.request.start_weight)
    if not new:
        if request.follow:  # else nothing is encoded for nothing, and the average goes on
            canvas.show(pixels, keep=1 - request.follow)
        return request.steps_per_frame
    painted.end_scene()
    canvas.show(pixels)
    if canvas.step_number:
        canvas.restart()
        conductor.progress.total += request.first_steps - request.steps_per_frame
    return request.first_steps


def _source(video: AdmittedVideo, request: RestyleRequest, device: Any) -> Iterator[Tensor]:
    """The video's frames on the canvas, (1, 3, H, W) float32 in [0, 1]; not one is rounded to 8 bits again."""
    import torch

    size = request.image.width, request.image.height
    part = {"fps": request.film.fps, "start": request.start, "limit": request.frames}
    try:
        for frame in frames(video.info, size, as_float=True, **part):
            yield torch.from_numpy(frame).permute(2, 0, 1)[None].contiguous().to(device)
    except VideoError as error:
        raise refuse(video.name, "can no longer be read. Please upload it again.") from error


def _fingerprint(path: Path) -> str:
    """32 hex digits that depend on the file's contents alone; its name may be nobody's business."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _unheard(video: AdmittedVideo, request: RestyleRequest) -> str:
    silent = request.sound and video.info.audio and request.film.form != "mp4"
    return f"A {request.film.form.upper()} has no sound; choose mp4 to keep that of the video." if silent else ""

"""Drafts to start from: what text → image makes of the prompts, quickly, for VQGAN+CLIP to paint over.

From noise, a small CLIP finds the colours of a thing long before its shape; from a draft the shape is there.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from common.errors import OutOfMemory
from common.images import to_pil, to_tensor
from models.devices import free_memory, is_out_of_memory
from pipelines import text_to_image
from pipelines.services import Services
from pipelines.steps import Command, Step, Stop
from pipelines.text_to_image_request import TextToImageRequest
from pipelines.vqgan_clip import prompts as grammar
from pipelines.vqgan_clip import starts
from pipelines.vqgan_clip.request import VqganClipRequest

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

CANDIDATES = 4  # of which the first CLIP chooses one; fewer where memory is short
LATER = "changes can be made when the drafts are there"


@dataclass(frozen=True, eq=False)
class Drafts:
    """`pictures` (B, 3, H, W) float32 in [0, 1], one for each canvas; None for a run that starts otherwise.

    `stopped`: somebody said Stop before they were finished.
    """

    pictures: Tensor | None = None
    stopped: bool = False


def drafting(
    request: VqganClipRequest, services: Services, device: str | None = None
) -> Generator[Step, Command | None, Drafts]:
    """Make the drafts of a resolved request, if it starts from drafts; yields a `Step` of number 0 at each of theirs.

    Those of canvas k follow from its own seed, so it begins alike alone and among others. On `Stop` the drafts are
    taken as they are, and canvases without one get the last. Raises what text → image raises.
    """
    import torch

    if request.start != "draft":
        return Drafts()
    assert request.width and request.height and request.seed is not None
    wanted, unwanted = grammar.wanted(request.prompts)
    asked = TextToImageRequest(wanted, unwanted, request.draft_model, CANDIDATES, ranker=request.clips[0])
    found: list[Image] = []
    stopped = False
    for k in range(request.runs):
        if not stopped:
            own = torch.randint(2**32, (), generator=starts.generator(request.seed + k, "draft")).item()
            note = f"draft {k + 1} of {request.runs}" if request.runs > 1 else "draft"
            one = replace(asked, seed=int(own)).resolve(services.catalog)
            picture, stopped = yield from _best(one, request.steps, note, services, device)
        found.append(_on_canvas(picture, (request.width, request.height)))
    return Drafts(to_tensor(found), stopped)


def drafted(request: VqganClipRequest, services: Services, device: str | None = None) -> Drafts:
    """The same without a word on the way."""
    steps = drafting(request, services, device)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def _best(
    asked: TextToImageRequest, total: int, note: str, services: Services, device: str | None
) -> Generator[Step, Command | None, tuple[Image, bool]]:
    """The candidate that the ranker likes best, and whether somebody said Stop."""
    try:
        pictures, stopped = yield from _candidates(asked, total, note, services, device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or asked.candidates == 1:
            raise
        pictures = None  # outside, where the error no longer holds the tensors
    if pictures is None:
        free_memory(device or services.pool.devices[0])
        pictures, stopped = yield from _candidates(replace(asked, candidates=1), total, note, services, device)
    if len(pictures) == 1:
        return pictures[0], stopped
    try:
        scores = services.scorer.scores(asked.ranker, pictures, asked.prompt, device).cosine
    except OutOfMemory:  # of the ranker beside the model
        return pictures[0], stopped
    return pictures[max(range(len(pictures)), key=scores.__getitem__)], stopped


def _candidates(
    asked: TextToImageRequest, total: int, note: str, services: Services, device: str | None
) -> Generator[Step, Command | None, tuple[list[Image], bool]]:
    stopped, hint = False, ""
    with services.pool.use(asked.model, device) as model:
        sampling = text_to_image.start(model, asked)
        while not stopped and sampling.done < sampling.total:
            sampling.step()
            said = f"{note}, step {sampling.done} of {sampling.total}" + hint
            command = yield Step(0, total, said, tuple(to_pil(sampling.predicted())))
            stopped = isinstance(command, Stop)
            hint = f"; {LATER}" if command is not None else hint
        return to_pil(sampling.predicted()), stopped


def _on_canvas(picture: Image, size: tuple[int, int]) -> Image:
    """All of the picture on a canvas of `size` (width, height), with the colour of its corners on the sides."""
    from PIL import Image, ImageOps, ImageStat

    corners = [picture.getpixel((x, y)) for x in (0, picture.width - 1) for y in (0, picture.height - 1)]
    strip = Image.new("RGB", (len(corners), 1))
    strip.putdata(corners)
    ground = tuple(round(value) for value in ImageStat.Stat(strip).median)
    return ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=ground)

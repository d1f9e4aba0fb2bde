"""Drafts to start from: what text → image makes of the prompts, quickly, for VQGAN+CLIP to paint over.

From noise, a small CLIP finds the colours of a thing long before its shape; from a draft the shape is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from common.images import to_pil, to_tensor
from pipelines import text_to_image
from pipelines.services import Services
from pipelines.text_to_image_request import TextToImageRequest
from pipelines.vqgan_clip import prompts as grammar
from pipelines.vqgan_clip import starts
from pipelines.vqgan_clip.request import VqganClipRequest

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

CANDIDATES = 4  # of which the first CLIP chooses one


def drafted(request: VqganClipRequest, services: Services, device: str | None = None) -> Tensor:
    """A draft for each canvas of a resolved request that starts from drafts, (B, 3, H, W) float32 in [0, 1].

    Those of canvas k follow from its own seed, so it begins alike alone and among others. Raises what text → image
    raises.
    """
    import torch

    assert request.width and request.height and request.seed is not None
    wanted, unwanted = grammar.wanted(request.prompts)
    asked = TextToImageRequest(wanted, unwanted, request.draft_model, CANDIDATES, ranker=request.clips[0])
    found = []
    for seed in range(request.seed, request.seed + request.runs):
        own = torch.randint(2**32, (), generator=starts.generator(seed, "draft")).item()
        picture = _best(replace(asked, seed=int(own)), services, device)
        found.append(_on_canvas(picture, (request.width, request.height)))
    return to_tensor(found)


def _best(asked: TextToImageRequest, services: Services, device: str | None) -> Image:
    asked = asked.resolve(services.catalog)
    with services.pool.use(asked.model, device) as model:
        sampling = text_to_image.start(model, asked)
        while sampling.done < sampling.total:
            sampling.step()
        pictures: Sequence[Image] = to_pil(sampling.predicted())
    scores = services.scorer.scores(asked.ranker, pictures, asked.prompt, device).cosine
    return pictures[max(range(len(pictures)), key=scores.__getitem__)]


def _on_canvas(picture: Image, size: tuple[int, int]) -> Image:
    """All of the picture on a canvas of `size` (width, height), with the colour of its corners on the sides."""
    from PIL import Image, ImageOps, ImageStat

    corners = [picture.getpixel((x, y)) for x in (0, picture.width - 1) for y in (0, picture.height - 1)]
    strip = Image.new("RGB", (len(corners), 1))
    strip.putdata(corners)
    ground = tuple(round(value) for value in ImageStat.Stat(strip).median)
    return ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=ground)

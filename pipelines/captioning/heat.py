"""Where in a picture a captioner saw a word: a heat map to lay over it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from models.families.caption_contract import Caption
from pipelines import limits
from pipelines.services import Services
from pipelines.steps import Result, Run, Step
from safeguards.admit import admit
from safeguards.wording import shown

if TYPE_CHECKING:
    from PIL import Image

    from models.catalog import Catalog

OPACITY = 0.75  # of the hottest place
LARGEST = 1024  # pixels of the overlay's longer side
# Colours from cold to hot in Oklab (lightness, green to red, blue to yellow). Lightness climbs evenly, so that twice
# the step looks like twice the heat, in print and to colour-blind eyes as well; the hue turns from violet to yellow.
_STOPS = np.array(
    [
        (0.20, 0.04, -0.11),
        (0.36, 0.12, -0.10),
        (0.52, 0.17, 0.00),
        (0.68, 0.13, 0.10),
        (0.84, 0.03, 0.15),
        (0.97, -0.02, 0.06),
    ]
)
_TO_CONES = np.array(
    [
        (1, 0.3963377774, 0.2158037573),
        (1, -0.1055613458, -0.0638541728),
        (1, -0.0894841775, -1.2914855480),
    ]
)
_TO_LINEAR = np.array(
    [
        (4.0767416621, -3.3077115913, 0.2309699292),
        (-1.2684380046, 2.6097574011, -0.3413193965),
        (-0.0041960863, -0.7034186147, 1.7076147010),
    ]
)


@dataclass(frozen=True)
class HeatRequest:
    """A picture, a caption that `captioner` (a name of the catalog) made of it, and the place of a word from 0."""

    path: str | Path
    captioner: str
    caption: Caption
    word: int

    def resolve(self, catalog: Catalog) -> HeatRequest:
        """The same request, checked. Raises BadRequest and ModelUnavailable as other requests do."""
        if not isinstance(self.caption, Caption) or not self.caption.words:
            raise BadRequest(f"The caption is {shown(self.caption)}; it must be one with words that a captioner made.")
        last = len(self.caption.words) - 1
        word = limits.whole("place of the word", self.word, 0, last)
        return replace(self, captioner=limits.model(catalog, "captioner", self.captioner).name, word=word)


@dataclass(frozen=True, kw_only=True, eq=False)
class HeatResult(Result):
    """`overlay` is RGBA, clear where it is cold; `picture` is RGB, the picture with it laid over, of the same size.

    `heat` are the values themselves, (h, w) float32 in [0, 1]; `word` is the word they are about.
    """

    word: str
    overlay: Image.Image
    picture: Image.Image
    heat: np.ndarray


def run(request: HeatRequest, services: Services, device: str | None = None) -> Run:
    """Ask the captioner which parts of the picture speak for the word; yields one `Step` and the `HeatResult`.

    Raises what `resolve` and the model pool raise, and BadRequest for a file that is no picture and for a captioner
    that cannot tell.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    spec = services.catalog.get(request.captioner)
    picture = admit(request.path, services.settings).image
    yield Step(0, 1, f"asking {spec.title}")
    with services.pool.use(request.captioner, device) as model:
        found = model.heat(picture, request.caption, request.word)
    if found is None:
        raise BadRequest(f"{spec.title} cannot tell where it saw a word. Choose another captioner.")
    heat = found.detach().float().cpu().numpy()  # (h, w)
    over = overlay(heat, picture.size)
    yield HeatResult(
        seconds=time.monotonic() - began,
        model=spec.title,
        word=request.caption.words[request.word],
        overlay=over,
        picture=laid_over(picture, over),
        heat=heat,
    )


def overlay(heat: np.ndarray, size: tuple[int, int], opacity: float = OPACITY) -> Image.Image:
    """Values (h, w) in [0, 1] over a whole picture of `size` (width, height) -> RGBA, at most 1,024 pixels a side.

    Opacity grows with the heat up to `opacity`, so that cold places show the picture.
    """
    from PIL import Image

    scale = min(1.0, LARGEST / max(size))
    small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    values = np.nan_to_num(np.asarray(heat, dtype=np.float32))
    smooth = np.asarray(Image.fromarray(values).resize(small, Image.Resampling.BICUBIC)).clip(0, 1)  # (H, W)
    levels = np.rint(smooth * 255).astype(np.uint8)
    alpha = np.rint(255 * opacity * np.sqrt(smooth)).astype(np.uint8)  # a root: alpha is seen less where it is little
    return Image.fromarray(np.dstack([colours()[levels], alpha]))


def laid_over(picture: Image.Image, over: Image.Image) -> Image.Image:
    """The picture in the size of the overlay, with it on top: RGB."""
    from PIL import Image

    ground = picture.convert("RGB").resize(over.size, Image.Resampling.LANCZOS).convert("RGBA")
    return Image.alpha_composite(ground, over).convert("RGB")


def colours() -> np.ndarray:
    """The 256 colours from cold to hot, (256, 3) uint8 sRGB."""
    places = np.linspace(0, len(_STOPS) - 1, 256)
    lab = np.stack([np.interp(places, range(len(_STOPS)), channel) for channel in _STOPS.T], -1)
    return np.rint(255 * _to_srgb(lab)).astype(np.uint8)


def _to_srgb(lab: np.ndarray) -> np.ndarray:
    """Oklab (N, 3) -> sRGB (N, 3) in [0, 1], clipped (Ottosson 2020, "A perceptual color space")."""
    linear = ((lab @ _TO_CONES.T) ** 3 @ _TO_LINEAR.T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)

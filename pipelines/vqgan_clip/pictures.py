"""The pictures and masks of a request, admitted and brought to the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from common.images import content_hash
from pipelines.vqgan_clip.request import Source, VqganClipRequest
from safeguards.admit import admit

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from common.settings import Settings

LARGEST_PROMPT = 512  # pixels of the longer side of an image prompt; no CLIP sees more than that at once


@dataclass(frozen=True, eq=False)
class Pictures:
    """Tensors of uint8, which a checkpoint keeps exactly: `start` (3, H, W), `freeze` and each of `regions` (H, W)
    where 255 is inside, each of `prompts` (3, h, w). `parents` are hashes of the pictures, `notes` sentences.
    """

    start: Tensor | None = None
    freeze: Tensor | None = None
    regions: tuple[Tensor, ...] = ()
    prompts: tuple[Tensor, ...] = ()
    parents: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def admitted(request: VqganClipRequest, settings: Settings, held: Pictures | None = None) -> Pictures:
    """All pictures of a resolved request. Where it names "" the one of the same place is taken from `held`.

    Raises BadRequest for a file that is no picture, a mask that fits neither the canvas nor the start picture or in
    which nothing is painted, and "" without one held.
    """
    return _Admission(request, settings, held or Pictures()).all()


def fractions(picture: Tensor, device: Any = "cpu") -> Tensor:
    """uint8 -> float32 in [0, 1] on `device`."""
    return picture.to(device).float() / 255


class _Admission:
    def __init__(self, request: VqganClipRequest, settings: Settings, held: Pictures) -> None:
        assert request.width and request.height
        self._request, self._settings, self._held = request, settings, held
        self._size = (request.width, request.height)
        self._notes: list[str] = []
        self._parents: list[str] = []

    def all(self) -> Pictures:
        request, held = self._request, self._held
        start, size = self._start()
        freeze = request.freeze
        return Pictures(
            start=start,
            freeze=None if freeze is None else self._mask(freeze, "freeze mask", size, held.freeze),
            regions=tuple(
                self._mask(region.mask, f"mask of region {k + 1}", size, _at(held.regions, k))
                for k, region in enumerate(request.regions)
            ),
            prompts=tuple(
                self._prompt(prompt.picture, k, _at(held.prompts, k)) for k, prompt in enumerate(request.image_prompts)
            ),
            parents=tuple(self._parents),
            notes=tuple(self._notes),
        )

    def _start(self) -> tuple[Tensor | None, tuple[int, int]]:
        """The start picture on the canvas, and the size it had before."""
        from PIL import Image, ImageOps

        source = self._request.start_image
        if source is None:
            return self._held.start if self._request.start == "checkpoint" else None, self._size
        if _is_held(source):
            return _needed(self._held.start, "start picture"), self._size
        image = self._open(source)
        return _bytes(ImageOps.fit(image, self._size, Image.Resampling.LANCZOS)), image.size

    def _mask(self, source: Source, name: str, size: tuple[int, int], held: Tensor | None) -> Tensor:
        """A mask on the canvas; `size` is that of the start picture, over which it may have been painted."""
        from PIL import Image, ImageOps

        if _is_held(source):
            return _needed(held, name)
        image = _lightness(source if not isinstance(source, str | Path) else self._open(source, parent=False))
        if image.size not in (size, self._size):
            start = "" if size == self._size else f", or {size[0]} × {size[1]} like the start picture"
            shape = f"{image.width} × {image.height} pixels; it must have {self._size[0]} × {self._size[1]}"
            raise BadRequest(f"The {name} has {shape} like the canvas{start}.")
        if image.getextrema()[1] < 128:
            raise BadRequest(f"In the {name} nothing is painted. Make the part that it is about white.")
        return _bytes(ImageOps.fit(image, self._size, Image.Resampling.BILINEAR))[0]

    def _prompt(self, source: Source, place: int, held: Tensor | None) -> Tensor:
        if _is_held(source):
            return _needed(held, f"image prompt {place + 1}")
        image = self._open(source).copy()
        image.thumbnail((LARGEST_PROMPT, LARGEST_PROMPT))
        return _bytes(image)

    def _open(self, source: Source, parent: bool = True) -> Image:
        if isinstance(source, str | Path):
            admission = admit(source, self._settings)
            image = admission.image
            self._notes += [f"{admission.name}: {admission.note}."] if admission.note else []
        else:
            image = source.convert("RGB")
        if parent:
            self._parents.append(content_hash(image))
        return image


def _lightness(image: Image) -> Image:
    """What a mask says: the opacity of a painted layer, else the lightness of the picture."""
    has_alpha = image.mode in ("RGBA", "LA") and image.getchannel("A").getextrema()[0] < 255
    return image.getchannel("A") if has_alpha else image.convert("L")


def _bytes(image: Image) -> Tensor:
    """(C, H, W) uint8."""
    import numpy as np
    import torch

    pixels = np.array(image)
    return torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None]).permute(2, 0, 1).contiguous()


def _is_held(source: Any) -> bool:
    return isinstance(source, str) and source == ""


def _at(row: Sequence[Tensor], place: int) -> Tensor | None:
    return row[place] if place < len(row) else None


def _needed(held: Tensor | None, name: str) -> Tensor:
    if held is None:
        raise BadRequest(
            f"The {name} is missing: it was part of the run that these settings are from. Choose it again."
        )
    return held

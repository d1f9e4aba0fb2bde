"""What a film goes between: pictures, and checkpoints of runs with their latents just as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from common.errors import BadRequest
from common.images import to_tensor
from pipelines.services import Services
from pipelines.vqgan_clip import checkpoint
from pipelines.vqgan_clip.checkpoint import Saved
from safeguards.admit import admit
from safeguards.wording import refuse

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

End: TypeAlias = "Image | Saved"


def admitted(
    sources: Sequence[str | Path | Image], model: str, size: tuple[int, int], services: Services
) -> tuple[list[End], list[str]]:
    """The pictures at `size` (width, height), covering it and cut evenly, and what was changed when they were read.

    Checkpoints stay what they are. Raises BadRequest for a file that is neither, and a checkpoint of another `model`
    or size.
    """
    from PIL import Image, ImageOps

    ends: list[End] = []
    notes = []
    for source in sources:
        if isinstance(source, Image.Image):
            picture = source.convert("RGB")
        elif Path(source).suffix.lower() == ".safetensors":
            ends.append(_fitting(source, model, size))
            continue
        else:
            admitted = admit(source, services.settings)
            picture = admitted.image
            notes += [f"{admitted.name}: {admitted.note}"] if admitted.note else []
        ends.append(ImageOps.fit(picture, size, Image.Resampling.LANCZOS))
    return ends, notes


def _fitting(path: str | Path, model: str, size: tuple[int, int]) -> Saved:
    saved = checkpoint.load(path)
    held = saved.request.width, saved.request.height
    if saved.request.model != model:
        raise refuse(path, f"was made with {saved.request.model}, the film with {model}. Choose that model.")
    if held != size:
        shapes = f"a canvas of {held[0]} x {held[1]} pixels, the film has {size[0]} x {size[1]}"
        raise refuse(path, f"holds {shapes}. Set it to that size.")
    return saved


def _held(vqgan: Any, saved: Saved) -> Tensor:
    """The latent of the first canvas in a checkpoint, as it was shown. Raises BadRequest for one of another shape."""
    z = saved.state.get("average" if saved.request.ema else "z")
    height, width = (side // vqgan.factor for side in (saved.request.height, saved.request.width))
    if z is None or z.ndim != 4 or z.shape[1:] != (vqgan.channels, height, width):
        raise BadRequest("A checkpoint holds no canvas of this model and size. Choose another.")
    return z[:1].float().to(vqgan.device)


def latent(vqgan: Any, end: End) -> Tensor:
    """Where a film begins, passes or ends, (1, C, h, w) on the VQGAN's device. Raises BadRequest for a checkpoint whose
    latent has another shape than its settings say."""
    import torch

    if isinstance(end, Saved):
        return _held(vqgan, end)
    with torch.inference_mode():
        return vqgan.encode(to_tensor(end).to(vqgan.device))

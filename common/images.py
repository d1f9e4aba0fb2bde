"""Pictures as PIL images and as tensors, and the two ways between them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor


def to_tensor(images: Image.Image | Sequence[Image.Image]) -> Tensor:
    """One image, or several of one size, as `(N, 3, H, W)` float32 in [0, 1], RGB.

    Raises ValueError when there are no images or their sizes differ: resizing is the caller's decision.
    """
    import torch

    images = [images] if isinstance(images, Image.Image) else list(images)
    sizes = {image.size for image in images}
    if len(sizes) != 1:
        raise ValueError(f"to_tensor needs images of one size, got {sorted(sizes) or 'none'}")
    pixels = np.stack([np.asarray(image.convert("RGB")) for image in images])  # (N, H, W, 3) uint8
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)


def to_pil(pixels: Tensor) -> list[Image.Image]:
    """`(N, 3, H, W)` float in [0, 1], on any device, as N RGB images.

    Values outside [0, 1] are clipped, and NaN becomes black: a sampler that went wrong must not end the job here.
    Raises ValueError for any other shape.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(f"to_pil needs a tensor of shape (N, 3, H, W), got {tuple(pixels.shape)}")
    bytes_ = pixels.detach().float().nan_to_num(0.0).clamp(0, 1).mul(255).round().byte()
    return [Image.fromarray(picture) for picture in bytes_.permute(0, 2, 3, 1).contiguous().cpu().numpy()]


def contact_sheet(images: Sequence[Image.Image], columns: int) -> Image.Image:
    """The images in reading order on one white RGB canvas, `columns` in a row.

    Every cell has the size of the largest image and smaller ones are centred, so that nothing is scaled.
    Raises ValueError when there are no images or `columns` is below 1.
    """
    if not images or columns < 1:
        raise ValueError(f"contact_sheet needs images and at least 1 column, got {len(images)} and {columns}")
    columns = min(columns, len(images))
    width, height = max(image.width for image in images), max(image.height for image in images)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left, top = column * width + (width - image.width) // 2, row * height + (height - image.height) // 2
        sheet.paste(image.convert("RGB"), (left, top))
    return sheet


def content_hash(image: Image.Image) -> str:
    """32 hex digits that depend on the picture alone: its RGB pixels and its size, not its file or metadata."""
    rgb = image.convert("RGB")
    digest = hashlib.blake2b(f"{rgb.width}x{rgb.height}:".encode(), digest_size=16)
    digest.update(rgb.tobytes())
    return digest.hexdigest()

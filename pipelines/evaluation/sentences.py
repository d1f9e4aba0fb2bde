"""Sentences as vectors, and how near they are in meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.errors import AtelierError

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.services import Services

BATCH = 64


def encoder(services: Services) -> str:
    """The name of the sentence encoder to use, "" where none is installed."""
    try:
        spec = services.catalog.default("sentence")
    except AtelierError:
        return ""
    return spec.name if services.catalog.is_available(spec) else ""


def sentence_vectors(services: Services, texts: Sequence[str], device: str | None = None) -> Tensor:
    """Unit vectors (N, 384) float32 on the CPU, one a text; equal texts are read once.

    Raises BadRequest or ModelUnavailable when there is no sentence encoder.
    """
    import torch

    if not texts:
        raise ValueError("nothing to encode")
    # By length, because a batch is as slow as its longest text.
    unique = sorted(set(texts), key=lambda text: (len(text), text))
    parts = []
    with services.pool.use(services.catalog.default("sentence").name, device) as model:
        for start in range(0, len(unique), BATCH):
            with torch.inference_mode():
                parts.append(model.encode(unique[start : start + BATCH]).float().cpu())
    place = {text: row for row, text in enumerate(unique)}
    return torch.cat(parts)[[place[text] for text in texts]].clone()

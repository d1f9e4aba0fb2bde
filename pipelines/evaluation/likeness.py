"""Meaning in common: captions against pictures by CLIP, and against references by CLIP and by MiniLM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipelines.evaluation.sentences import sentence_vectors

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.services import Services

PAPER_PREFIX = "A photo depicts "  # what Hessel et al. put before every text, captions and references alike
WEIGHT = 2.5


def clip_scores(
    services: Services,
    ranker: str,
    image_vectors: Tensor,
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    prefix: str = "",
    device: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """CLIPScore and RefCLIPScore of N captions, each (N,) float64, for unit vectors (N, D) of their pictures.

    CLIPScore is 2.5 · max(cosine of caption and picture, 0); RefCLIPScore is the harmonic mean of that and of the
    largest max(cosine of caption and a reference, 0) (Hessel et al. 2021, "CLIPScore: A Reference-free Evaluation
    Metric for Image Captioning", section 3). `prefix` stands before every text; the paper's is `PAPER_PREFIX`.
    """
    flat = [prefix + text for texts in references for text in texts]
    vectors = services.scorer.text_vectors(ranker, [*(prefix + text for text in candidates), *flat], device).numpy()
    mine, theirs = vectors[: len(candidates)], vectors[len(candidates) :]
    fit = WEIGHT * np.maximum((mine * image_vectors.numpy()).sum(-1), 0).astype(np.float64)
    nearest = np.array([rows.max() for rows in _against(mine, theirs, references)]).clip(min=0)
    together = fit + nearest
    return fit, np.where(together > 0, 2 * fit * nearest / np.where(together > 0, together, 1), 0)


def sentence_cosines(
    services: Services, candidates: Sequence[str], references: Sequence[Sequence[str]], device: str | None = None
) -> np.ndarray:
    """Cosine of each caption's MiniLM vector with those of its references, their mean, (N,) float64 in [-1, 1].

    With one reference this is the score of the contest "Stable Diffusion: Image to Prompts" (Kaggle 2023).
    """
    flat = [text for texts in references for text in texts]
    vectors = sentence_vectors(services, [*candidates, *flat], device).numpy()
    against = _against(vectors[: len(candidates)], vectors[len(candidates) :], references)
    return np.array([rows.mean() for rows in against], dtype=np.float64)


def _against(mine: np.ndarray, theirs: np.ndarray, references: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """For each caption the cosines with its own references, which lie one after another in `theirs`."""
    ends = np.cumsum([len(texts) for texts in references])
    return [part @ vector for vector, part in zip(mine, np.split(theirs, ends[:-1]), strict=True)]

"""How many pictures a captioner gets at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.families.caption_contract import Decoding
    from models.spec import ModelSpec

MOST_CPU, MOST_GPU = 16, 64  # more gain nothing, and the first captions would come late
SHARE = 0.25  # of the free memory; the rest is the ranker's and the system's
# What one hypothesis keeps (keys, values, logits) as a part of the model's size: 1 % of GPT-2 are 5 MB, where 70
# positions of 12 layers take 5; large models keep less.
PART, POSITIONS = 0.01, 70
PICTURE_MB = 40.0  # an upload of twelve megapixels, once in 8 bits, while it is made smaller


def hypotheses(decoding: Decoding) -> int:
    """The captions of a picture that are written at the same time."""
    return {"greedy": 1, "sample": decoding.count}.get(decoding.method, decoding.beams)


def batch_size(spec: ModelSpec, decoding: Decoding, device: str, free_mb: float) -> int:
    """Pictures to caption together on `device` with `free_mb` megabytes free: at least 1."""
    length = max(1.0, decoding.max_tokens / POSITIONS)
    each = hypotheses(decoding) * length * PART * spec.memory_mb + PICTURE_MB
    most = MOST_CPU if device == "cpu" else MOST_GPU
    return max(1, min(most, int(SHARE * free_mb / each)))

"""The interrogator as it was published: what `benchmarks.interrogator` compares with.

After the mode “best” of CLIP Interrogator 0.6 (its README and source, read for what it does): at every step each
candidate is put behind the prompt, tokenised and encoded at the full context of 77 tokens; the winner is encoded once
more for its similarity. Same weights, picture and phrases as ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def grow(
    ranker: Any, image: Tensor, start: str, phrases: Sequence[str], least: int = 8, most: int = 32, chunk: int = 256
) -> tuple[str, list[str]]:
    """The best prompt, and the phrases in the order in which they were added. `image`: a unit vector (D,)."""
    left = list(phrases)
    now, now_cosine = start, _cosines(ranker, image, [start], chunk)[0]
    best, best_cosine, added = now, now_cosine, []
    for step in range(most):
        if not left:
            break
        cosines = _cosines(ranker, image, [f"{now}, {phrase}" for phrase in left], chunk)
        phrase = left[max(range(len(left)), key=cosines.__getitem__)]
        prompt = f"{now}, {phrase}"
        cosine = _cosines(ranker, image, [prompt], chunk)[0]
        if cosine > best_cosine:
            best, best_cosine = prompt, cosine
        if cosine <= now_cosine and step >= least:
            break
        now, now_cosine = prompt, cosine
        added.append(phrase)
        left.remove(phrase)
        if int(ranker.tokenizer([now])[0, -1]) != 0:  # full
            break
    return best, added


def rank(vectors: Tensor, image: Tensor, count: int, chunk: int = 2048) -> list[int]:
    """The `count` best rows of vectors (N, D) for a unit vector (D,), by the published shortcut: of every chunk as many
    as its share of one chunk, and those ranked once more."""
    total = len(vectors)
    chunks = max(1, -(-total // chunk))
    keep = chunk // chunks
    rows: list[int] = []
    for start in range(0, total, chunk):
        part = vectors[start : start + chunk] @ image
        rows += (part.topk(min(keep, len(part))).indices + start).tolist()
    order = sorted(rows, key=lambda row: -float(vectors[row] @ image))
    return order[:count]


def _cosines(ranker: Any, image: Tensor, texts: Sequence[str], chunk: int) -> list[float]:
    return (ranker.encode_texts(texts, batch=chunk) @ image).tolist()

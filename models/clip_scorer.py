"""How well pictures fit words, by any ranker of the catalog; used by every room."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.images import content_hash

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from models.pool import ModelPool

CACHED_VECTORS = 20_000  # about 40 MB of 512 floats


@dataclass(frozen=True)
class Scores:
    """One number per picture, in the order of the pictures.

    `cosine` is in [-1, 1]; `clip_score` is 2.5 · max(cosine, 0) (Hessel et al. 2021), in [0, 2.5]; `share` is the
    softmax over the pictures at the ranker's own temperature, sums to 1, and says how sure the ranker is of the order.
    """

    cosine: tuple[float, ...]
    clip_score: tuple[float, ...]
    share: tuple[float, ...]


class ClipScorer:
    """Unit vectors of pictures and texts, remembered by content, and scores made from them. Safe to share by threads.

    `ranker` is a name of the catalog; `device` None means the pool's first.
    """

    def __init__(self, pool: ModelPool, remember: int = CACHED_VECTORS) -> None:
        self._pool, self._remember = pool, remember
        self._vectors: OrderedDict[tuple[str, str], Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def image_vectors(self, ranker: str, images: Sequence[Image], device: str | None = None) -> Tensor:
        """RGB pictures of any sizes -> (N, D) float32 unit vectors on the CPU."""
        keys = [content_hash(image) for image in images]
        return self._lookup(ranker, keys, images, lambda model, missing: model.encode_images(missing), device)

    def text_vectors(self, ranker: str, texts: Sequence[str], device: str | None = None) -> Tensor:
        """Texts -> (N, D) float32 unit vectors on the CPU."""
        digests = (hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16) for text in texts)
        keys = [f"text:{digest.hexdigest()}" for digest in digests]
        return self._lookup(ranker, keys, texts, lambda model, missing: model.encode_texts(missing), device)

    def scores(self, ranker: str, images: Sequence[Image], text: str, device: str | None = None) -> Scores:
        """How well each of the pictures fits `text`. No pictures give no scores."""
        if not images:
            return Scores((), (), ())
        return self.compare(ranker, self.image_vectors(ranker, images, device), text, device)

    def compare(self, ranker: str, image_vectors: Tensor, text: str, device: str | None = None) -> Scores:
        """As `scores`, for vectors (N, D) that `image_vectors` gave."""
        with self._pool.use(ranker, device) as model:
            temperature = float(model.logit_scale)
        cosines = image_vectors @ self.text_vectors(ranker, [text], device)[0]  # (N,)
        share = (temperature * cosines).softmax(0)
        # A picture of NaNs (a sampler that went wrong) is black, not NaN, so these are finite unless a ranker fails.
        cosine = tuple(max(-1.0, min(1.0, value)) for value in cosines.tolist())
        return Scores(cosine, tuple(2.5 * max(value, 0.0) for value in cosine), tuple(share.tolist()))

    def overflow(self, ranker: str, text: str, device: str | None = None) -> str:
        """The end of `text` that the ranker does not read; "" if it reads all."""
        with self._pool.use(ranker, device) as model:
            return model.overflow(text)

    def _lookup(
        self, ranker: str, keys: Sequence[str], things: Sequence[Any], encode: Callable, device: str | None
    ) -> Tensor:
        """The remembered vectors of `things`, and those of the others from one call of the ranker: (N, D)."""
        import torch

        if not things:
            raise ValueError("nothing to encode")
        with self._lock:
            found = {key: self._vectors[ranker, key] for key in set(keys) if (ranker, key) in self._vectors}
        missing = {key: thing for key, thing in zip(keys, things, strict=True) if key not in found}
        if missing:
            with self._pool.use(ranker, device) as model, torch.no_grad():
                vectors = encode(model, list(missing.values())).float().cpu()
            # Copies, because a row of a batch would keep the whole batch in memory.
            found |= {key: vector.clone() for key, vector in zip(missing, vectors, strict=True)}
        with self._lock:
            for key, vector in found.items():
                self._vectors[ranker, key] = vector
                self._vectors.move_to_end((ranker, key))
            while len(self._vectors) > self._remember:
                self._vectors.popitem(last=False)
        return torch.stack([found[key] for key in keys])

"""Vectors of phrases, kept on disk by ranker and by phrase, so that of a changed list only what is new is read."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import AtelierError
from pipelines.image_index.card import revision_of

if TYPE_CHECKING:
    from torch import Tensor

    from models.prompting.readers import Reader
    from pipelines.services import Services

logger = logging.getLogger(__name__)

FOLDER = "phrase_vectors"  # inside the output folder
PART = 512  # phrases read between two reports, and that a stop can cost
_DIGEST = 16  # bytes of a phrase's hash


class PhraseVectors:
    """The vectors of phrases for one ranker. Pieces on disk are only ever added, each whole or not at all.

    `folder` is named by the ranker and its revision: vectors of another revision are never mixed in, and are deleted.
    """

    def __init__(self, services: Services, ranker: str) -> None:
        spec = services.catalog.get(ranker)
        self._facts = {"ranker": spec.name, "revision": revision_of(spec, services.settings)}
        root = services.settings.output / FOLDER
        name, key = re.sub(r"[^\w.-]", "_", spec.name), _digest("\n".join(self._facts.values())).hex()[:12]
        self.folder = root / f"{name}--{key}"
        for other in root.glob(f"{name}--*"):
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)
        self._rows: dict[bytes, Tensor] = {}
        for piece in sorted(self.folder.glob("*.safetensors")):
            self._take(piece)

    def missing(self, phrases: Sequence[str]) -> list[str]:
        """Those of the phrases that have no vector yet, each once."""
        return list(dict.fromkeys(phrase for phrase in phrases if _digest(phrase) not in self._rows))

    def read(self, phrases: Sequence[str], reader: Reader) -> Iterator[int]:
        """Read the phrases that have no vector yet, and keep what was read; how many are done, after each part.

        Raises AtelierError when the ranker's answer is not finite.
        """
        import torch

        new, kept = self.missing(phrases), 0
        parts: list[Tensor] = []
        try:
            for start in range(0, len(new), PART):
                vectors = reader.read(new[start : start + PART])
                if not torch.isfinite(vectors).all():
                    raise AtelierError("The ranker gave numbers that are none (NaN) for some phrases; reload it.")
                parts.append(vectors)
                kept = start + len(vectors)
                yield kept
        finally:
            if parts:  # also after a stop: what was read need not be read again
                self._keep(new[:kept], torch.cat(parts))

    def of(self, phrases: Sequence[str]) -> Tensor:
        """Unit vectors (N, D) float32 of phrases none of which is missing."""
        import torch

        return torch.stack([self._rows[_digest(phrase)] for phrase in phrases])

    def _keep(self, phrases: Sequence[str], vectors: Tensor) -> None:
        import torch
        from safetensors.torch import save_file

        digests = [_digest(phrase) for phrase in phrases]
        self._rows |= zip(digests, vectors, strict=True)
        table = torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.uint8).view(-1, _DIGEST)
        part = self.folder / f".{uuid.uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file({"vectors": vectors.contiguous(), "hashes": table}, part, metadata=self._facts)
            os.replace(part, self.folder / f"{uuid.uuid4().hex}.safetensors")
        except OSError:  # a full disk costs time at the next run, not this one's answer
            logger.warning("vectors of %d phrases could not be kept", len(phrases), exc_info=True)
            part.unlink(missing_ok=True)

    def _take(self, piece: Path) -> None:
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(piece, "pt") as file:
                if (file.metadata() or {}) != self._facts:
                    return
                vectors, hashes = file.get_tensor("vectors"), file.get_tensor("hashes")
        except (OSError, SafetensorError):
            logger.warning("%s is damaged and is made again", piece.name)
            piece.unlink(missing_ok=True)
            return
        sound = torch.isfinite(vectors).all(1) & ((vectors.norm(dim=1) - 1).abs() < 1e-3)
        blob, rows = hashes.numpy().tobytes(), vectors.unbind(0)
        for number in sound.nonzero()[:, 0].tolist():
            self._rows[blob[number * _DIGEST : (number + 1) * _DIGEST]] = rows[number]


def _digest(phrase: str) -> bytes:
    return hashlib.blake2b(phrase.encode("utf-8", "replace"), digest_size=_DIGEST).digest()

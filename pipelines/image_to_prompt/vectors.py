"""Vectors of phrases, kept on disk by ranker and by phrase, so that of a changed list only what is new is read."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
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
PROMPTS = "prompt_vectors"  # beside it, for prompts that somebody brought: they are many, and nobody else's
MB = 500  # that either may take for one ranker; the pieces longest unused are deleted then
PART = 512  # phrases read between two reports, and that a stop can cost
_DIGEST = 16  # bytes of a phrase's hash


class PhraseVectors:
    """The vectors of phrases for one ranker. Pieces on disk are only ever added, each whole or not at all.

    `folder` is named by the ranker and its revision: vectors of another revision are never mixed in, and are deleted.
    `store` is FOLDER or PROMPTS; of the pieces those longest unused are deleted when all take more than MB.
    """

    def __init__(self, services: Services, ranker: str, store: str = FOLDER) -> None:
        spec = services.catalog.get(ranker)
        self._facts = {"ranker": spec.name, "revision": revision_of(spec, services.settings)}
        root = services.settings.output / store
        name, key = re.sub(r"[^\w.-]", "_", spec.name), _digest("\n".join(self._facts.values())).hex()[:12]
        self.folder = root / f"{name}--{key}"
        for other in root.glob(f"{name}--*"):
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)
        self._rows: dict[bytes, Tensor] = {}
        self._sought: set[bytes] = set()  # whether they were found on disk or not

    def missing(self, phrases: Sequence[str]) -> list[str]:
        """Those of the phrases that have no vector yet, each once."""
        digests = {phrase: _digest(phrase) for phrase in phrases}
        if wanted := set(digests.values()) - self._sought:  # of all that is on disk only what is asked for is taken
            self._sought |= wanted
            for piece in sorted(self.folder.glob("*.safetensors")):
                self._take(piece, wanted)
        return [phrase for phrase, digest in digests.items() if digest not in self._rows]

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
        room = max(1, int(MB * 1e6) // (vectors[0].nbytes + _DIGEST))
        digests, vectors = digests[:room], vectors[:room]
        table = torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.uint8).view(-1, _DIGEST)
        part = self.folder / f".{uuid.uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file({"vectors": vectors.contiguous(), "hashes": table}, part, metadata=self._facts)
            os.replace(part, self.folder / f"{uuid.uuid4().hex}.safetensors")
            self._make_room()
        except OSError:  # a full disk costs time at the next run, not this one's answer
            logger.warning("vectors of %d phrases could not be kept", len(phrases), exc_info=True)
            part.unlink(missing_ok=True)

    def _make_room(self) -> None:
        """Delete the pieces longest unused, as far as all take too much."""
        pieces = sorted(((piece.stat(), piece) for piece in self.folder.glob("*.safetensors")), key=_age)
        left = sum(about.st_size for about, _ in pieces) - MB * 1e6
        for about, piece in pieces[:-1]:
            if left <= 0:
                return
            piece.unlink(missing_ok=True)
            left -= about.st_size

    def _take(self, piece: Path, wanted: set[bytes]) -> None:
        """Take the vectors of the `wanted` phrases that a piece has."""
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(piece, "pt") as file:
                if (file.metadata() or {}) != self._facts:
                    return
                blob = file.get_tensor("hashes").numpy().tobytes()
                places = [n for n in range(len(blob) // _DIGEST) if blob[n * _DIGEST : (n + 1) * _DIGEST] in wanted]
                if not places:
                    return
                vectors = file.get_tensor("vectors")[places]
        except (OSError, SafetensorError):
            logger.warning("%s is damaged and is made again", piece.name)
            piece.unlink(missing_ok=True)
            return
        with suppress(OSError):
            os.utime(piece)  # it was used; where that cannot be noted it only makes room earlier
        sound = torch.isfinite(vectors).all(1) & ((vectors.norm(dim=1) - 1).abs() < 1e-3)
        rows = vectors.unbind(0)
        for number in sound.nonzero()[:, 0].tolist():
            place = places[number] * _DIGEST
            self._rows[blob[place : place + _DIGEST]] = rows[number]


def _age(piece: tuple[os.stat_result, Path]) -> int:
    return piece[0].st_mtime_ns


def _digest(phrase: str) -> bytes:
    return hashlib.blake2b(phrase.encode("utf-8", "replace"), digest_size=_DIGEST).digest()

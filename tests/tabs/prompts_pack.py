"""An app's services with a sentence encoder that counts words: texts with words in common are near each other."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.catalog import Catalog
from models.spec import LoadContext, ModelSpec
from tests.conftest import ROOT
from tests.tabs import tiny_pack

if TYPE_CHECKING:
    from pipelines.services import Services

SLOW = "slowly"  # a text with this word takes its time


class WordCounter:
    """The sentence contract: unit vectors (N, 384)."""

    def encode(self, texts: Sequence[str]) -> Any:
        import torch
        import torch.nn.functional as F

        vectors = torch.full((len(texts), 384), 1e-3)
        for row, text in enumerate(texts):
            words = text.lower().replace(",", " ").split()
            for word in words:
                vectors[row, zlib.crc32(word.encode()) % 384] += 1
            if SLOW in words:
                time.sleep(0.02)
        return F.normalize(vectors, dim=-1)


def _load(context: LoadContext) -> WordCounter:
    return WordCounter()


ENCODER = ModelSpec(
    name="words",
    title="Word counter",
    role="sentence",
    pack="starter",
    source="words",
    revision=None,
    licence="MIT",
    download_mb=1,
    memory_mb=1,
    load=_load,
)


def prompts_services(folder: Path) -> Services:
    """The services of an app that knows the tiny models and this encoder."""
    from models.clip_scorer import ClipScorer
    from models.pool import ModelPool
    from pipelines.services import Services

    settings = tiny_pack.tiny_settings(folder)
    (settings.weights / ENCODER.source).mkdir(parents=True, exist_ok=True)
    (settings.weights / ENCODER.source / "made-of-code").touch()
    catalog = Catalog([*tiny_pack.SPECS, ENCODER], settings)
    pool = ModelPool(catalog, settings, ("cpu",))
    return Services(settings, catalog, pool, ClipScorer(pool))


def prompts_examples(folder: Path) -> Path:
    """The tiny painter's examples, and the prompts that the app ships."""
    made = tiny_pack.make_examples(folder)
    shutil.copytree(ROOT / "examples" / "prompts", made / "prompts")
    return made

"""The pictures that a head is fitted on: found by the ids that name them, and read by the ranker."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np

from common.errors import BadRequest
from pipelines.image_index.walk import SUFFIXES
from pipelines.prompt_data.submission_rows import EXTENSION
from pipelines.services import Services
from pipelines.steps import Step
from safeguards.admit import admit
from safeguards.wording import file_name, shown


def named(folder: Path, ids: Sequence[str]) -> list[Path | None]:
    """The picture in a folder that each id names, with or without its ending; None where there is none.

    Raises BadRequest for an id that names two.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    whole = {path.name: path for path in files}
    by_stem: dict[str, list[Path]] = {}
    for path in files:
        by_stem.setdefault(path.stem, []).append(path)
    found: list[Path | None] = []
    for each in ids:
        name = Path(each).name
        some = [whole[name]] if name in whole else by_stem.get(EXTENSION.sub("", name), [])
        if len(some) > 1:
            both = " and ".join(file_name(path) for path in some[:2])
            raise BadRequest(f"The id {shown(each)} names two pictures, {both}; write it with its ending.")
        found.append(some[0] if some else None)
    return found


def vectors_of(
    ranker: str, paths: Sequence[Path], services: Services, device: str | None
) -> Generator[Step, object, tuple[np.ndarray, list[Path]]]:
    """The ranker's vectors (N, D) of the pictures that can be read, and those."""
    parts, read = [], []
    for start in range(0, len(paths), 8):
        images = []
        for path in paths[start : start + 8]:
            try:
                images.append(admit(path, services.settings).image)
            except BadRequest:
                continue
            read.append(path)
        if images:
            parts.append(services.scorer.image_vectors(ranker, images, device).numpy())
        yield Step(min(start + 8, len(paths)), max(len(paths), 1), "looking at pictures")
    return (np.concatenate(parts) if parts else np.empty((0, 0))), read

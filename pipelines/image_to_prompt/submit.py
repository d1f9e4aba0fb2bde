"""A method's answers as an entry in the layout of Kaggle's *Stable Diffusion – Image to Prompts*."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.errors import BadRequest
from pipelines.image_to_prompt.rows import ImageToPromptResult
from pipelines.prompt_data.submission import problems, write_submission
from safeguards.wording import shown


def write_answers(result: ImageToPromptResult, method: str, path: str | Path) -> Path:
    """Write a method's own vectors (384,), in the order of the pictures, check the file and return `path`.

    The answer of the heads, of nearest neighbours and of the ensemble is the vector: the words shown for it are only
    the nearest that are known. Raises BadRequest for a method without a vector for every picture, for two pictures of
    one name, and for what `write_submission` refuses.
    """
    vectors = result.vectors(method)
    if not vectors:
        there = ", ".join(result.methods()) or "none"
        raise BadRequest(f"There are no vectors of {shown(method)} to submit; there are those of {there}.")
    names = {row.picture: Path(row.name).stem for row in result.rows}
    missing = [name for name in names.values() if name not in vectors]
    if missing or len(names) < result.pictures:
        count = result.pictures - len(vectors)
        first = f", the first is {shown(missing[0])}" if missing else ""
        raise BadRequest(
            f"{method} has no answer for {count:,} of {result.pictures:,} pictures{first}; an entry needs one for each."
        )
    made = write_submission(path, list(vectors), np.stack(list(vectors.values())))
    if found := problems(made, list(vectors)):
        raise BadRequest(found[0])
    return made

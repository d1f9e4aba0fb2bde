"""What the results of all ranking rooms have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from safeguards.recipe import Recipe


def passes(cosine: float, threshold: float | None) -> bool | None:
    """Whether a picture reaches the threshold; None when there is none."""
    return None if threshold is None else cosine >= threshold


def summary(cosines: Sequence[float]) -> dict[str, float]:
    """`best`, `mean` and `spread` (best minus mean) of at least one cosine."""
    best, mean = max(cosines), sum(cosines) / len(cosines)
    return {"best": best, "mean": mean, "spread": best - mean}


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a table of JSON types, as a `Result` carries it."""
    return json.loads(recipe.to_json())


def unread_note(words: str, reader: str) -> str:
    """One sentence about the words at the end of a prompt that `reader` ("model", "ranker") cannot read, or ""."""
    return f"The {reader} did not read the end of the prompt: “{words}”." if words else ""

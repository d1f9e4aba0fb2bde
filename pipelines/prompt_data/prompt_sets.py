"""Prompts for the same images from several sources: the truth, where it is known, and what methods predicted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from common.errors import BadRequest
from pipelines.prompt_data.prompts_file import prompts_by_id
from safeguards.wording import shown

MAX_IMAGES = 20_000
MAX_METHODS = 12
TRUTH = "truth"


@dataclass(frozen=True)
class PromptSets:
    """Prompts by image id: the `truth` (empty when unknown) and, by the method's name, its `predictions`.

    `seconds` are by method and image how long a prediction took, where that was measured. `vectors` (384,) are by
    method and image the predictions of methods whose answer is a vector, which their words only stand for. Images are
    those of the truth, or without one those that any method saw, in the order in which they come.
    Raises BadRequest, when made, for sets that say nothing of each other.
    """

    truth: Mapping[str, str] = field(default_factory=dict)
    predictions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    vectors: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.predictions) <= MAX_METHODS:
            raise BadRequest(f"There are prompts of {len(self.predictions)} methods; allowed are 1 to {MAX_METHODS}.")
        if TRUTH in self.predictions:
            raise BadRequest(f"A method is named {shown(TRUTH)}, as the true prompts are; give it another name.")
        if len(self.ids) > MAX_IMAGES:
            raise BadRequest(f"There are prompts for {len(self.ids):,} images; allowed are {MAX_IMAGES:,}.")
        for name, prompts in self.predictions.items():
            if not prompts or (self.truth and not any(each in self.truth for each in prompts)):
                about = f"its first is {shown(next(iter(prompts)))}" if prompts else "it has none"
                raise BadRequest(f"{name} has no prompt for any of the images of the truth; {about}.")
        for name, table in self.seconds.items():
            if wrong := [value for value in table.values() if not (math.isfinite(value) and value >= 0)]:
                raise BadRequest(f"{name} took {shown(wrong[0])} seconds for an image; allowed is a number from 0.")
        for name, rows in self.vectors.items():
            if wrong := [each for each, row in rows.items() if not (np.isfinite(row).all() and np.any(row))]:
                raise BadRequest(f"The vector of {name} for {shown(wrong[0])} has no direction: it is zero or NaN.")

    @property
    def ids(self) -> tuple[str, ...]:
        """The images, in order."""
        if self.truth:
            return tuple(self.truth)
        return tuple(dict.fromkeys(each for prompts in self.predictions.values() for each in prompts))

    @classmethod
    def from_files(
        cls, predictions: Mapping[str, str | Path], truth: str | Path | None = None, column: str = ""
    ) -> PromptSets:
        """From a file of prompts for each method (see `prompts_file`; matched by ids) and one with the truth."""
        made = {name: prompts_by_id(path, column) for name, path in predictions.items()}
        return cls(prompts_by_id(truth, column) if truth is not None else {}, made)

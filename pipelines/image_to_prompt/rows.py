"""What image → prompt makes: for each picture and method a prompt, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.image_to_prompt.chain import Prompt
from pipelines.image_to_prompt.interrogator import Found
from pipelines.steps import Result

if TYPE_CHECKING:
    from pipelines.prompt_data.prompt_sets import PromptSets


@dataclass(frozen=True)
class PromptRow:
    """What `method` says about picture number `picture` (from 0).

    `cosine` in [-1, 1] is that of the prompt's and the picture's vectors by the ranker, `seconds` what the method
    itself took for it. `exact` marks the prompt that the file carries. `grown` tells how the interrogator's prompt came
    about; `others` are further texts with the cosine that speaks for each, best first; `found` are the best phrases of
    each list (mode “analyse”). `vector` (384,) float32 of unit length is the answer in the space of all-MiniLM-L6-v2,
    None where there is no sentence encoder. `note` says what was changed to read the picture, or how the text came
    about; where there is no prompt `error` is one sentence.
    """

    picture: int
    path: str | Path
    name: str
    method: str
    prompt: str = ""
    cosine: float | None = None
    seconds: float = 0.0
    exact: bool = False
    grown: Prompt | None = None
    others: tuple[tuple[str, float], ...] = ()
    found: Mapping[str, tuple[Found, ...]] = field(default_factory=dict)
    vector: np.ndarray | None = field(default=None, compare=False, repr=False)
    note: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageToPromptResult(Result):
    """Rows by picture and then by method, in the order in which they were made.

    `pictures` is how many were given, `answered` how many have at least one prompt, and `complete` how many, from the
    first on, went through all methods. `ranker` is its title and `sources` names each list of phrases with its source
    and licence. `notes` are sentences.
    """

    rows: tuple[PromptRow, ...]
    pictures: int
    answered: int
    complete: int = 0
    ranker: str = ""
    sources: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def prompt_sets(self, truth: Mapping[str, str] | None = None) -> PromptSets:
        """The prompts by method and by the picture's name without its ending, to be compared with each other."""
        from pipelines.prompt_data.prompt_sets import PromptSets

        said: dict[str, dict[str, str]] = {}
        seconds: dict[str, dict[str, float]] = {}
        for row in self.rows:
            if row.prompt:
                said.setdefault(row.method, {})[Path(row.name).stem] = row.prompt
                seconds.setdefault(row.method, {})[Path(row.name).stem] = row.seconds
        return PromptSets(truth or {}, said, seconds)

    def vectors(self, method: str) -> dict[str, np.ndarray]:
        """The method's unit vectors (384,) by the picture's name without its ending, as a submission wants them."""
        return {Path(row.name).stem: row.vector for row in self.rows if row.method == method and row.vector is not None}

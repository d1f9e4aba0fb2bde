"""What image → prompt makes: for each picture and method a prompt, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from pipelines.image_to_prompt.chain import Prompt
from pipelines.image_to_prompt.interrogator import Found
from pipelines.steps import Result
from safeguards.wording import file_name, shown

if TYPE_CHECKING:
    from pipelines.prompt_data.prompt_sets import PromptSets


@dataclass(frozen=True)
class PromptRow:
    """What `method` says about picture number `picture` (from 0).

    `cosine` in [-1, 1] is that of the prompt's and the picture's vectors by the ranker, `seconds` what the method
    itself took for it. `exact` marks the prompt that the file carries, `negative` one that says what the picture is
    not, which is no guess at its prompt. `grown` tells how the interrogator's prompt came
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
    negative: bool = False
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

    def names(self) -> dict[int, str]:
        """By number the name, without its ending, of each picture that has a prompt.

        Raises BadRequest when two share one, for whatever goes by names would mix them up.
        """
        found: dict[int, str] = {}
        files: dict[str, tuple[int, str]] = {}
        for row in self.rows:
            if not row.prompt:
                continue
            name = found.setdefault(row.picture, Path(row.name).stem)
            other, file = files.setdefault(name, (row.picture, row.name))
            if other != row.picture:
                raise BadRequest(
                    f"Two pictures are named {shown(name)} ({file_name(file)} and {file_name(row.name)}); rename one "
                    "and find the prompts again, for here pictures go by their names without the ending."
                )
        return found

    def methods(self) -> tuple[str, ...]:
        """The methods that gave a vector to any picture, in their order; a negative prompt is none."""
        return tuple(dict.fromkeys(row.method for row in self.rows if row.vector is not None and not row.negative))

    def prompt_sets(self, truth: Mapping[str, str] | None = None) -> PromptSets:
        """The prompts by method and by the picture's name without its ending, to be compared with each other.

        Negative prompts are left out. Raises BadRequest as `names` and `PromptSets` do.
        """
        from pipelines.prompt_data.prompt_sets import PromptSets

        names = self.names()
        said: dict[str, dict[str, str]] = {}
        seconds: dict[str, dict[str, float]] = {}
        for row in self.rows:
            if row.prompt and not row.negative:
                said.setdefault(row.method, {})[names[row.picture]] = row.prompt
                seconds.setdefault(row.method, {})[names[row.picture]] = row.seconds
        vectors = {method: self.vectors(method) for method in self.methods() if method in said}
        return PromptSets(truth or {}, said, seconds, vectors)

    def vectors(self, method: str) -> dict[str, np.ndarray]:
        """The method's unit vectors (384,) by the picture's name without its ending, as a submission wants them.

        Raises BadRequest as `names` does.
        """
        names = self.names()
        mine = (row for row in self.rows if row.method == method and row.vector is not None and not row.negative)
        return {names[row.picture]: row.vector for row in mine if row.picture in names}

"""What is known of the true prompts of a result's pictures, and the prompts of methods beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import BadRequest
from pipelines.prompt_data.prompts_file import prompts_by_id
from safeguards.wording import file_name, shown
from tabs.captioning_pictures import KINDS
from tabs.image_to_prompt_cards import title_of

if TYPE_CHECKING:
    from pipelines.image_to_prompt.rows import ImageToPromptResult
    from pipelines.prompt_data.prompt_sets import PromptSets

NOTHING = "There is nothing to compare yet. Find the words of some pictures first."


def stem(name: str) -> str:
    """ "cat.png" -> "cat", as the pictures of a result are named; other dots stay."""
    return Path(name).stem if name.lower().endswith(KINDS) else name


def truth_of(
    result: ImageToPromptResult, file: str | None, typed: str = "", picture: int = 0, column: str = ""
) -> dict[str, str]:
    """The true prompts by picture: those of the file, else the typed one of `picture`, else those in the pictures.

    `column` is that of the prompts in the file, "" to look for it. Raises BadRequest when the file names none of the
    pictures, and as `prompts_by_id` and `ImageToPromptResult.names` do.
    """
    known = result.names()
    names = list(known.values())
    if file:
        read = {stem(name): prompt for name, prompt in prompts_by_id(file, column).items()}
        found = {name: read[name] for name in names if read.get(name)}
        if not found:
            raise BadRequest(
                f"{file_name(file)} names none of these pictures: its first is {shown(next(iter(read), ''))}, theirs "
                f"is {shown(names[0] if names else '')}."
            )
        return found
    if typed.strip():
        return {known[picture]: typed.strip()} if picture in known else {}
    return {known[row.picture]: row.prompt for row in result.rows if row.exact}


def sets_of(
    result: ImageToPromptResult | None,
    titles: dict[str, str],
    truth: dict[str, str],
    files: Sequence[str] | None = (),
    column: str = "",
) -> PromptSets:
    """Everything to compare, methods under their titles; `files` are prompts of further methods, in `column`.

    Raises BadRequest when there is nothing, and as `prompts_by_id` and `ImageToPromptResult.prompt_sets` do.
    """
    from pipelines.prompt_data.prompt_sets import PromptSets

    if result is None:
        raise BadRequest(NOTHING)
    if not result.methods() and not any(row.prompt and not row.negative for row in result.rows):
        raise BadRequest("Negative prompts say what the pictures are not; there is nothing to compare.")
    made = result.prompt_sets()
    # What is held for the truth is no guess, and would always win.
    names = [name for name in made.predictions if not (name == "metadata" and truth)]
    said = {title_of(name, titles): made.predictions[name] for name in names}
    seconds = {title_of(name, titles): made.seconds[name] for name in names if name != "metadata"}
    vectors = {title_of(name, titles): made.vectors[name] for name in names if name in made.vectors}
    for path in files or ():
        read = {stem(name): prompt for name, prompt in prompts_by_id(path, column).items() if prompt}
        known = {name for prompts in said.values() for name in prompts} | set(truth)
        title = Path(file_name(path)).stem
        if title in said:
            raise BadRequest(f"Two methods are named {shown(title)}; give the file another name.")
        said[title] = {name: prompt for name, prompt in read.items() if name in known}
    if not said:
        raise BadRequest("Of these pictures only the exact prompts are known; there is nothing to compare with them.")
    return PromptSets(truth, said, seconds, vectors)

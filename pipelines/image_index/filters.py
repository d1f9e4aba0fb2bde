"""Which rows of an index to look at."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from common.errors import BadRequest
from pipelines import limits
from safeguards.wording import shown

MAX_SIDE = 30_000
MAX_WORDS = 32
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The different words of a text in lower case, in the order of the alphabet."""
    return sorted(set(_WORD.findall(text.casefold())))


@dataclass(frozen=True)
class Filters:
    """What a picture must be to count; everything left out lets all through.

    `folder`: lies in it or below. `least` and `most`: pixels of the shorter and the longer side. `has_prompt`: a
    prompt was found in its file, or none was. `since` and `until`: dates ("2026-01-31", both included, UTC) between
    which the file was last changed. `words`: occur in its prompt, all of them, as whole words in any order and case.
    Raises BadRequest, when made, for a value that is not allowed.
    """

    folder: str | Path = ""
    least: int | None = None
    most: int | None = None
    has_prompt: bool | None = None
    since: str = ""
    until: str = ""
    words: str = ""

    def __post_init__(self) -> None:
        for name in ("least", "most"):
            if getattr(self, name) is not None:
                limits.whole(f"{name} number of pixels", getattr(self, name), 1, MAX_SIDE)
        if self.has_prompt is not None:
            limits.flag("choice “has a prompt”", self.has_prompt)
        if self._moment("since") and self._moment("until") and self._moment("since") > self._moment("until"):
            raise BadRequest(
                f"The dates are from {self.since} until {self.until}; the first must not be the later one."
            )
        if not isinstance(self.words, str) or len(words_of(self.words)) > MAX_WORDS:
            raise BadRequest(f"The words of the prompt are {shown(self.words)}; allowed are at most {MAX_WORDS} words.")

    def sql(self) -> str:
        """The condition in the index's own language, "" when everything counts."""
        parts = []
        if str(self.folder):
            parts.append(f"array_has(folders, {_text(Path(os.path.abspath(self.folder)).as_posix())})")
        if self.least is not None:
            parts.append(f"least(width, height) >= {int(self.least)}")
        if self.most is not None:
            parts.append(f"greatest(width, height) <= {int(self.most)}")
        if self.has_prompt is not None:
            parts.append("prompt <> ''" if self.has_prompt else "prompt = ''")
        if since := self._moment("since"):
            parts.append(f"modified >= {_moment(since)}")
        if until := self._moment("until"):
            parts.append(f"modified < {_moment(until + timedelta(days=1))}")
        parts += [f"array_has(words, {_text(word)})" for word in words_of(self.words)]
        return " AND ".join(parts)

    def _moment(self, name: str) -> datetime | None:
        value: Any = getattr(self, name)
        if not value:
            return None
        try:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=timezone.utc)
        except (TypeError, ValueError):
            raise BadRequest(f"The date is {shown(value)}; allowed is a day such as 2026-01-31.") from None


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _moment(moment: datetime) -> str:
    return f"timestamp '{moment:%Y-%m-%d %H:%M:%S}'"

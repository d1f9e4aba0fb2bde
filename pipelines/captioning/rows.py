"""What captioning makes: for each picture and captioner a row of captions, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.families.caption_contract import Caption
from pipelines.steps import Result


@dataclass(frozen=True)
class ScoredCaption:
    """A caption and what speaks for it.

    `cosine` in [-1, 1] and `clip_score` in [0, 2.5] are CLIP's, `agreement` in [-1, 1] and `consensus` those of
    `consensus.judge`; None while they are not known, and `agreement` where there is no sentence encoder. `chosen` marks
    the one of a picture's captions, of all captioners, that the consensus picks.
    """

    caption: Caption
    cosine: float | None = None
    clip_score: float | None = None
    agreement: float | None = None
    consensus: float | None = None
    chosen: bool = False

    @property
    def text(self) -> str:
        return self.caption.text


@dataclass(frozen=True)
class CaptionRow:
    """The captions of picture number `picture` (from 0) by `captioner`, a name of the catalog, best first.

    `name` is the own name of the file and `note` says what was changed to read it ("animated: its first frame was
    used"). Where there are no captions `error` is one sentence; `captioner` is then "" if no captioner can help it.
    """

    picture: int
    path: str | Path
    name: str
    captioner: str = ""
    captions: tuple[ScoredCaption, ...] = ()
    note: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionResult(Result):
    """Rows by picture and then in the order of the captioners; `titles` are the captioners' by name.

    `pictures` is how many were given and `captioned` how many have at least one caption. `ranker` is the title of the
    CLIP behind CLIPScore; `notes` are sentences.
    """

    rows: tuple[CaptionRow, ...]
    titles: Mapping[str, str]
    pictures: int
    captioned: int
    ranker: str = ""
    notes: tuple[str, ...] = ()

    def chosen(self) -> dict[int, ScoredCaption]:
        """By number of the picture the caption that the consensus picks."""
        return {row.picture: each for row in self.rows for each in row.captions if each.chosen}

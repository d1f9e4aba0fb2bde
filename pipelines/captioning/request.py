"""What is asked of captioning, and the checks that it can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from models.families.caption_contract import Decoding
from pipelines import limits
from safeguards.prompts import check_prompt
from safeguards.wording import shown

if TYPE_CHECKING:
    from models.catalog import Catalog

MAX_PICTURES = 1_000
MAX_CAPTIONERS = 4


@dataclass(frozen=True)
class CaptionRequest:
    """Files of pictures, who is to put them into words, and how. () and "" stand for the catalog's defaults.

    `captioners` are names of the catalog, each of which captions every picture `decoding.count` times. `ranker` is the
    CLIP of CLIPScore, and `blend` in [0, 1] the share of CLIPScore in the consensus (see `consensus.judge`).
    """

    paths: tuple[str | Path, ...]
    captioners: tuple[str, ...] = ()
    decoding: Decoding = field(default_factory=Decoding)
    ranker: str = ""
    blend: float = 0.5

    def resolve(self, catalog: Catalog) -> CaptionRequest:
        """The same request with every default filled in. Resolving twice changes nothing more.

        Raises BadRequest for a value that is not allowed, Blocked for words that are not, and ModelUnavailable when a
        model's files are not here. Whether a captioner has all settings of `decoding` shows when it is loaded.
        """
        if not isinstance(self.decoding, Decoding):
            raise BadRequest(f"The decoding is {shown(self.decoding)}; it must be a Decoding.")
        if words := " ".join(filter(None, (self.decoding.opening, *self.decoding.required))):
            check_prompt(words, "text that captions are to have")
        return replace(
            self,
            paths=_check_paths(self.paths),
            captioners=_check_captioners(catalog, self.captioners),
            ranker=limits.model(catalog, "ranker", self.ranker).name,
            blend=limits.number("share of CLIPScore in the consensus", self.blend, 0, 1),
        )

    @property
    def cost(self) -> float:
        """How much work it is, in tokens at most; estimates of time are made from it."""
        return float(max(len(self.paths), 1) * max(len(self.captioners), 1) * self.decoding.max_tokens)


def _check_paths(paths: Sequence[str | Path]) -> tuple[str | Path, ...]:
    if not paths:
        raise BadRequest(f"There is no picture to caption; choose 1 to {MAX_PICTURES:,}.")
    if len(paths) > MAX_PICTURES:
        raise BadRequest(
            f"There are {len(paths):,} pictures; at most {MAX_PICTURES:,} fit into one run. "
            "Please caption them in several runs."
        )
    return tuple(paths)


def _check_captioners(catalog: Catalog, names: Any) -> tuple[str, ...]:
    if isinstance(names, str):
        raise BadRequest(f"The captioners are {shown(names)}; they must be a list of names.")
    found = tuple(limits.model(catalog, "captioner", name).name for name in names or ("",))
    if len(found) > MAX_CAPTIONERS:
        raise BadRequest(f"There are {len(found)} captioners; at most {MAX_CAPTIONERS} can work side by side.")
    if twice := next((name for name in found if found.count(name) > 1), None):
        raise BadRequest(f"The captioner {shown(twice)} is named twice; name each once.")
    return found

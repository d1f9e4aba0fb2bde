"""From what a page or a program says about image → prompt to the request that a run takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from models.families.caption_contract import Decoding
from pipelines.image_to_prompt.ensemble import PRESETS
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.wary import ARTISTS
from safeguards.wording import refuse, shown
from tabs.widgets import typed_number

if TYPE_CHECKING:
    from common.settings import Settings
    from models.catalog import Catalog

NO_PICTURE = "There is no picture yet. Drop one above, or take one of the examples."
LISTS = (".txt", ".csv", ".tsv", ".json")
NUMBERS = {
    "budget": "Token budget",
    "pool": "Number of candidates",
    "most": "Phrases at most",
    "least": "Phrases at least",
}
FIELDS = (
    "methods", "mode", "captioners", "count", "lists", "list_paths", "artists", "start", "index", "column",
    "neighbours", "head", "weights", "ranker", *NUMBERS, "attribute",
)  # fmt: skip


def make_request(
    catalog: Catalog,
    paths: Sequence[str],
    named: Mapping[str, Any],
    files: Sequence[str] | None = (),
    prompts: str | None = "",
) -> ImageToPromptRequest:
    """The checked request for settings by name (FIELDS), with None, "" and what is not there for a default.

    `files` are lists of phrases, `prompts` is the file for “nearest”. What only a method needs that is not chosen
    counts nothing, for a page keeps it out of sight. Raises BadRequest, Blocked and ModelUnavailable as `resolve` does.
    """
    if not paths:
        raise BadRequest(NO_PICTURE)
    methods = tuple(named.get("methods") or ())
    if not methods:
        raise BadRequest("No method is chosen. Tick at least one under “Methods”.")
    given: dict[str, Any] = {name: named[name] for name in ("mode", "start", "ranker") if named.get(name)}
    given |= {name: bool(named[name]) for name in ("artists", "attribute") if named.get(name) is not None}
    given |= {name: typed_number(named.get(name), words, int) for name, words in NUMBERS.items()}
    if named.get("lists") is not None:
        given["lists"] = tuple(named["lists"])
    if "nearest" in methods:
        given |= {"index": named.get("index") or "", "prompts": prompts or "", "column": named.get("column") or ""}
        given["neighbours"] = _whole(named.get("neighbours") or 20)
    if "regression" in methods:
        given["head"] = named.get("head") or ""
    if "ensemble" in methods:
        given["weights"] = weights_of(named.get("weights"))
    if named.get("count") not in (None, ""):
        given["decoding"] = Decoding(count=_whole(named["count"]), beams=max(5, int(named["count"])))
    captioners = tuple(named.get("captioners") or ())
    files = [*(files or ()), *lists_at(catalog.settings, named.get("list_paths"), bool(named.get("artists")))]
    made = ImageToPromptRequest(tuple(paths), methods, files=tuple(files), captioners=captioners, **given)
    return made.resolve(catalog)


def lists_at(settings: Settings, text: str | None, artists: bool = False) -> list[str]:
    """The files of phrases that paths, one a line, stand for; of a folder all that can hold phrases, by name.

    A folder's list of artists is passed over unless `artists` may be named. Raises BadRequest for a path where nothing
    is, and on a page that strangers can reach, where the files of its machine are nobody's business.
    """
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if lines and settings.public:
        raise BadRequest(
            "This app is open to strangers, so it reads no files of its machine; upload the lists instead."
        )
    found: list[str] = []
    for line in lines:
        path = Path(line).expanduser()
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.suffix.lower() in LISTS and each.is_file())
            found += [str(each) for each in inside if artists or each.stem.casefold() != ARTISTS]
        elif path.is_file():
            found.append(str(path))
        else:
            raise refuse(path, "is no file or folder on this machine; write the whole path of a list of phrases.")
    return found


def weights_of(text: str | Mapping[str, float] | None) -> dict[str, float]:
    """ "caption:blip-large = 0.3, nearest = 0.7" -> weights by method; {} weighs all evenly. Raises BadRequest."""
    if isinstance(text, Mapping):
        return dict(text)
    found = {}
    for part in filter(None, (each.strip() for each in re.split(r"[,;\n]", text or ""))):
        name, equals, value = part.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not (equals and name.strip()):
            raise BadRequest(
                f"The weights hold {shown(part)}; write them as method = number with commas between, such as "
                "interrogator = 0.6, nearest = 0.4."
            )
    return found


def weights_text(weights: Mapping[str, float]) -> str:
    """The inverse of `weights_of`."""
    return ", ".join(f"{name} = {weight:.3g}" for name, weight in weights.items())


def preset(name: str) -> dict[str, Any]:
    """The settings that a preset of the ensemble stands for."""
    weights = PRESETS[name]
    captioners = [each.removeprefix("caption:") for each in weights if each.startswith("caption:")]
    return {"methods": ["caption", "ensemble"], "captioners": captioners, "weights": weights_text(weights)}


def _whole(value: Any) -> Any:
    """Browsers send 5.0 where 5 is meant."""
    return int(value) if isinstance(value, float) and value.is_integer() else value

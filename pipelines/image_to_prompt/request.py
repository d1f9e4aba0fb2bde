"""What is asked of image → prompt, and the checks that it can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError, BadRequest
from models.families.caption_contract import Decoding
from pipelines import limits
from pipelines.image_to_prompt.ensemble import check_weights
from pipelines.image_to_prompt.interrogator import ADDING, MODES
from pipelines.image_to_prompt.lists import BUILT_IN, NEGATIVE
from safeguards.prompts import check_prompt
from safeguards.recipe import Recipe
from safeguards.wording import file_name, shown

if TYPE_CHECKING:
    from models.catalog import Catalog

TASK = "image_to_prompt"
MAX_PICTURES, MAX_CAPTIONERS, MAX_FILES = 1_000, 4, 20
METHODS = ("interrogator", "caption", "nearest", "zero_image", "regression", "ensemble")
NEEDS_SENTENCES = ("zero_image", "regression", "ensemble")


@dataclass(frozen=True)
class ImageToPromptRequest:
    """Files of pictures, and by which methods to find their prompts. "" and () stand for the catalog's defaults.

    `methods`: some of METHODS; a prompt that a file carries is always read and shown first. `mode` is one of
    `interrogator.MODES`. `lists` are built-in lists of phrases and `files` further ones; `artists` allows phrases that
    name artists. `captioners` write the beginning of the interrogator's prompt (the first of them) and are methods of
    their own; with none and none in the catalog the lists provide a beginning. `start` is a beginning of one's own.
    `index` is the image index and `prompts` a file of prompts for “nearest”, in its column `column` or, for "", the one
    with a usual name; `neighbours` how many count. `head` names
    the regression head. `budget` is how many tokens the interrogator's prompt may have, both markers included; None for
    all that the ranker reads. `weights` are the ensemble's, by method, a captioner as "caption:NAME"; () weighs all
    evenly. `pool`, `most` and `least` are the chain's (see `chain.Effort`), None for what suits the ranker.
    `attribute`: compute what each phrase of a prompt is worth.
    """

    paths: tuple[str | Path, ...]
    methods: tuple[str, ...] = ("interrogator",)
    mode: str = "best"
    lists: tuple[str, ...] = BUILT_IN
    files: tuple[str | Path, ...] = ()
    artists: bool = False
    ranker: str = ""
    captioners: tuple[str, ...] = ()
    decoding: Decoding = field(default_factory=Decoding)
    start: str = ""
    index: str = ""
    prompts: str | Path = ""
    column: str = ""
    neighbours: int = 20
    head: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    pool: int | None = None
    most: int | None = None
    least: int | None = None
    budget: int | None = None
    attribute: bool = True

    def resolve(self, catalog: Catalog) -> ImageToPromptRequest:
        """The same request with every default filled in. Resolving twice changes nothing more.

        Raises BadRequest for a value that is not allowed, Blocked for words that are not, and ModelUnavailable when a
        model's files are not here.
        """
        methods = _some("methods", self.methods, METHODS)
        mode = limits.one_of("mode", self.mode, MODES, MODES[0])
        if not isinstance(self.decoding, Decoding):
            raise BadRequest(f"The decoding is {shown(self.decoding)}; it must be a Decoding.")
        if self.start:
            check_prompt(self.start, "beginning")
        self._check_needs(methods)
        weights = check_weights(self.weights) if self.weights else {}
        captioners = _captioners(catalog, self.captioners, "caption" in methods or _wanted(weights))
        begins = "interrogator" in methods and mode in ADDING and not self.start
        for name in weights:
            if name not in (*METHODS[:-1], *(f"caption:{each}" for each in captioners)) or name == "caption":
                raise BadRequest(f"The ensemble wants {shown(name)}, which is not among the methods of this run.")
        if not begins and "caption" not in methods and not _wanted(weights):
            captioners = ()  # nobody would read what they say
        if set(methods) & set(NEEDS_SENTENCES):
            limits.model(catalog, "sentence", "")
        return replace(
            self,
            paths=_paths(self.paths),
            methods=methods,
            mode=mode,
            lists=_lists(self.lists, self.files, mode),
            files=tuple(self.files),
            artists=limits.flag("choice “artists”", self.artists),
            ranker=limits.model(catalog, "ranker", self.ranker).name,
            captioners=captioners,
            neighbours=limits.whole("number of neighbours", self.neighbours, 1, 500),
            weights=weights,
            pool=None if self.pool is None else limits.whole("number of candidates", self.pool, 1, 500_000),
            most=None if self.most is None else limits.whole("number of phrases at most", self.most, 1, 64),
            least=None if self.least is None else limits.whole("number of phrases at least", self.least, 0, 64),
            budget=None if self.budget is None else limits.whole("token budget", self.budget, 8, 512),
            attribute=limits.flag("choice “attribute”", self.attribute),
        )

    def _check_needs(self, methods: Sequence[str]) -> None:
        if "nearest" in methods and bool(self.index) == bool(str(self.prompts)):
            raise BadRequest("The method “nearest” needs an image index or a file of prompts, and only one of them.")
        if "regression" in methods and not self.head:
            raise BadRequest("The method “regression” needs the name of a head; train one first.")
        members = [each for each in methods if each != "ensemble"]
        if self.mode == "negative":  # what a picture is not is no guess that could be mixed in
            members = [each for each in members if each != "interrogator"]
        if "ensemble" in methods and len(members) < 2 and not ("caption" in methods and len(self.captioners) > 1):
            raise BadRequest("An ensemble needs at least two other methods, or two captioners; choose more.")

    @property
    def cost(self) -> float:
        """How much work it is, in units of about a caption; estimates of time are made from it."""
        slow = {"best": 20.0, "negative": 20.0}.get(self.mode, 2.0) if "interrogator" in self.methods else 0.0
        return max(len(self.paths), 1) * (slow + max(len(self.captioners), 1) + len(self.methods))


def recipe_of(request: ImageToPromptRequest, revision: str, hashes: Sequence[str]) -> Recipe:
    """The recipe of a resolved request; `hashes` are those of the pictures."""
    names = ("methods", "mode", "lists", "artists", "ranker", "captioners", "start", "index", "column", "neighbours")
    names = (*names, "head")
    settings = {name: getattr(request, name) for name in (*names, "pool", "most", "least", "budget")}
    settings |= {"weights": dict(request.weights), "files": [file_name(path) for path in request.files]}
    return Recipe(TASK, request.ranker, revision, settings, parents=tuple(hashes))


def _wanted(weights: Mapping[str, float]) -> bool:
    return any(name.startswith("caption:") for name in weights)


def _some(name: str, values: Any, allowed: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str) or not values:
        raise BadRequest(f"The {name} are {shown(values)}; choose some of {', '.join(allowed)}.")
    for value in values:
        if value not in allowed:
            raise BadRequest(f"The {name} hold {shown(value)}; allowed are {', '.join(allowed)}.")
    return tuple(each for each in allowed if each in values)


def _paths(paths: Sequence[str | Path]) -> tuple[str | Path, ...]:
    if not 1 <= len(paths) <= MAX_PICTURES:
        raise BadRequest(f"There are {len(paths):,} pictures; allowed are 1 to {MAX_PICTURES:,} in one run.")
    return tuple(paths)


def _lists(names: Any, files: Sequence[str | Path], mode: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise BadRequest(f"The lists are {shown(names)}; they must be a list of names.")
    for name in names:
        if name not in (*BUILT_IN, NEGATIVE):
            raise BadRequest(f"There is no list {shown(name)}; there are {', '.join((*BUILT_IN, NEGATIVE))}.")
    if len(files) > MAX_FILES:
        raise BadRequest(f"There are {len(files)} files with phrases; at most {MAX_FILES} are read.")
    found = tuple(dict.fromkeys((*names, NEGATIVE) if mode == "negative" else names))
    if not found and not files:
        raise BadRequest("There is no list of phrases; choose at least one, or bring a file with phrases.")
    return found


def _captioners(catalog: Catalog, names: Any, needed: bool) -> tuple[str, ...]:
    if isinstance(names, str):
        raise BadRequest(f"The captioners are {shown(names)}; they must be a list of names.")
    if not names and not needed:
        try:  # a caption is a good beginning, but the lists have one too
            spec = catalog.default("captioner")
        except AtelierError:
            return ()
        return (spec.name,) if catalog.is_available(spec) else ()
    found = tuple(dict.fromkeys(limits.model(catalog, "captioner", name).name for name in names or ("",)))
    if len(found) > MAX_CAPTIONERS:
        raise BadRequest(f"There are {len(found)} captioners; at most {MAX_CAPTIONERS} can work side by side.")
    return found

"""What may be asked of an index: to be built, and to be searched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import BadRequest
from pipelines import limits
from pipelines.image_index.card import CARD, Card, index_folder, read_card, revision_of
from pipelines.image_index.filters import Filters
from pipelines.steps import Result
from safeguards.prompts import check_prompt
from safeguards.wording import refuse

if TYPE_CHECKING:
    from models.catalog import Catalog

MAX_COUNT = 500


@dataclass(frozen=True)
class BuildIndexRequest:
    """Pictures for the index `index`: those in `folder` and below, or the `files` given, or, with neither, all that
    this app has made.

    `ranker` "" is that of the index, for a new one the default. `rebuild` allows to replace an index made with another
    model; it then takes in again every file that the index knew.
    """

    index: str = "gallery"
    folder: str | Path = ""
    files: tuple[str | Path, ...] = ()
    ranker: str = ""
    rebuild: bool = False

    def resolve(self, catalog: Catalog) -> BuildIndexRequest:
        """The same request with every default filled in.

        Raises BadRequest for a value that is not allowed or a folder that is not there, and ModelUnavailable when the
        ranker's files are not here.
        """
        settings, place = catalog.settings, index_folder(catalog.settings, self.index)
        rebuild = limits.flag("choice “rebuild”", self.rebuild)
        if str(self.folder) and self.files:
            raise BadRequest("Both a folder and single files were given; allowed is one of the two.")
        if settings.public and not self.files:
            raise BadRequest(
                "This app is open to strangers, so folders of its machine are not indexed; upload the pictures instead."
            )
        own = read_card(place).ranker if not self.ranker and not rebuild and (place / CARD).is_file() else ""
        ranker = limits.model(catalog, "ranker", self.ranker or own).name
        folder = Path(self.folder) if str(self.folder) else settings.output
        if not self.files and not folder.is_dir():
            reason = "is not there or not a folder. Choose the folder with the pictures."
            raise refuse(folder, reason) if str(self.folder) else BadRequest("This app has made no pictures yet.")
        return replace(self, folder="" if self.files else folder, files=tuple(self.files), ranker=ranker)


@dataclass(frozen=True, kw_only=True, eq=False)
class BuildIndexResult(Result):
    """How an index looks after a build.

    `pictures` are those in it now; of this run's files, `new` were looked at by the model, `copies` show a picture
    that was known already, `unchanged` are as they were, `gone` were taken out, and `refused` could not be read, each
    with the reason as one sentence.
    """

    index: str
    pictures: int
    new: int = 0
    copies: int = 0
    unchanged: int = 0
    gone: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchImagesRequest:
    """Which pictures of an index are like the words `text`, like the picture in the file `image`, or like both.

    `image_share`: with both, how much the picture counts beside the words, from 0 to 1. `count`: how many to find.
    `filters` say which pictures count at all. `ranker` "" is that of the index; another one is refused.
    """

    index: str = "gallery"
    text: str = ""
    image: str | Path | None = None
    image_share: float = 0.5
    count: int = 10
    filters: Filters = field(default_factory=Filters)
    ranker: str = ""

    def resolve(self, catalog: Catalog) -> SearchImagesRequest:
        """The same request with every default filled in.

        Raises BadRequest for a value that is not allowed and for an index that is not there, OtherModelError for an
        index of another model, Blocked for words that are not allowed, and ModelUnavailable.
        """
        folder = index_folder(catalog.settings, self.index)
        if not self.text and self.image is None:
            raise BadRequest("There is neither a picture nor a word to search for; give one of them or both.")
        if self.text:
            check_prompt(self.text, "words to search for")
        card = read_card(folder)
        spec = limits.model(catalog, "ranker", self.ranker or card.ranker)
        revision = revision_of(spec, catalog.settings)
        card.check(Card(spec.name, spec.title, revision, card.dimension), self.index)
        if not isinstance(self.filters, Filters):
            raise BadRequest("The filters are not a set of filters.")
        return replace(
            self,
            image_share=limits.number("share of the picture", self.image_share, 0, 1),
            count=limits.whole("number of pictures to find", self.count, 1, MAX_COUNT),
            ranker=spec.name,
        )


@dataclass(frozen=True)
class Hit:
    """A picture found. `cosine` is in [-1, 1]; `here` is False when its file was deleted after the index was built.

    `copies` are further files with the same pixels; `prompt` and `program` are what the file's metadata told.
    """

    path: str
    cosine: float
    prompt: str
    program: str
    width: int
    height: int
    modified: datetime
    picture: str
    copies: tuple[str, ...] = ()
    here: bool = True


@dataclass(frozen=True)
class FoundPrompt:
    """A prompt of similar pictures: the best cosine among the `count` pictures found that have it."""

    prompt: str
    cosine: float
    count: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchImagesResult(Result):
    """`hits` best first, and their different `prompts`, best first; `pictures` is how many the index holds."""

    hits: tuple[Hit, ...]
    prompts: tuple[FoundPrompt, ...]
    pictures: int
    card: Card
    notes: tuple[str, ...] = ()

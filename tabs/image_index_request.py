"""From what a page or a program says about an index to the requests that its pipelines take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines import limits
from pipelines.image_index.card import OtherModelError
from pipelines.image_index.filters import Filters
from pipelines.image_index.request import BuildIndexRequest, BuildIndexResult, SearchImagesRequest
from pipelines.steps import Run
from safeguards.wording import shown
from tabs.image_index_shelf import SOURCES, Built, Shelf, built, note
from tabs.image_index_uploads import Intake, kept, put_away
from tabs.widgets import typed_number

if TYPE_CHECKING:
    from pipelines.services import Services

FILTERS = ("folder", "least", "most", "has_prompt", "since", "until", "words")
PROMPTS = {"": None, "yes": True, "no": False}
NONE_YET = "There is no index yet. Build one first, under “Build an index”."


@dataclass(frozen=True)
class Order:
    """A checked request, how the index shall remember it, and what was uploaded but is no picture, with the reason."""

    request: BuildIndexRequest
    how: Built
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def cost(self) -> float:
        """For estimates; how many pictures a folder holds is not known yet."""
        return float(len(self.request.files) or 1000)


def filters(named: Mapping[str, Any]) -> Filters:
    """The filters for settings by name, with None and "" for those that let all through. Raises BadRequest."""
    has_prompt = named.get("has_prompt") or ""
    if has_prompt not in PROMPTS:
        raise BadRequest(f"The choice “has a prompt” is {shown(has_prompt)}; allowed are yes, no, or nothing.")
    folder = (named.get("folder") or "").strip()
    return Filters(
        folder=Path(folder).expanduser() if folder else "",
        least=typed_number(_whole(named.get("least")), "least number of pixels", int),
        most=typed_number(_whole(named.get("most")), "most number of pixels", int),
        has_prompt=PROMPTS[has_prompt],
        since=(named.get("since") or "").strip()[:10],
        until=(named.get("until") or "").strip()[:10],
        words=named.get("words") or "",
    )


def search_request(
    services: Services,
    shelf: Shelf,
    index: str | None,
    text: str,
    image: str | None,
    named: Mapping[str, Any],
) -> SearchImagesRequest:
    """The checked request. `named` has the filters, and may have "image_share", "count" and "ranker".

    Raises BadRequest and others as `resolve` does.
    """
    if not index:
        raise BadRequest(NONE_YET)
    share, count = named.get("image_share"), named.get("count")
    with shelf.plain_words():
        return SearchImagesRequest(
            index=shelf.real(index),
            text=(text or "").strip(),
            image=image or None,
            image_share=0.5 if share is None else share,
            count=10 if count is None else count,
            filters=filters(named),
            ranker=named.get("ranker") or "",
        ).resolve(services.catalog)


def build_order(
    services: Services,
    shelf: Shelf,
    index: str,
    source: str,
    folder: str = "",
    files: Sequence[str] = (),
    ranker: str = "",
) -> Order:
    """The order for a build; `files` are put away for the index first.

    `source`: "folder", "uploads" (those put away before count, too) or "gallery". Raises BadRequest and others as
    `resolve` does, OtherModelError when the index is of another model.
    """
    index, folder, intake = (index or "").strip(), (folder or "").strip(), Intake()
    with shelf.plain_words():
        real = shelf.real(index)
        _check_source(source, folder, services.settings.public)
        if ranker:
            limits.model(services.catalog, "ranker", ranker)
        card = shelf.card(index)
        if card and (trouble := shelf.trouble(index, card, services.catalog, ranker)):
            raise OtherModelError(trouble)
        if source == "uploads":
            shelf.make_room()
            intake = put_away(files, shelf.uploads(index), services.settings)
            pictures = kept(shelf.uploads(index))
            if not pictures:
                raise BadRequest(_nothing(intake))
            request = BuildIndexRequest(real, files=tuple(pictures), ranker=ranker)
        else:
            place = Path(folder).expanduser() if source == "folder" else ""
            request = BuildIndexRequest(real, folder=place, ranker=ranker)
        how = Built(source, str(request.folder), finished=False)
        return Order(request.resolve(services.catalog), how, tuple(intake.left_out))


def rebuild_order(services: Services, shelf: Shelf, index: str, ranker: str) -> Order:
    """The order that builds an index anew, from all files that it knows, with another model.

    Raises BadRequest when none of its files is there any more.
    """
    from pipelines.image_index.store import ImageIndex

    with shelf.plain_words():
        folder = shelf.folder(index)
        files = tuple(path for path in ImageIndex.open(folder).files() if Path(path).is_file())
        if not files:
            raise BadRequest(
                f"None of the pictures of the index {shown(index)} is there any more, so it cannot be built again; "
                "delete it, and build another one."
            )
        before = built(folder)
        request = BuildIndexRequest(shelf.real(index), files=files, ranker=ranker, rebuild=True)
        return Order(request.resolve(services.catalog), replace(before, finished=False))


def start_build(order: Order, services: Services, device: str) -> Run:
    """The run of a build; the index remembers from where it was built, and whether to its end."""
    from pipelines.image_index import build

    request, how = order.request, order.how
    shelf, name = Shelf.holding(services.settings, request.index)
    folder = shelf.folder(name)
    with shelf.plain_words():
        run, command, begun = build.run(request, services, device), None, False
        try:
            while True:
                event = run.send(command)
                if isinstance(event, BuildIndexResult):
                    note(folder, replace(how, finished=not event.stopped))
                    event = replace(event, refused=event.refused + order.left_out)
                elif not begun:  # only now is it certain that nobody else builds it
                    note(folder, how)
                    begun = True
                command = yield event
        except StopIteration:
            return
        finally:
            run.close()


def start_search(request: SearchImagesRequest, services: Services, device: str) -> Run:
    """The run of a search."""
    from pipelines.image_index import search

    with Shelf.holding(services.settings, request.index)[0].plain_words():
        yield from search.run(request, services, device)


def _check_source(source: str, folder: str, public: bool) -> None:
    if source not in SOURCES:
        raise BadRequest(f"The source of the pictures is {shown(source)}; allowed are {', '.join(SOURCES)}.")
    if source == "folder" and not folder:
        raise BadRequest("No folder is named. Type the path of the folder with the pictures.")
    if public and source != "uploads":
        raise BadRequest(
            "This app is open to strangers, so folders of its machine are not indexed; upload the pictures instead."
        )


def _nothing(intake: Intake) -> str:
    if intake.left_out:
        name, reason = intake.left_out[0]
        return f"There is no picture in what was uploaded: {name} {reason}."
    return "There is no picture to index. Drop some here, or a zip file of them."


def _whole(value: Any) -> Any:
    """Browsers and JSON send 5.0 where 5 is meant."""
    return int(value) if isinstance(value, float) and value.is_integer() else value

"""Build an index: look at what is new or changed, keep what is finished, go on after any interruption."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

from common.errors import BadRequest
from pipelines.image_index.card import CARD, Card, card_of, index_folder, read_card, write_card
from pipelines.image_index.request import BuildIndexRequest, BuildIndexResult
from pipelines.image_index.store import ImageIndex, building
from pipelines.image_index.walk import Walk, look, named, plain_path, walk
from pipelines.image_index.work import Work
from pipelines.services import Services
from pipelines.steps import Command, Run, Step, Stop
from safeguards.wording import file_name

SLICE = 8  # pictures in memory at a time, and between two steps


def run(request: BuildIndexRequest, services: Services, device: str | None = None) -> Run:
    """Build or bring up to date; yields a `Step` after each few files and the `BuildIndexResult` at the end.

    A file whose size and time of change are known is not opened, one whose bytes are known not decoded, and a picture
    whose pixels are known not shown to the model. On `Stop`, and after a crash, what was written stays; the next run
    goes on from there. Raises what `resolve` and the model pool raise, OtherModelError for an index of another model
    unless `rebuild` is on, and BadRequest when the folder disappears on the way.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    folder = index_folder(services.settings, request.index)
    with building(folder):
        card, old = card_of(request.ranker, services, device), _old_card(folder)
        if old and not request.rebuild:
            old.check(card, request.index)
        found = _found(request, folder, old if old and old.key != card.key else None)
        if old is None:
            write_card(folder, card)
        work = Work(ImageIndex(folder, card), services, device)
        stopped = yield from _take_in(work, request, found)
        gone = [] if stopped else _gone(work, request, found)
        yield Step(len(found.files) + 1, len(found.files) + 2, "putting the index in order")
        work.index.forget(gone)
        work.index.agree()
        work.index.settle()
        if not stopped:
            work.index.take_over()
        yield _result(request, work, found, began, stopped, len(gone))


def _take_in(work: Work, request: BuildIndexRequest, found: Walk) -> Generator[Step, Command | None, bool]:
    """Look at all files that are new or changed; whether to stop."""
    todo = [item for item in found.files.items() if not work.unchanged(*item)]
    done, total = len(found.files) - len(todo), len(found.files) + 2
    for start in range(0, len(todo), SLICE):
        work.take(todo[start : start + SLICE])
        done += len(todo[start : start + SLICE])
        gone = bool(request.folder) and not Path(request.folder).is_dir()
        work.flush(now=gone)
        if gone:
            raise BadRequest(
                f"The folder {file_name(request.folder)} disappeared after {done:,} of {len(found.files):,} pictures. "
                "What was finished stays in the index; bring the folder back and build again to go on from there."
            )
        counts = {"new": work.new, "copies": work.copies, "refused": len(work.refused)}
        if isinstance((yield Step(done, total, "looking at the pictures", data=counts)), Stop):
            break
    else:
        work.flush(now=True)
        return False
    work.flush(now=True)
    return done < len(found.files)


def _old_card(folder: Path) -> Card | None:
    return read_card(folder) if (folder / CARD).is_file() else None


def _found(request: BuildIndexRequest, folder: Path, replaced: Card | None) -> Walk:
    """The files to take in; with them, when an index is replaced, all that it knew and that are still there."""
    here = walk(Path(request.folder)) if request.folder else Walk(_looked(request.files))
    if replaced is None:
        return here
    return Walk({**_looked(ImageIndex(folder, replaced).files()), **here.files}, here.unread)


def _looked(paths: object) -> dict[str, tuple[int, int]]:
    return {path: about for each in paths for path, about in look(Path(each)).items()}


def _gone(work: Work, request: BuildIndexRequest, found: Walk) -> list[str]:
    """Files that were in the folder and no longer are; those below a folder that cannot be opened are not judged."""
    if not request.folder:
        return []
    root = plain_path(request.folder)
    refused = {path for path, _ in work.refused}
    missing = (path for path in work.known if path not in found.files or path in refused)
    inside = (path for path in missing if Path(path).is_relative_to(root))
    return [path for path in inside if not any(Path(path).is_relative_to(part) for part in found.unread)]


def _result(
    request: BuildIndexRequest, work: Work, found: Walk, began: float, stopped: bool, gone: int
) -> BuildIndexResult:
    new, copies, refused = work.new, work.copies, work.refused
    closed = [f"{len(found.unread):,} folders could not be opened: {named(found.unread)}."] if found.unread else []
    replaced = "The index as it was stays in use until a rebuild is finished." if stopped and request.rebuild else ""
    return BuildIndexResult(
        seconds=time.monotonic() - began,
        model=work.index.card.title,
        stopped=stopped,
        index=request.index,
        pictures=len(work.index),
        new=new,
        copies=copies,
        unchanged=0 if stopped else len(found.files) - new - copies - len(refused),
        gone=gone,
        refused=tuple(refused),
        notes=tuple(note for note in (replaced, *closed, *(reason for _, reason in refused[:20])) if note),
    )

"""A folder of pictures in, a CSV out, row by row; begun again it goes on where it ended."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError, BadRequest
from pipelines.image_index.walk import walk
from pipelines.image_to_prompt import run as rooms
from pipelines.image_to_prompt.clock import Clock
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.rows import PromptRow
from pipelines.prompt_data.cells import cell, uncell
from pipelines.services import Services
from pipelines.steps import Command, Result, Run, Step, Stop
from safeguards.wording import file_name, refuse

if TYPE_CHECKING:
    from models.catalog import Catalog

COLUMNS = ("file", "method", "prompt", "cosine", "seconds", "exact", "error", "run")
PART = 16  # pictures that a crash can cost


@dataclass(frozen=True)
class FolderRequest:
    """The pictures in `folder` and below, by `request` (whose own paths do not count), into the CSV file `table`.

    Rows that the file has already are kept, and pictures with rows from the same settings are not looked at again.
    """

    folder: str | Path
    table: str | Path
    request: ImageToPromptRequest

    def resolve(self, catalog: Catalog) -> FolderRequest:
        """The same request with every default filled in. Raises BadRequest and others as `ImageToPromptRequest`."""
        if catalog.settings.public:
            raise BadRequest(
                "This app is open to strangers, so folders of its machine are not read; upload the pictures instead."
            )
        if not Path(self.folder).is_dir():
            raise refuse(self.folder, "is not there or not a folder. Choose the folder with the pictures.")
        if Path(self.table).suffix.lower() != ".csv":
            raise refuse(self.table, "must end in .csv, for that is what is written.")
        resolved = replace(self.request, paths=("-",)).resolve(catalog)
        return replace(self, folder=Path(self.folder), table=Path(self.table), request=resolved)

    @property
    def key(self) -> str:
        """12 hex digits that differ where the settings do; rows carry them."""
        table = {name: value for name, value in asdict(self.request).items() if name != "paths"}
        return hashlib.blake2b(json.dumps(table, sort_keys=True, default=str).encode(), digest_size=6).hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class FolderResult(Result):
    """`table` is the file; of the `pictures` in the folder `done` have rows now, `skipped` of them from before."""

    table: Path
    pictures: int
    done: int
    skipped: int = 0
    failed: int = 0
    notes: tuple[str, ...] = ()


def run(request: FolderRequest, services: Services, device: str | None = None) -> Run:
    """Work through the folder; yields a `Step` as `run.run` does and the `FolderResult` at the end.

    What is finished is in the file, also when the run is stopped or the process killed. Raises what `resolve` and
    `run.run` raise; when the folder vanishes on the way the result says so.
    """
    began = time.monotonic()
    request = request.resolve(services.catalog)
    work = _Folder(request, services, device)
    while work.left and not work.stopped:
        if not request.folder.is_dir():
            left = f"{len(work.left):,} of its pictures are left"
            work.notes.append(f"The folder {file_name(request.folder)} went away; {left}.")
            break
        yield from work.part()
    yield FolderResult(
        seconds=time.monotonic() - began,
        model=services.catalog.get(request.request.ranker).title,
        stopped=work.stopped,
        table=request.table,
        pictures=len(work.names),
        done=work.done,
        skipped=work.skipped,
        failed=work.failed,
        notes=tuple(dict.fromkeys(work.notes)),
    )


class _Folder:
    """The state of one run: `names` of the files by path, those `left`, and counts."""

    def __init__(self, request: FolderRequest, services: Services, device: str | None) -> None:
        self._request, self._services, self._device = request, services, device
        root = os.path.abspath(request.folder)
        self.names = {path: Path(os.path.relpath(path, root)).as_posix() for path in walk(request.folder).files}
        before = _finished(request.table, request.key)
        self.left = [path for path, name in self.names.items() if name not in before]
        self.skipped = self.done = len(self.names) - len(self.left)
        self.failed, self.stopped = 0, False
        self._clock = Clock()
        self.notes: list[str] = []

    def part(self) -> Generator[Step, Command | None, None]:
        """The next few pictures, written to the table when they are finished."""
        part, self.left = self.left[:PART], self.left[PART:]
        steps = rooms.run(replace(self._request.request, paths=tuple(part)), self._services, self._device)
        command: Command | None = None
        try:
            while not isinstance(event := steps.send(command), Result):
                number = self.done * 100 + int(100 * event.number / event.total * len(part))
                note = f"{self.done:,} of {len(self.names):,} pictures; {event.note}"
                self._clock.begin(number)  # not the pictures from before, which took no time
                data = {**event.data, "left": self._clock.left(number, len(self.names) * 100)}
                command = yield Step(number, len(self.names) * 100, note, event.previews, data)
                self.stopped = self.stopped or isinstance(command, Stop)
        except AtelierError as error:
            if all(Path(path).is_file() for path in part):
                self._write([PromptRow(k, path, file_name(path), "", error=str(error)) for k, path in enumerate(part)])
            else:  # they went away; they may come back
                self.left = [*part, *self.left] if not self._request.folder.is_dir() else self.left
            return
        finally:
            steps.close()
        self.notes += event.notes
        gone = {row.picture for row in event.rows if row.error and not row.method and not Path(row.path).is_file()}
        self._write([row for row in event.rows if row.picture < event.complete and row.picture not in gone])

    def _write(self, rows: Sequence[PromptRow]) -> None:
        _append(self._request.table, [line(row, self.names[str(row.path)], self._request.key) for row in rows])
        done, answered = {row.picture for row in rows}, {row.picture for row in rows if row.prompt}
        self.done += len(done)
        self.failed += len(done - answered)


def _finished(table: Path, key: str) -> set[str]:
    """The files that the table has rows of, from the same settings. Raises BadRequest for a table of another kind."""
    if not table.is_file() or not table.stat().st_size:
        return set()
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise refuse(table, f"is another table; one with the columns {', '.join(COLUMNS)} can be gone on with.")
            return {uncell(row["file"]) for row in reader if row["run"] == key and row["file"]}
    except (OSError, UnicodeDecodeError, csv.Error):
        raise refuse(table, "cannot be read as a table to go on with; give another name.") from None


def _append(table: Path, lines: list[tuple[Any, ...]]) -> None:
    new = not table.is_file() or not table.stat().st_size
    before = b"" if new else table.read_bytes()
    quoted = before.count(b'"') % 2  # a kill inside of quotes, which would swallow every row to come
    cut = not new and (quoted or not before.endswith(b"\n"))  # a kill in the middle of a line
    with open(table, "a", encoding="utf-8-sig" if new else "utf-8", newline="") as file:
        file.write('"' * quoted + ("\r\n" if cut else ""))
        writer = csv.writer(file)
        writer.writerows([COLUMNS] if new else [])
        writer.writerows(lines)
        file.flush()
        os.fsync(file.fileno())


def line(row: PromptRow, name: str, key: str) -> tuple[Any, ...]:
    """A row of the table, in the order of COLUMNS; no cell can be taken for a formula."""
    cosine = "" if row.cosine is None else f"{row.cosine:.6f}"
    method = "negative" if row.negative else row.method  # whoever reads the table shall not take it for a guess
    cells = map(cell, (name, method, _writable(row.prompt)))
    return (*cells, cosine, f"{row.seconds:.3f}", int(row.exact), row.error, key)


def _writable(prompt: str) -> str:
    """The whole prompt with its line breaks, without other characters that cannot be shown."""
    lines = prompt.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    return "\n".join("".join(c for c in line if c.isprintable()) for line in lines)


def prompts_of(table: str | Path, method: str) -> Iterator[tuple[str, str]]:
    """The files and prompts that a method has in such a table."""
    with open(table, encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["method"] == method and row["prompt"]:
                yield uncell(row["file"]), uncell(row["prompt"])

"""The index itself: two LanceDB tables in a folder, of which every write is there whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines.image_index import rows
from pipelines.image_index.card import Card, read_card, write_card
from pipelines.image_index.rows import Picture, SeenFile
from safeguards.wording import shown

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# Up to here all vectors are compared. The other numbers were chosen by `python -m benchmarks image_index`.
EXACT_UP_TO = 5_000
PROBES = 128  # partitions looked into, which is all of them up to 147,000 rows
ALL = 100_000  # more partitions than any index has
FINENESS = 1 / 3  # times the square root of the rows makes the number of partitions
REFINE = 3  # times as many as asked for are compared again with their full vectors
GROWTH = 2  # times the rows of their training after which the partitions are laid out anew
OLD_VERSIONS = timedelta(hours=1)  # a reader in the middle of a search still finds what it began with
CHUNK = 500  # keys in one condition
SHOWN = ("picture", "path", "copies", "prompt", "program", "width", "height", "modified", "bytes", "sha256")
_LAYOUT = "vectors_"  # and the rows there were at its training


@dataclass(frozen=True)
class Found:
    """A row of the index and its cosine to the query, in [-1, 1]; `row` has the columns SHOWN."""

    cosine: float
    row: Mapping[str, Any]


class ImageIndex:
    """The tables of one model in the folder of an index. Many may read at a time; `building` keeps writers apart."""

    def __init__(self, folder: Path, card: Card) -> None:
        import lancedb

        self.folder, self.card = folder, card
        # Every read looks for the newest version, so a search sees what a build in another process has written.
        database = lancedb.connect(folder / card.key, read_consistency_interval=timedelta(0))
        schemas = {"pictures": rows.picture_schema(card.dimension), "files": rows.file_schema()}
        self._pictures, self._files = (
            database.create_table(name, schema=schema, exist_ok=True) for name, schema in schemas.items()
        )

    @classmethod
    def open(cls, folder: Path) -> ImageIndex:
        """The index in `folder`, with the model of its card. Raises BadRequest when there is none."""
        return cls(folder, read_card(folder))

    def __len__(self) -> int:
        """The number of different pictures."""
        return self._pictures.count_rows()

    def add(self, pictures: Sequence[Picture], vectors: np.ndarray) -> None:
        """Add pictures with their unit vectors (N, D) float32. Raises BadRequest for vectors that are none."""
        if pictures:
            self._pictures.add(rows.picture_table(pictures, vectors, self.card))

    def note(self, files: Iterable[SeenFile]) -> None:
        """Remember how these files look now, in place of how they did before."""
        if table := [asdict(each) for each in files]:
            merge = self._files.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(_table(table, rows.file_schema()))

    def forget(self, paths: Iterable[str]) -> None:
        """Forget files that are no longer there."""
        _delete(self._files, "path", paths)

    def files(self) -> dict[str, SeenFile]:
        """All files known, by path."""
        batches = self._files.search().select(list(SeenFile.__dataclass_fields__)).to_batches(10_000)
        return {row["path"]: SeenFile(**row) for batch in batches for row in batch.to_pylist()}

    def pictures(self, where: str = "", columns: Sequence[str] = SHOWN) -> Iterator[pa.RecordBatch]:
        """The rows that fulfil a condition of `Filters.sql`, in batches with these columns."""
        query = self._pictures.search().select(list(columns))
        yield from (query.where(where) if where else query).to_batches(2_000)

    def search(self, vector: np.ndarray, count: int, where: str = "") -> list[Found]:
        """The `count` rows with the highest cosine to a unit vector (D,) float32, best first.

        The nearest partitions decide who is compared (see `settle`); with a condition of `Filters.sql` all are looked
        into, for the rows that fulfil it may lie in any. Raises BadRequest for a vector that is not of length 1.
        """
        rows.check_vectors(vector[None], ["the question"], self.card.dimension)
        query = self._pictures.search(vector, vector_column_name="vector").distance_type("cosine").limit(count)
        query = query.select([*SHOWN, "_distance"])
        query = query.nprobes(ALL if where else PROBES).refine_factor(REFINE)
        if where:
            query = query.where(where, prefilter=True)
        found = query.to_arrow().to_pylist()
        return [Found(max(-1.0, min(1.0, 1 - row.pop("_distance"))), row) for row in found]

    def agree(self) -> None:
        """Bring the rows of pictures into line with the files known: which of them stands for each, and who is gone."""
        by_picture: dict[str, list[SeenFile]] = {}
        for each in self.files().values():
            by_picture.setdefault(each.picture, []).append(each)
        wanted = {picture: rows.facts(files) for picture, files in by_picture.items()}
        names = [name for name in self._pictures.schema.names if name in rows.FACTS]
        changed, gone = [], []
        for batch in self.pictures(columns=names):
            for row in batch.to_pylist():
                if row["picture"] not in wanted:
                    gone.append(row["picture"])
                elif row != wanted[row["picture"]]:
                    changed.append(wanted[row["picture"]])
        if changed:
            import pyarrow as pa

            schema = pa.schema([self._pictures.schema.field(name) for name in names])
            self._pictures.merge_insert("picture").when_matched_update_all().execute(_table(changed, schema))
        _delete(self._pictures, "picture", gone)

    def settle(self) -> None:
        """Join the small pieces that a build left, and lay out the partitions when there are enough rows.

        The vectors are grouped around some centres and kept with 8 bits a number (IVF-SQ); a search compares those of
        the PROBES nearest groups and then the best few with their full vectors.
        """
        from lancedb.index import IvfSq

        for table in (self._files, self._pictures):
            table.optimize(cleanup_older_than=OLD_VERSIONS)
        count, layouts = len(self), [each.name for each in self._pictures.list_indices()]
        trained = max((int(name.removeprefix(_LAYOUT)) for name in layouts), default=0)
        if count > max(EXACT_UP_TO, GROWTH * trained):
            for name in layouts:
                self._pictures.drop_index(name)
            config = IvfSq(distance_type="cosine", num_partitions=round(FINENESS * count**0.5))
            self._pictures.create_index("vector", config=config, name=f"{_LAYOUT}{count}")

    def take_over(self) -> None:
        """Make this the index of its folder, and delete the tables of the model before."""
        write_card(self.folder, self.card)
        for each in self.folder.iterdir():
            if each.is_dir() and each.name != self.card.key:
                shutil.rmtree(each, ignore_errors=True)


@contextmanager
def building(folder: Path) -> Iterator[None]:
    """Be the only one who writes into the index; ends with the process, however that ends.

    Raises BadRequest while another does.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "build.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise BadRequest(f"The index {shown(folder.name)} is being built just now; wait until that is done.") from None
    try:
        yield
    finally:
        lock.release()


def _table(table: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(table, schema=schema)


def _delete(table: Any, column: str, values: Iterable[str]) -> None:
    keys = [value.replace("'", "''") for value in values]
    for start in range(0, len(keys), CHUNK):
        table.delete(f"{column} IN ('" + "', '".join(keys[start : start + CHUNK]) + "')")

"""Uploaded pictures, alone or in zip files, put where an index can find them again."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from common.errors import BadRequest
from pipelines.image_index.walk import SUFFIXES
from safeguards.wording import file_name, megabytes

if TYPE_CHECKING:
    from common.settings import Settings

MAX_MEMBERS = 20_000  # of a zip file, and pictures uploaded for one index
PUBLIC_BYTES, PUBLIC_FILES = 500e6, 2_000  # of one index on a public page
_ODD = re.compile(r"[^\w .()+,@&'=-]")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@dataclass
class Intake:
    """What came of an upload: how many `pictures` were put away, and which files were left out and why."""

    pictures: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)


def put_away(files: Sequence[str], place: Path, settings: Settings) -> Intake:
    """Copy the pictures among `files`, and those inside zip files, into `place`; the same one twice only once.

    Each lies under its own name in a folder named after its content. Nothing of a zip but the contents and the last
    part of the names is used, so none can write elsewhere. Raises BadRequest when it is more than one index may hold.
    """
    intake, store = Intake(), _Store(place, settings)
    for path in files:
        if Path(path).suffix.lower() == ".zip":
            _unpack(path, store, intake)
        elif Path(path).suffix.lower() not in SUFFIXES:
            intake.left_out.append((file_name(path), "is neither a picture nor a zip file"))
        else:
            try:
                store.keep(Path(path).name, Path(path).read_bytes())
            except OSError:
                intake.left_out.append((file_name(path), "is no longer there; upload it again"))
                continue
            intake.pictures += 1
    return intake


def kept(place: Path) -> list[str]:
    """All pictures that were put away in `place`."""
    return sorted(str(path) for path in place.glob("*/*") if path.is_file())


class _Store:
    def __init__(self, place: Path, settings: Settings) -> None:
        self.place, self.settings = place, settings
        files = [Path(path) for path in kept(place)]
        self.count, self.bytes = len(files), sum(file.stat().st_size for file in files)
        self.most = PUBLIC_FILES if settings.public else MAX_MEMBERS
        self.limit = PUBLIC_BYTES if settings.public else settings.output_quota_gb * 1e9

    def keep(self, name: str, data: bytes) -> None:
        target = self.place / hashlib.sha256(data).hexdigest()[:20] / _plain(name)
        if target.is_file():
            return
        if self.count >= self.most or self.bytes + len(data) > self.limit:
            raise BadRequest(
                f"The uploads of one index are at most {self.most:,} pictures and {megabytes(self.limit)}; this one is "
                "full. What fitted is kept: build it, or begin another index."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(data)
        part.replace(target)
        self.count, self.bytes = self.count + 1, self.bytes + len(data)


def _unpack(path: str, store: _Store, intake: Intake) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not _is_clutter(member)]
            if len(members) > MAX_MEMBERS:
                raise BadRequest(
                    f"{file_name(path)} holds {len(members):,} files; allowed are {MAX_MEMBERS:,}. Split it."
                )
            for name, data, reason in _contents(archive, members, store.settings.max_upload_mb * 1e6):
                if reason:
                    intake.left_out.append((name, reason))
                else:
                    store.keep(name, data)
                    intake.pictures += 1
    except _BROKEN:
        intake.left_out.append((file_name(path), "is not a zip file that can be read"))


def _contents(
    archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], limit: float
) -> Iterator[tuple[str, bytes, str]]:
    """Name, contents and "" of each picture; of others the reason why they are left out."""
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/")).name
        if Path(name).suffix.lower() not in SUFFIXES:
            yield file_name(name), b"", "is not a picture"
        elif member.flag_bits & 1:
            yield file_name(name), b"", "is locked with a password"
        else:
            try:
                with archive.open(member) as file:  # what a header says about sizes may be a lie
                    data = file.read(int(limit) + 1)
            except _BROKEN:
                yield file_name(name), b"", "is damaged inside the zip file"
                continue
            large = len(data) > limit
            yield file_name(name) if large else name, data, f"is larger than {megabytes(limit)}" if large else ""


def _is_clutter(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    return member.is_dir() or not parts or parts[0] == "__MACOSX" or parts[-1].startswith(".")


def _plain(name: str) -> str:
    stem, suffix = _ODD.sub("_", Path(name).stem).strip(" .") or "picture", Path(name).suffix.lower()
    return stem[:80] + suffix

"""Caption files in the layout of COCO: what people wrote about pictures, and what a captioner did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from common.errors import BadRequest
from safeguards.wording import megabytes, refuse, shown

MAX_MB = 500  # the captions of COCO's training pictures have 92
MAX_CAPTION = 5_000  # characters
Key = int | str


@dataclass(frozen=True, eq=False)
class CocoCaptions:
    """Names of pictures' files and their captions, both by the picture's id; every picture has at least one caption."""

    files: Mapping[Key, str]
    captions: Mapping[Key, tuple[str, ...]]

    def key_of(self, name: str) -> Key | None:
        """The id of the picture with this file's name, whole or without its folders; None when there is none.

        Raises BadRequest where the name could be that of several pictures.
        """
        whole, own = self._keys
        keys = whole.get(name) or own.get(PurePosixPath(name.replace("\\", "/")).name, [])
        if len(keys) > 1:
            first, second = (shown(self.files[key]) for key in keys[:2])
            raise BadRequest(
                f"The file name {shown(name)} could be the image {first} or {second}; give them different names."
            )
        return keys[0] if keys else None

    @cached_property
    def _keys(self) -> tuple[dict[str, list[Key]], dict[str, list[Key]]]:
        """Ids by whole names, and by names without folders."""
        whole: dict[str, list[Key]] = {}
        own: dict[str, list[Key]] = {}
        for key, name in self.files.items():
            whole.setdefault(name, []).append(key)
            own.setdefault(PurePosixPath(name).name, []).append(key)
        return whole, own

    def pairs(self, folder: str | Path) -> Iterator[tuple[Path, str]]:
        """Every caption with its picture in `folder`, ready to train with; pictures that are not there are left out."""
        for key, name in self.files.items():
            path = Path(folder) / name
            if path.is_file():
                yield from ((path, caption) for caption in self.captions[key])


def read_captions(path: str | Path) -> CocoCaptions:
    """Read a file `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}`, more keys allowed.

    Pictures without a caption are left out. Raises BadRequest, with one sentence that names the place, for any other.
    """
    table = _parse(path)
    if not isinstance(table, dict) or not all(isinstance(table.get(name), list) for name in ("images", "annotations")):
        raise refuse(path, 'is no file of COCO captions: it needs the lists "images" and "annotations".')
    files: dict[Key, str] = {}
    for number, entry in enumerate(table["images"], start=1):
        where = f"image {number:,}"
        key = _key(path, where, entry, "id")
        if key in files:
            raise refuse(path, f"has two images with the id {shown(key)}.")
        files[key] = _safe_name(path, where, entry.get("file_name"))
    captions: dict[Key, list[str]] = {}
    for number, entry in enumerate(table["annotations"], start=1):
        where = f"annotation {number:,}"
        key = _key(path, where, entry, "image_id")
        if key not in files:
            raise refuse(path, f"has a caption for the image {shown(key)} ({where}), which is not among its images.")
        captions.setdefault(key, []).append(_caption(path, where, entry))
    if not captions:
        raise refuse(path, "has no captions.")
    files = {key: name for key, name in files.items() if key in captions}
    return CocoCaptions(files, {key: tuple(captions[key]) for key in files})


def read_results(path: str | Path) -> dict[Key, str]:
    """Read a file `[{"image_id", "caption"}, ...]`, the layout of COCO's results, one caption a picture.

    Raises BadRequest, with one sentence that names the place, for any other.
    """
    table = _parse(path)
    if not isinstance(table, list):
        raise refuse(path, 'is no file of results: it must be a list of {"image_id": ..., "caption": ...}.')
    results: dict[Key, str] = {}
    for number, entry in enumerate(table, start=1):
        where = f"entry {number:,}"
        key = _key(path, where, entry, "image_id")
        if key in results:
            raise refuse(path, f"has two captions for the image {shown(key)}; exactly one is allowed.")
        results[key] = _caption(path, where, entry, empty=True)
    if not results:
        raise refuse(path, "has no captions.")
    return results


def write_captions(captions: CocoCaptions, path: str | Path) -> Path:
    """Write what `read_captions` reads, and return `path`. Raises OSError as `open` does."""
    table = {
        "images": [{"id": key, "file_name": name} for key, name in captions.files.items()],
        "annotations": [
            {"id": number, "image_id": key, "caption": caption}
            for number, (key, caption) in enumerate(
                ((key, caption) for key, texts in captions.captions.items() for caption in texts), start=1
            )
        ],
    }
    Path(path).write_text(json.dumps(table, ensure_ascii=False, indent=1), encoding="utf-8")
    return Path(path)


def _parse(path: str | Path) -> Any:
    try:
        size = Path(path).stat().st_size
        if size > MAX_MB * 1e6:
            raise refuse(path, f"has {megabytes(size)}; at most {MAX_MB} MB are read.")
        return json.loads(Path(path).read_text(encoding="utf-8-sig"), parse_constant=_no_number)
    except OSError:
        raise refuse(path, "is missing or cannot be read. Choose it again.") from None
    except UnicodeDecodeError:
        raise refuse(path, "is not a text in UTF-8, so it is no JSON file.") from None
    except json.JSONDecodeError as error:
        raise refuse(path, f"is no JSON file: it breaks off or goes wrong in line {error.lineno:,}.") from None
    except (RecursionError, ValueError):
        raise refuse(path, "is no sound JSON file: nested too deeply, or with numbers that are none.") from None


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _key(path: str | Path, where: str, entry: Any, name: str) -> Key:
    key = entry.get(name) if isinstance(entry, dict) else None
    if isinstance(key, bool) or not isinstance(key, (int, str)) or key == "":
        raise refuse(path, f'needs {{"{name}": ...}} with a number or a name in {where}.')
    return key


def _caption(path: str | Path, where: str, entry: Mapping[str, Any], empty: bool = False) -> str:
    caption = entry.get("caption")
    if not isinstance(caption, str) or not (caption.strip() or empty):
        raise refuse(path, f'needs {{"caption": ...}} with a text in {where}.')
    if len(caption) > MAX_CAPTION:
        raise refuse(path, f"has {len(caption):,} characters in the caption of {where}; {MAX_CAPTION:,} are allowed.")
    # Half a character (a lone surrogate) is JSON, and no tokenizer can read it.
    return " ".join(caption.encode("utf-8", "replace").decode().split())


def _safe_name(path: str | Path, where: str, name: Any) -> str:
    """A file's name with folders inside the chosen one allowed, and no way out of it."""
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise refuse(path, f'needs {{"file_name": ...}} with a name in {where}.')
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        raise refuse(path, f"names the file {shown(name)} in {where}, which leads out of the folder of pictures.")
    return parts.as_posix()

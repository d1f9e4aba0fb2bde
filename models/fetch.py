"""Download a published checkpoint: `python -m models.fetch NAME`, and `--list` for the names.

Only what the app reads is fetched: of several formats of the same weights the smallest safe one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeAlias

from common.errors import AtelierError, BadRequest, ModelUnavailable
from common.settings import Settings
from models.catalog import Catalog
from models.checkpoint_files import choose_files, verify
from models.spec import ModelSpec

Report: TypeAlias = Callable[[float, str], None]


def fetch(
    spec: ModelSpec,
    settings: Settings,
    report: Report | None = None,
    to: Path | None = None,
    endpoint: str | None = None,
) -> Path:
    """Download and check what `spec` needs; returns the folder. What is already there is not fetched again.

    Goes into `to`/owner--name, else into the settings' hub folder, else into the ordinary cache. `report(fraction,
    file)` tells how far it is, in [0, 1] of all bytes. `endpoint` is the address of a mirror, None for the hub that
    huggingface_hub is set up for. Raises BadRequest for a model that is not from the hub, ModelUnavailable when the hub
    or the repository cannot be reached, and AtelierError when the disk is too small or a file arrives damaged.
    """
    if spec.pack != "hub":
        raise BadRequest(f"{spec.title} comes with the app; there is nothing to fetch.")
    target = to or settings.hub_folder
    local = None if target is None else Path(target) / spec.source.replace("/", "--")
    with _plain_errors(spec):
        from huggingface_hub import HfApi

        about = HfApi(endpoint=endpoint).model_info(spec.source, revision=spec.revision, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in about.siblings or ()}
        chosen = {name: sizes[name] for name in choose_files(sizes, spec.files)}
        _check_choice(spec, chosen)
        _check_room(spec, sum(chosen.values()), local)
        folder = _download(spec, chosen, local, endpoint, report or (lambda fraction, file: None))
    verify(folder, chosen)
    return folder


def _download(
    spec: ModelSpec, sizes: Mapping[str, int], local: Path | None, endpoint: str | None, report: Report
) -> Path:
    """Get the files one by one, each with a progress bar on the terminal; returns the folder that holds them."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import tqdm

    done, total = 0, max(1, sum(sizes.values()))
    paths: dict[str, Path] = {}
    for name, size in sizes.items():

        class Bar(tqdm):
            received = 0

            def update(self, n: float | None = 1, before: int = done, name: str = name) -> bool | None:
                self.received += n or 0
                report(min(1.0, (before + self.received) / total), name)
                return super().update(n)

        path = hf_hub_download(
            spec.source, name, revision=spec.revision, local_dir=local, endpoint=endpoint, tqdm_class=Bar
        )
        paths[name] = Path(path)
        done += size
        report(min(1.0, done / total), name)
    name, path = next(iter(paths.items()))
    return path.parents[name.count("/")]


def _check_choice(spec: ModelSpec, chosen: Iterable[str]) -> None:
    missing = [pattern for pattern in spec.files if not any(fnmatch(name, pattern) for name in chosen)]
    if missing:
        raise ModelUnavailable(f"{spec.source} does not have the files this app needs: {', '.join(missing)}.")


def _check_room(spec: ModelSpec, size: int, local: Path | None) -> None:
    if local is None:
        from huggingface_hub.constants import HF_HUB_CACHE

        local = Path(HF_HUB_CACHE)
    place = next(parent for parent in (local, *local.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if size > free:
        raise AtelierError(
            f"{spec.title} needs {size / 1e9:.1f} GB, but there are {free / 1e9:.1f} GB free. "
            "Make room, or choose another disk with --to DIR."
        )


@contextmanager
def _plain_errors(spec: ModelSpec) -> Iterator[None]:
    """Turns what the hub's library raises into one sentence that says what to do."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except AtelierError:
        raise
    except GatedRepoError as error:
        reason = "its owner asks for an agreement first: accept it on its page, then log in with `hf auth login`"
        raise ModelUnavailable(f"{spec.title} could not be fetched: {reason}.") from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        reason = f"the hub has no {spec.source} at revision {spec.revision}, or asks for a login to show it"
        raise ModelUnavailable(f"{spec.title} could not be fetched: {reason}.") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
            raise AtelierError(f"{spec.title} could not be saved: {error.strerror}.") from error
        folder = spec.source.replace("/", "--")
        raise ModelUnavailable(
            f"{spec.title} could not be fetched: the hub cannot be reached ({type(error).__name__}). Check the "
            f"connection, or copy the checkpoint's folder from elsewhere to DIR/{folder} and start the app with "
            "--hub-folder DIR."
        ) from error


def table(catalog: Catalog) -> str:
    """The hub's models of the catalog, a line each: name, size, whether it is here, licence, title."""
    specs = [spec for spec in catalog.all() if spec.pack == "hub"]
    width = max((len(spec.name) for spec in specs), default=0)
    return "\n".join(
        f"{spec.name:{width}}  {spec.download_mb:7,.0f} MB  {'here   ' if catalog.is_available(spec) else 'missing'}  "
        f"{spec.role}: {spec.title}; {spec.licence}"
        for spec in specs
    )


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.fetch", description="Download a published checkpoint.")
    parser.add_argument("name", nargs="?", help="of a model; --list shows them")
    parser.add_argument("--to", metavar="DIR", type=Path, help="folder to put it in, for the app's --hub-folder")
    parser.add_argument("--list", action="store_true", help="list the models that can be fetched")
    arguments = parser.parse_args(argv)
    settings = Settings.from_command_line([], os.environ)
    catalog = Catalog.scan(settings)
    if arguments.list or arguments.name is None:
        print(table(catalog))
        return 0 if arguments.list else 2
    try:
        spec = catalog.get(arguments.name)
        print(f"{spec.title}: about {spec.download_mb:,.0f} MB from {spec.source}; {spec.licence}", flush=True)
        print(f"It is in {fetch(spec, settings, to=arguments.to)}")
    except AtelierError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

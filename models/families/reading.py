"""Reading checkpoints that may be damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import AtelierError, ModelUnavailable
from models.spec import ModelSpec


@contextmanager
def readable(spec: ModelSpec) -> Iterator[None]:
    """Turn what libraries raise about damaged files into ModelUnavailable that names the command to repair them.

    Errors of memory pass through: their files are fine.
    """
    try:
        yield
    except (AtelierError, MemoryError):
        raise
    except Exception as error:
        if "OutOfMemory" in type(error).__name__:
            raise
        # Where the files did not come from the hub, the same command cannot get them again.
        fetched = spec.pack == "hub" and "/" in spec.source
        repair = f"Repair them with: python -m models.fetch {spec.name}" if fetched else "Get or convert them again."
        raise ModelUnavailable(
            f"{spec.title} is here but cannot be read ({type(error).__name__}): its files may be damaged or of another "
            f"version. {repair}"
        ) from error

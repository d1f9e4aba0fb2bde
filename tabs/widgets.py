"""Small things that every room uses; the one place where an `AtelierError` becomes a message on the page."""

from __future__ import annotations

import functools
import inspect
import logging
import uuid
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from common.errors import AtelierError, BadRequest

if TYPE_CHECKING:
    from models.catalog import Catalog

log = logging.getLogger(__name__)


def sentence(error: Exception) -> str:
    """What to tell the user about `error`: its own message, or for a bug of ours the id under which it is logged."""
    if isinstance(error, AtelierError):
        return str(error)
    number = uuid.uuid4().hex[:6].upper()
    log.exception("error %s", number, exc_info=error)
    return f"Something went wrong on our side (id {number}). Your settings are still here; please try again."


def refusal(error: Exception) -> gr.Error:
    """The message box for `error`. Gradio shows messages as HTML, and they quote what the user typed: escape."""
    return gr.Error(escape(sentence(error), quote=False), title="That did not work", print_exception=False)


def guarded(handler: Callable) -> Callable:
    """A handler, plain or async, whose errors reach the user as one sentence."""
    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def on_event(*args: Any, **kwargs: Any) -> Any:
            try:
                return await handler(*args, **kwargs)
            except gr.Error:
                raise
            except Exception as error:
                raise refusal(error) from None

    else:

        @functools.wraps(handler)
        def on_event(*args: Any, **kwargs: Any) -> Any:
            try:
                return handler(*args, **kwargs)
            except gr.Error:
                raise
            except Exception as error:
                raise refusal(error) from None

    return on_event


def served(path: Path | str) -> str:
    """A copy of a file of ours in the folder that the page may serve, named by content so that nobody can guess it."""
    return save_file_to_cache(str(path), cache_dir=get_upload_folder())


def known_browser(memory: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a visitor's browser remembers: `owner`, a name that only it knows, and by room the last job and settings."""
    memory = memory if isinstance(memory, Mapping) else {}
    owner = memory.get("owner")
    tables = {name: memory.get(name) for name in ("jobs", "settings")}
    return {
        "owner": owner if isinstance(owner, str) and owner else uuid.uuid4().hex,
        **{name: dict(table) if isinstance(table, Mapping) else {} for name, table in tables.items()},
    }


def record() -> gr.JSON:
    """A JSON object as the argument of an endpoint, and said so in its schema: MCP refuses gradio's "of any type"."""
    made = gr.JSON(None)
    # No subclass: gradio would write a stub file beside this one.
    made.api_info = lambda: {"type": "object", "description": "a JSON object, or null"}
    return made


def typed_number(text: str | float | None, name: str, kind: type) -> Any:
    """The number that was typed, None for an empty box. Raises BadRequest for anything else."""
    if text is None or not str(text).strip():
        return None
    try:
        return kind(str(text).strip().replace(",", "."))
    except ValueError:
        wanted = "a whole number, or nothing" if kind is int else "a number, or nothing"
        raise BadRequest(f"{name} is {str(text).strip()[:40]!r}, it must be {wanted}.") from None


def choices(catalog: Catalog, role: str) -> list[tuple[str, str]]:
    """(title, name) of every model with this role, for a dropdown: those that are here, then the others with a size."""
    here, elsewhere = [], []
    for spec in catalog.all(role):
        if catalog.is_available(spec):
            here.append((spec.title, spec.name))
        else:
            elsewhere.append((f"{spec.title} · {size(spec.download_mb)} to fetch", spec.name))
    return here + elsewhere


def size(megabytes: float) -> str:
    """1234.0 -> "1.2 GB", 80.0 -> "80 MB"."""
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"

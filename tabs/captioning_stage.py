"""What stands on the wall while pictures are captioned: how far it is, and the sentences as they grow."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from pipelines.captioning import run as captioning
from pipelines.steps import Command, Result, Step
from safeguards.wording import file_name
from tabs.captioning_thumbnails import LARGE, thumbnail
from tabs.stage import bar, clock, headline
from tabs.watching import View

if TYPE_CHECKING:
    from common.settings import Settings
    from pipelines.captioning.request import CaptionRequest
    from pipelines.captioning.rows import CaptionRow
    from pipelines.services import Services

LINES = 10  # pictures in sight at a time


def with_data(
    events: Generator[Step | Result, Command | None, None], told: Mapping[str, Any]
) -> Generator[Step | Result, Command | None, None]:
    """A run whose steps tell more."""
    command = None
    try:
        while True:
            try:
                event = events.send(command)
            except StopIteration:
                return
            command = yield replace(event, data={**event.data, **told}) if isinstance(event, Step) else event
    finally:
        events.close()


def start(request: CaptionRequest, services: Services, device: str) -> Generator[Step | Result, Command | None, None]:
    """The run, whose steps also tell the pictures' files and the captioners' titles: a page has nothing else."""
    titles = {name: services.catalog.get(name).title for name in request.captioners}
    told = {"paths": request.paths, "titles": titles}
    return with_data(captioning.run(request, services, device), told)


def draw(settings: Settings, view: View, loading: str = "") -> str:
    """Bar, words and growing captions of a job that waits or runs; `loading` names a model on its way into memory."""
    step = view.step
    words, share = [headline(view, loading)], 0.0
    if view.state == "running" and step is not None:
        left = step.data.get("left")
        words = [step.note, clock(view.elapsed, view.left if left is None else left)]
        share = 100 * step.number / step.total if step.total else 0.0
    text = "".join(f"<span>{escape(word)}</span>" for word in words)
    moving = "" if step is not None else " moving"
    lines = _lines(step.data, settings) if step is not None and view.state == "running" else ""
    return f'<div class="progress{moving}" role="status"><div class="words">{text}</div>{bar(share)}</div>{lines}'


def _lines(data: Mapping[str, Any], settings: Settings) -> str:
    """The pictures that are being captioned, then those that were finished last."""
    paths: Sequence[str] = data.get("paths", ())
    drafts, rows = data.get("drafts", ()), data.get("rows", ())
    said: dict[int, list[str]] = {}
    for picture, captioner, text in drafts[:LINES]:
        said.setdefault(picture, []).append(_draft(text, data, captioner))
    newest = dict.fromkeys(row.picture for row in reversed(rows))
    shown = [*said, *(picture for picture in newest if picture not in said)][: LINES if len(paths) > 1 else 1]
    for row in rows:
        if row.picture in shown:
            said.setdefault(row.picture, []).insert(0, _finished(row, data))
    side = {"side": LARGE} if len(paths) == 1 else {}
    lines = "".join(_line(paths[picture], said[picture], settings, **side) for picture in shown if picture < len(paths))
    return f'<div class="growing{" alone" if side else ""}" aria-live="off">{lines}</div>'


def _line(path: str, said: Sequence[str], settings: Settings, **side: int) -> str:
    picture = thumbnail(path, settings, **side)
    shown = f'<img src="{picture}" alt="">' if picture else '<span class="unread"></span>'
    return (
        f'<div class="line"><div>{shown}</div><div><small>{escape(file_name(path))}</small>{"".join(said)}</div></div>'
    )


def _draft(text: str, data: Mapping[str, Any], captioner: str) -> str:
    return f'<p class="draft">{_by(data, captioner)}{escape(text)}<i></i></p>'


def _finished(row: CaptionRow, data: Mapping[str, Any]) -> str:
    if row.error:
        return f'<p class="refused">{_by(data, row.captioner)}{escape(row.error)}</p>'
    best = next((each for each in row.captions if each.chosen), next(iter(row.captions), None))
    return f"<p>{_by(data, row.captioner)}{escape(best.text if best else '')}</p>"


def _by(data: Mapping[str, Any], captioner: str) -> str:
    titles = data.get("titles", {})
    return f"<em>{escape(titles[captioner])}</em> " if len(titles) > 1 and captioner in titles else ""

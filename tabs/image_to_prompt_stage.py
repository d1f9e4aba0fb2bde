"""What stands on the wall while prompts are found: the growing prompt with its curve, and what is finished."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pipelines.image_to_prompt import run as prompts
from pipelines.steps import Command, Result, Step
from safeguards.wording import file_name
from tabs import image_to_prompt_drawing as drawing
from tabs.captioning_stage import with_data
from tabs.captioning_thumbnails import LARGE, thumbnail
from tabs.image_to_prompt_cards import title_of
from tabs.stage import bar, clock, headline
from tabs.watching import View

if TYPE_CHECKING:
    from common.settings import Settings
    from pipelines.image_to_prompt.request import ImageToPromptRequest
    from pipelines.image_to_prompt.rows import PromptRow
    from pipelines.services import Services

LINES = 6  # finished pictures in sight


def start(
    request: ImageToPromptRequest, services: Services, device: str
) -> Generator[Step | Result, Command | None, None]:
    """The run, whose steps also tell the pictures' files and the captioners' titles: a page has nothing else."""
    told = {"paths": request.paths, "titles": titles_of(request, services)}
    yield from with_data(prompts.run(request, services, device), told)


def titles_of(request: ImageToPromptRequest, services: Services) -> dict[str, str]:
    """The titles of a resolved request's captioners by name."""
    return {name: services.catalog.get(name).title for name in request.captioners}


def draw(settings: Settings, view: View, loading: str = "") -> str:
    """Bar, words, growing prompt and finished rows of a job that waits or runs; `loading` names a model on its way."""
    step = view.step
    words, share = [headline(view, loading)], 0.0
    is_running = view.state == "running" and step is not None
    if is_running:
        words = [step.note, clock(view.elapsed, step.data.get("left", view.left))]
        share = 100 * step.number / step.total if step.total else 0.0
    text = "".join(f"<span>{escape(word)}</span>" for word in words)
    body = _now(step.data, settings) + _done(step.data, settings) if is_running else ""
    moving = "" if step is not None else " moving"
    return f'<div class="progress{moving}" role="status"><div class="words">{text}</div>{bar(share)}</div>{body}'


def _now(data: Mapping[str, Any], settings: Settings) -> str:
    """The picture at work, with its prompt as far as it is."""
    paths: Sequence[str] = data.get("paths", ())
    number = data.get("picture")
    if number is None:
        return ""
    picture = thumbnail(str(paths[number]), settings, LARGE) if 0 <= number < len(paths) else ""
    shown = f'<img src="{picture}" alt="">' if picture else '<span class="unread"></span>'
    by = title_of(data.get("method", ""), data.get("titles", {}))
    return (
        f'<div class="reading prompts live" aria-live="off"><figure class="seen"><div>{shown}</div></figure>'
        f'<div class="prompt-cards"><section class="prompt-card"><header><h3>{escape(by)}</h3>{_cosine(data)}</header>'
        f"{_growing(data)}</section></div></div>"
    )


def _cosine(data: Mapping[str, Any]) -> str:
    return f"<p><span>{drawing.number(data['cosine'])}</span></p>" if data.get("cosine") is not None else ""


def _growing(data: Mapping[str, Any]) -> str:
    if "curve" not in data:
        return f'<p class="prompt-words draft">{escape(data.get("prompt", ""))}<i></i></p>'
    parts = [drawing.Part(*term) for term in data["terms"]]
    tail = ", ".join(part.phrase for part in parts)
    start = data["prompt"].removesuffix(tail).rstrip(", ") if tail else data["prompt"]
    table = drawing.worth(parts[-8:][::-1], data.get("negative", False))
    return (
        drawing.words(start, parts, growing=True)
        + drawing.meter(data.get("tokens", 0), data.get("limit", 0))
        + drawing.grown(start, parts, data["curve"])
        + table
    )


def _done(data: Mapping[str, Any], settings: Settings) -> str:
    """What is finished: of the pictures before this one the newest few, with the best that was said of each."""
    rows: Sequence[PromptRow] = data.get("rows", ())
    newest = list(dict.fromkeys(row.picture for row in reversed(rows)))[:LINES]
    lines = "".join(_line([row for row in rows if row.picture == number], data, settings) for number in newest)
    return f'<div class="growing" aria-live="off">{lines}</div>' if lines else ""


def _line(rows: Sequence[PromptRow], data: Mapping[str, Any], settings: Settings) -> str:
    picture = thumbnail(str(rows[0].path), settings)
    shown = f'<img src="{picture}" alt="">' if picture else '<span class="unread"></span>'
    said = "".join(
        f'<p class="{"refused" if row.error else ""}"><em>{escape(title_of(row.method, data.get("titles", {})))}</em>'
        f"{escape(row.error or row.prompt)}</p>"
        for row in rows[:4]
    )
    name = escape(file_name(rows[0].path))
    return f'<div class="line"><div>{shown}</div><div><small>{name}</small>{said}</div></div>'

"""What an index holds and what was found in it, as people read it.

Everything returned here is HTML for `gr.HTML`, so every word that came from outside is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import BadRequest
from safeguards.admit import admit
from safeguards.wording import file_name, plural
from tabs import stage
from tabs.captioning_cards import pager
from tabs.captioning_pictures import asks
from tabs.captioning_thumbnails import data_uri
from tabs.stage import notice

if TYPE_CHECKING:
    from common.settings import Settings
    from pipelines.image_index.request import BuildIndexResult, FoundPrompt, Hit, SearchImagesResult
    from tabs.image_index_shelf import About
    from tabs.watching import View

MIDDLE, LARGE = 260, 720  # pixels of the longer side, on the wall and where one picture is looked at
REFUSED = 200  # files that a report names
KEPT = 600  # pictures drawn, of 5 to 50 kB


def about_index(about: About | None, count: int) -> str:
    """The lines under the chosen index; `count` is how many indexes there are."""
    if about is None:
        said = "Choose an index above." if count else "No index yet: build one below."
        return f'<p class="model-note">{said}</p>'
    said = f"<b>{plural(about.pictures, 'picture')}</b>, by {escape(about.card.title)}."
    if not about.built.finished:
        said += " <b>Its build is still going on, or was cut off: build again to go on from there.</b>"
    trouble = notice(about.trouble) if about.trouble else ""
    return f'<p class="model-note">{said}</p>{trouble}'


def report(result: BuildIndexResult, name: str) -> str:
    """What a build did, in figures, with the files that could not be taken in."""
    what = "Stopped early; build again to go on from here." if result.stopped else "The index is up to date."
    said = f"{name}: {plural(result.pictures, 'picture')}, by {result.model}, in {result.seconds:.1f} s. {what}"
    figures = [
        ("Added", result.new),
        ("Duplicates", result.copies),
        ("As before", result.unchanged),
        ("Vanished", result.gone),
        ("Unreadable", len(result.refused)),
    ]
    cells = "".join(f"<div><dt>{title}</dt><dd>{value:,}</dd></div>" for title, value in figures)
    refused = [(file_name(path), reason) for path, reason in result.refused]
    reasons = {reason for _, reason in result.refused}
    more = " ".join(text for text in result.notes if text not in reasons)
    return f'{notice(said, "plain", more)}<dl class="figures atelier-index-figures">{cells}</dl>{_refused(refused)}'


def progress(view: View, loading: str = "") -> str:
    """Bar and words of a build that waits or runs; `loading` names a model on its way into memory."""
    step = view.step
    if view.state != "running" or step is None or "new" not in step.data:
        return stage.progress(view, loading)
    counts, total = step.data, step.total - 2  # the last two steps put the index in order
    looked = counts["new"] + counts["copies"] + counts["refused"]
    words = [f"{min(step.number, total):,} of {total:,} files"]
    words.append(f"{counts['new']:,} added, {counts['copies']:,} duplicates, {counts['refused']:,} unreadable")
    # Those known from before take no time, so they must not make the rest look near.
    left = view.elapsed / looked * max(0, total - step.number) if looked else None
    words.append(stage.clock(view.elapsed, left))
    text = "".join(f"<span>{word}</span>" for word in words)
    share = 100 * step.number / step.total
    return f'<div class="progress" role="status"><div class="words">{text}</div>{stage.bar(share)}</div>'


def _refused(refused: Sequence[tuple[str, str]]) -> str:
    if not refused:
        return ""
    lines = "".join(f"<li>{escape(_sentence(*each))}</li>" for each in refused[:REFUSED])
    more = f"<li>and {len(refused) - REFUSED:,} more</li>" if len(refused) > REFUSED else ""
    count = "1 file was" if len(refused) == 1 else f"{len(refused):,} files were"
    is_open = " open" if len(refused) <= 5 else ""
    return (
        f'<details class="atelier-index-refused"{is_open}><summary>{count} left out</summary>'
        f"<ul>{lines}{more}</ul></details>"
    )


def _sentence(name: str, reason: str) -> str:
    return reason if name in reason else f"{name} {reason}"


def wall(result: SearchImagesResult, settings: Settings) -> str:
    """The pictures found, best first, each a button."""
    cards = "".join(_card(place, hit, settings) for place, hit in enumerate(result.hits))
    return f'<div class="atelier-index-wall">{cards}</div>' if cards else ""


def _card(place: int, hit: Hit, settings: Settings) -> str:
    name = escape(file_name(hit.path))
    said = escape(hit.prompt) if hit.prompt else f"<small>{name}</small>"
    copies = f" · {len(hit.copies) + 1} copies" if hit.copies else ""
    gone = "" if hit.here else ' <em class="bad">no longer there</em>'
    return (
        f'<button type="button" class="card" aria-pressed="false" '
        f'aria-label="Look at hit {place + 1}, {name}" {asks(hit=place)}>{_picture(hit, settings, MIDDLE)}'
        f'<span class="label"><b>{place + 1} · {_number(hit.cosine)}</b>{copies}{gone}</span>'
        f'<span class="says">{said}</span></button>'
    )


def _picture(hit: Hit, settings: Settings, side: int) -> str:
    drawn = thumbnail(hit.path, settings, side)
    return f'<img src="{drawn}" alt="" loading="lazy">' if drawn else '<span class="unread"></span>'


def thumbnail(path: str, settings: Settings, side: int) -> str:
    """The picture at `path` as it is now, at most `side` pixels large, as a data URI; "" when it cannot be read."""
    try:
        return _drawn(path, Path(path).stat().st_mtime_ns, settings, side)
    except (OSError, BadRequest):
        return ""


@lru_cache(maxsize=KEPT)
def _drawn(path: str, modified: int, settings: Settings, side: int) -> str:
    picture = admit(path, settings).image
    picture.thumbnail((side, side))
    return data_uri(picture)


def detail(result: SearchImagesResult, place: int, settings: Settings) -> str:
    """One picture found, large, with all that is known about it."""
    hit = result.hits[place]
    by = f" left in the file by {escape(hit.program)}" if hit.program else ""
    said = f'<p class="prompt">{escape(hit.prompt)}</p><p class="by">Prompt{by}</p>' if hit.prompt else ""
    facts = [
        ("Cosine", _number(hit.cosine)),
        ("Size", f"{hit.width:,} × {hit.height:,}"),
        ("Changed", f"{hit.modified:%d %B %Y}".lstrip("0")),
        ("File", escape(_place(hit.path, settings))),
    ]
    if hit.copies:
        facts.append(("Copies", ", ".join(escape(_place(path, settings)) for path in hit.copies[:5])))
    cells = "".join(f"<div><dt>{title}</dt><dd>{value}</dd></div>" for title, value in facts)
    gone = notice(f"{file_name(hit.path)} is no longer there; build the index again.") if not hit.here else ""
    like = f'<button type="button" class="plain-button" data-like="{place}">More like this</button>' if hit.here else ""
    copy = f'<button type="button" class="plain-button" data-copy="{escape(hit.prompt)}">Copy prompt</button>'
    close = f'<button type="button" class="plain-button" {asks(hit=-1)}>Close</button>'
    turn = pager("hit", place, len(result.hits), "hit") if len(result.hits) > 1 else ""
    seen = f'<div class="seen">{_picture(hit, settings, LARGE)}{turn}</div>'
    return (
        f'<div class="atelier-index-detail" data-place="{place}">{seen}<div>{gone}'
        f"{said or '<p class=by>No prompt in its file.</p>'}<dl>{cells}</dl>"
        f'<p class="ways">{like}{copy if hit.prompt else ""}{close}</p></div></div>'
    )


def prompts(found: Sequence[FoundPrompt]) -> str:
    """The prompts of the pictures found, each a button that leads to its best picture."""
    if not found:
        return ""
    lines = "".join(
        f'<li><button type="button" {asks(prompt=place)}><b>{_number(each.cosine)}</b>'
        f"<span>{escape(each.prompt)}</span><small>{each.count} picture{'s' * (each.count != 1)}</small></button></li>"
        for place, each in enumerate(found)
    )
    return f'<div class="atelier-index-prompts"><h3>Prompts of similar images</h3><ol>{lines}</ol></div>'


def _number(cosine: float) -> str:
    return f"{cosine:.3f}".replace("-", "−")


def _place(path: str, settings: Settings) -> str:
    """Where a file lies, for those whose machine it is; for strangers its name alone."""
    return file_name(path) if settings.public else path

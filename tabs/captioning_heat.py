"""Where a captioner saw a word: asked of the queue like any other work, laid over the picture."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError, BadRequest
from pipelines.captioning import heat
from tabs.captioning_cards import Spot
from tabs.captioning_thumbnails import LARGE, data_uri
from tabs.rooms import App
from tabs.watching import watch

if TYPE_CHECKING:
    from pipelines.captioning.heat import HeatRequest
    from pipelines.captioning.rows import CaptionResult, CaptionRow

TASK = "caption_heat"


def row_of(result: CaptionResult, picture: int, captioner: str) -> CaptionRow:
    """The row of a picture and a captioner. Raises BadRequest when there is none."""
    for row in result.rows:
        if (row.picture, row.captioner) == (picture, captioner):
            return row
    raise BadRequest("This caption belongs to an older run. Click a word of the newest one.")


def asked(result: CaptionResult, picture: int, captioner: str, place: int, word: int) -> HeatRequest:
    """The request for the word that was clicked. Raises BadRequest when it is none of this result."""
    from pipelines.captioning.heat import HeatRequest

    row = row_of(result, picture, captioner)
    if not (isinstance(place, int) and 0 <= place < len(row.captions)):
        raise BadRequest("This caption belongs to an older run. Click a word of the newest one.")
    return HeatRequest(row.path, row.captioner, row.captions[place].caption, word)


async def spots(app: App, owner: str, request: HeatRequest, place: int) -> AsyncIterator[str | Spot]:
    """Words to wait by, and at last the spot. Raises what the run raises."""
    request = request.resolve(app.services.catalog)
    job = app.jobs.submit(owner, f"{TASK} {request.captioner}", functools.partial(_start, request, app.services))
    text = request.caption.words[request.word]
    async for view in watch(app.jobs, job.id):
        if view.state == "done":
            over = view.result.overlay.copy()
            over.thumbnail((LARGE, LARGE))
            yield Spot(request.captioner, place, request.word, text, data_uri(over, 85))
        elif view.ended:
            raise AtelierError(view.error or "This was taken out of the queue. Please click the word again.")
        elif view.state == "waiting" and view.ahead:
            yield f"Other work comes first; then I look for “{text}”."
        else:
            yield f"Looking for “{text}” in the picture …"


def _start(request: HeatRequest, services: Any, device: str) -> Any:
    return heat.run(request, services, device)

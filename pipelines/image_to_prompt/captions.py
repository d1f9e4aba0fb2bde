"""What captioners say about a few pictures: beginnings for the interrogator, and answers of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError
from models.devices import free_memory_mb
from pipelines.captioning.batches import batch_size
from pipelines.captioning.writing import Drafts, Writing, Written
from pipelines.image_to_prompt.methods import Methods, Picture
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.rows import PromptRow
from pipelines.services import Services

if TYPE_CHECKING:
    from PIL.Image import Image


class Captions:
    """`rows` gathers the captioners' own rows, where the request wants them; `errors` what made one fail."""

    def __init__(self, request: ImageToPromptRequest, services: Services, device: str, methods: Methods) -> None:
        self._request, self._services, self._device, self._methods = request, services, device, methods
        self._said: dict[int, str] = {}
        self.rows: list[PromptRow] = []
        self.errors: list[AtelierError] = []

    def beginning(self, number: int) -> str:
        """The best caption of a picture by the first captioner that has one, "" where there is none."""
        return self._said.get(number, "")

    def write(
        self, name: str, images: Mapping[int, Image], pictures: Mapping[int, Picture]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Caption RGB pictures, given by number; yields a note and data for a step after every token.

        A captioner that fails altogether is told of in `rows` and left out.
        """
        spec = self._services.catalog.get(name)
        shown = "caption" in self._request.methods or f"caption:{name}" in self._request.weights
        try:
            with self._services.pool.use(name, self._device) as model:
                size = batch_size(spec, self._request.decoding, self._device, free_memory_mb(self._device))
                writing, waiting = Writing(model, self._request.decoding, size, self._device), list(images)
                while waiting:
                    batch, waiting = waiting[: writing.size], waiting[writing.size :]
                    began = time.monotonic()
                    with closing(writing.write({number: images[number] for number in batch})) as events:
                        for event in events:
                            if isinstance(event, Written):
                                self._keep(name, event, pictures, time.monotonic() - began, shown)
                            yield f"captions by {spec.title}", _data(name, event)
        except AtelierError as error:
            self.errors.append(error)
            done = {row.picture for row in self.rows if row.method == f"caption:{name}"}
            left = [picture for number, picture in pictures.items() if number not in done]
            self.rows += [picture.row(f"caption:{name}", error=str(error)) for picture in left if shown]

    def _keep(self, name: str, written: Written, pictures: Mapping[int, Picture], seconds: float, shown: bool) -> None:
        share = seconds / max(len(written.captions), 1)
        for number, said in written.captions.items():
            if said and said[0].text:
                self._said.setdefault(number, said[0].text)
                if shown:
                    self.rows.append(self._methods.captions(pictures[number], name, said, share))
        errors = written.errors.items() if shown else ()
        self.rows += [pictures[number].row(f"caption:{name}", error=said) for number, said in errors]


def _data(name: str, event: Drafts | Written) -> dict[str, Any]:
    if isinstance(event, Written) or not event.texts:
        return {}
    number, text = next(iter(event.texts.items()))
    return {"picture": number, "method": f"caption:{name}", "prompt": text}

"""What a run needs before it looks at the first picture: lists with their vectors, an index, heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import BadRequest
from models.prompting.readers import Reader, reader_of
from pipelines.evaluation.sentences import encoder, sentence_vectors
from pipelines.image_index.card import revision_of
from pipelines.image_to_prompt import fit, heads
from pipelines.image_to_prompt.chain import EXACT, PRUNED, Effort
from pipelines.image_to_prompt.heads import Head
from pipelines.image_to_prompt.interrogator import Interrogator
from pipelines.image_to_prompt.lists import PhraseList, gather
from pipelines.image_to_prompt.nearest import PictureIndex, PlainIndex, PromptIndex
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.vectors import PhraseVectors
from pipelines.prompt_data.prompts_file import read_prompts
from pipelines.services import Services
from safeguards.admit import admit

if TYPE_CHECKING:
    from torch import Tensor

GAP_PICTURES, LEAST_FOR_GAP = 64, 4
NO_GAP = (
    "The zero-image head was not told where pictures lie beside texts: give at least 4 pictures at once, or train it "
    "with a folder of pictures."
)


class Tools:
    """`ranker` is loaded and stays so while these are used. `notes` are sentences for the result."""

    def __init__(self, request: ImageToPromptRequest, services: Services, device: str, ranker: Any) -> None:
        self._request, self._services, self._device = request, services, device
        self.reader: Reader = reader_of(ranker)
        self.reader.budget = min(request.budget or self.reader.limit, self.reader.limit)
        self.temperature = float(ranker.logit_scale)
        self.lists: tuple[PhraseList, ...] = gather(request.lists, request.files, request.artists)
        self.notes = [sentence for each in self.lists if (sentence := each.sentence())]
        self.interrogator: Interrogator
        self.index: PromptIndex | None = None
        self.heads: dict[str, Head] = {}
        self._meanings: dict[str, np.ndarray] = {}
        self.reads = bool(encoder(services))

    def prepare(self) -> Iterator[tuple[int, int, str]]:
        """Make everything ready; yields (done, all, what) on the way. Raises BadRequest for what cannot be used."""
        request, services = self._request, self._services
        if "regression" in request.methods:  # first, because it may be refused
            path = fit.head_path(services, request.ranker, request.head)
            revision = revision_of(services.catalog.get(request.ranker), services.settings)
            self.heads["regression"] = heads.load(path, request.ranker, revision)
        known = PhraseVectors(services, request.ranker)
        if "nearest" in request.methods:
            yield from self._open_index(known)
        phrases = [phrase for each in self.lists for phrase in each.phrases]
        limit = self.reader.limit
        if long := [each for each in phrases if len(each) > limit and self.reader.count(each) > limit]:
            self.notes.append(
                f"{len(long):,} phrases are longer than the {limit} tokens that the ranker reads, such as "
                f"“{long[0][:40]}…”; they are ranked by their beginning and never chosen."
            )
        yield from self._read(known, phrases, "reading phrases")
        vectors = {each.name: known.of(each.phrases) for each in self.lists}
        self.interrogator = Interrogator(
            self.reader, self.lists, vectors, self.temperature, self._effort(), request.attribute
        )
        if "zero_image" in request.methods:
            yield from self._zero_image()

    def meanings(self, texts: Sequence[str]) -> np.ndarray:
        """Sentence vectors (N, 384) of texts, remembered."""
        if new := list(dict.fromkeys(text for text in texts if text not in self._meanings)):
            made = sentence_vectors(self._services, new, self._device).numpy()
            self._meanings |= zip(new, made, strict=True)
        return np.stack([self._meanings[text] for text in texts])

    def cosines(self, texts: Sequence[str], image: Tensor) -> list[float]:
        """The ranker's cosines of texts to a picture's vector (D,)."""
        return (self.reader.read(texts) @ image).tolist() if texts else []

    def _read(self, known: PhraseVectors, texts: Sequence[str], what: str) -> Iterator[tuple[int, int, str]]:
        total = len(known.missing(texts))
        for done in known.read(texts, self.reader):
            yield done, total, what

    def _open_index(self, known: PhraseVectors) -> Iterator[tuple[int, int, str]]:
        request = self._request
        if request.index:
            self.index = PictureIndex(request.index, request.ranker, self._services)
            return
        texts = [text for text in read_prompts(request.prompts, split_column=None).texts if text]
        texts = list(dict.fromkeys(texts))
        yield from self._read(known, texts, "reading prompts")
        self.index = PlainIndex(texts, known.of(texts).numpy())

    def _effort(self) -> Effort:
        usual = EXACT if self.reader.shares else PRUNED
        asked = {name: getattr(self._request, name) for name in ("pool", "most", "least")}
        return replace(usual, **{name: value for name, value in asked.items() if value is not None})

    def _zero_image(self) -> Iterator[tuple[int, int, str]]:
        request, services = self._request, self._services
        steps = fit.zero_image_head(request.ranker, self.reader, services, self._device)
        while True:
            try:
                done, total = next(steps)
            except StopIteration as made:
                head = made.value
                break
            yield done, total, "fitting the zero-image head"
        if head.image_mean is None:
            pictures = []
            for path in request.paths[:GAP_PICTURES]:
                try:
                    pictures.append(admit(path, services.settings).image)
                except BadRequest:
                    continue
                yield len(pictures), min(len(request.paths), GAP_PICTURES), "looking where pictures lie beside texts"
            if len(pictures) >= LEAST_FOR_GAP:
                head = head.corrected(services.scorer.image_vectors(request.ranker, pictures, self._device).numpy())
            else:
                self.notes.append(NO_GAP)
        self.heads["zero_image"] = head

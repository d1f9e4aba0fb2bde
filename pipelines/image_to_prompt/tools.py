"""What a run needs before it looks at the first picture: lists with their vectors, an index, heads."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
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
from pipelines.image_to_prompt.interrogator import ADDING, Interrogator
from pipelines.image_to_prompt.lists import NEGATIVE, PhraseList, gather
from pipelines.image_to_prompt.nearest import PictureIndex, PlainIndex, PromptIndex
from pipelines.image_to_prompt.recent import Recent, look
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.vectors import PROMPTS, PhraseVectors
from pipelines.prompt_data.prompts_file import read_prompts
from pipelines.services import Services

if TYPE_CHECKING:
    from torch import Tensor

NO_GAP = (
    "The zero-image head was not told where pictures lie beside texts, for the app's gallery is not here: train it "
    "with a folder of pictures."
)
# What the next run, or the next few pictures of a folder, will most likely want again. Weights are bytes.
_stacks: Recent[tuple[dict[str, Tensor], tuple[str, ...]]] = Recent(512e6)
_indexes: Recent[PlainIndex] = Recent(512e6)


class Tools:
    """`ranker` is loaded and stays so while these are used. `notes` are sentences for the result."""

    def __init__(self, request: ImageToPromptRequest, services: Services, device: str, ranker: Any) -> None:
        self._request, self._services, self._device = request, services, device
        self.reader: Reader = reader_of(ranker)
        self.reader.budget = min(request.budget or self.reader.limit, self.reader.limit)
        self.temperature = float(ranker.logit_scale)
        self.lists: tuple[PhraseList, ...] = gather(request.lists, request.files, request.artists)
        grows = "interrogator" in request.methods and request.mode in ADDING
        if grows and all(each.name == NEGATIVE for each in self.lists):
            raise BadRequest(
                f"The only list of phrases is “{NEGATIVE}”, of which the mode {request.mode} adds nothing; choose "
                "another list, too, or the mode negative."
            )
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
        if "nearest" in request.methods:
            yield from self._open_index()
        vectors = yield from self._stacked()
        self.interrogator = Interrogator(
            self.reader, self.lists, vectors, self.temperature, self._effort(), request.attribute
        )
        if "zero_image" in request.methods:
            yield from self._zero_image()

    @property
    def most(self) -> int:
        """Phrases that the interrogator's chain adds at most."""
        return self._effort().most

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

    def _stacked(self) -> Generator[tuple[int, int, str], None, dict[str, Tensor]]:
        """The vectors (N, D) of each list by its name, those of the last lists from memory; notes what is too long."""
        known = PhraseVectors(self._services, self._request.ranker)
        key = (known.folder, tuple((each.name, each.phrases) for each in self.lists))
        kept = _stacks.get(key)
        if kept is None:
            phrases = [phrase for each in self.lists for phrase in each.phrases]
            limit = self.reader.limit
            long = [each for each in phrases if len(each) > limit and self.reader.count(each) > limit]
            yield from self._read(known, phrases, "reading phrases")
            vectors = {each.name: known.of(each.phrases) for each in self.lists}
            kept = _stacks.keep(key, (vectors, tuple(long)), sum(each.nbytes for each in vectors.values()))
        vectors, long = kept
        if long:
            self.notes.append(
                f"{len(long):,} phrases are longer than the {self.reader.limit} tokens that the ranker reads, such as "
                f"“{long[0][:40]}…”; they are ranked by their beginning and never chosen."
            )
        return vectors

    def _open_index(self) -> Iterator[tuple[int, int, str]]:
        request = self._request
        if request.index:
            self.index = PictureIndex(request.index, request.ranker, self._services)
            return
        known = PhraseVectors(self._services, request.ranker, PROMPTS)
        key = (known.folder, look(request.prompts), request.column)
        self.index = _indexes.get(key)
        if self.index is None:
            texts = [text for text in read_prompts(request.prompts, request.column, split_column=None).texts if text]
            texts = list(dict.fromkeys(texts))
            yield from self._read(known, texts, "reading prompts")
            vectors = known.of(texts).numpy()
            self.index = _indexes.keep(key, PlainIndex(texts, vectors), vectors.nbytes)

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
            self.notes.append(NO_GAP)
        self.heads["zero_image"] = head

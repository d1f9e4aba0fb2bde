"""One picture at a time: each method's prompt for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadRequest
from pipelines.image_index.walk import prompt_in
from pipelines.image_to_prompt import ensemble
from pipelines.image_to_prompt.chain import Prompt
from pipelines.image_to_prompt.interrogator import best_of
from pipelines.image_to_prompt.nearest import vote
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.rows import PromptRow
from pipelines.image_to_prompt.tools import Tools
from safeguards.wording import file_name

if TYPE_CHECKING:
    from torch import Tensor

    from models.families.caption_contract import Caption

DECODED = 64  # phrases among which the text nearest to a vector is looked for
SHOWN_TEXTS = 10
SHOWN_END = 80  # characters of what is not read
NEAREST_TO = "A vector is no sentence: shown is the one, of {} texts known for this picture, that is nearest to it."


@dataclass(frozen=True)
class Growing:
    """The interrogator's prompt for picture number `picture`, while it grows; `negative` if away from it."""

    picture: int
    prompt: Prompt
    negative: bool = False

    @property
    def data(self) -> dict[str, object]:
        """What a step tells of it."""
        grown = self.prompt
        about = {"picture": self.picture, "method": "interrogator", "prompt": grown.text, "cosine": grown.cosine}
        terms = tuple((term.phrase, term.kind, term.gain) for term in grown.terms)
        about |= {"curve": grown.curve, "terms": terms, "tokens": grown.tokens, "limit": grown.limit}
        return {**about, "negative": self.negative}


@dataclass
class Picture:
    """A picture at work: its number, file and vector (D,), and `captions` by captioner, best first."""

    number: int
    path: str | Path
    image: Tensor
    note: str = ""

    def row(self, method: str, **more: object) -> PromptRow:
        """A row of this picture."""
        more.setdefault("note", self.note)
        return PromptRow(self.number, self.path, file_name(self.path), method, **more)


class Methods:
    """All methods of a request but the captioners, which work on many pictures at once."""

    def __init__(self, request: ImageToPromptRequest, tools: Tools) -> None:
        self._request, self._tools = request, tools
        self._growing: list[Prompt] = []

    def metadata(self, picture: Picture) -> PromptRow | None:
        """The prompt that the file carries, as it is; None when it carries none."""
        began = time.monotonic()
        prompt, program = prompt_in(picture.path)
        if not prompt:
            return None
        said = f"{program} wrote it into the file."
        return self._text_row(picture, "metadata", prompt.strip(), began, exact=True, note=said)

    def captions(self, picture: Picture, name: str, captions: Sequence[Caption], seconds: float) -> PromptRow:
        """A captioner's captions as a row; `seconds` is its share of the time that the batch took."""
        texts = [caption.text for caption in captions]
        cosines = self._tools.cosines(texts, picture.image)
        others = tuple(zip(texts[1:], cosines[1:], strict=True))
        vector = self._tools.meanings(texts[:1])[0] if self._tools.reads else None
        more = {"prompt": texts[0], "cosine": cosines[0], "others": others, "vector": vector}
        return picture.row(f"caption:{name}", seconds=seconds, **more)

    def interrogator(self, picture: Picture, caption: str) -> Iterator[Growing | PromptRow]:
        """The growing prompt, and at last its row. `kept` gives the row when somebody stops before that."""
        began, self._growing = time.monotonic(), []
        if self._request.mode == "analyse":
            found = self._tools.interrogator.analyse(picture.image)
            best = [rows[0].phrase for rows in found.values() if rows]
            row = self._text_row(picture, "interrogator", ", ".join(best), began, found=found)
            yield replace(row, note=_sentences(picture.note, "The best phrase of each list, one after the other."))
            return
        for prompt in self._tools.interrogator.run(self._request.mode, picture.image, caption):
            self._growing.append(prompt)
            yield Growing(picture.number, prompt, self._request.mode == "negative")
        yield self.kept(picture, began)

    def kept(self, picture: Picture, began: float, stopped: bool = False) -> PromptRow:
        """The row of the interrogator's best prompt so far."""
        if not self._growing:
            return picture.row("interrogator", error="It was stopped before there was a prompt.")
        away = self._request.mode == "negative"
        best = best_of(self._growing, away) if stopped else self._growing[-1]
        note = "A negative prompt: what fits this picture least." if away else self._too_long(best.start)
        more = {"grown": best, "negative": away, "note": _sentences(picture.note, note)}
        return self._text_row(picture, "interrogator", best.text, began, **more)

    def _too_long(self, start: str) -> str:
        """Which end of a beginning is not read, or is beyond the budget, as a sentence; "" when it is short enough."""
        reader = self._tools.reader
        if (tokens := reader.count(start)) <= reader.budget:
            return ""
        most, why = reader.limit, "of which the ranker reads {}: not"
        if tokens <= reader.limit:
            most, why = reader.budget, "more than the budget of {}: beyond it is"
        end = _short(reader.beyond(start, most))
        return f"The beginning has {tokens} tokens, {why.format(most)} “{end}”. Nothing is added to it."

    def other(self, picture: Picture, method: str, rows: Sequence[PromptRow]) -> PromptRow:
        """The row of a method that needs but a moment; `rows` are those of this picture so far."""
        if method == "nearest":
            return self.nearest(picture)
        return self.ensemble(picture, rows) if method == "ensemble" else self.head(picture, method, rows)

    def nearest(self, picture: Picture) -> PromptRow:
        """The prompt of the nearest neighbour, with the vote of all of them as vector."""
        began = time.monotonic()
        found = self._tools.index.find(picture.image.numpy(), self._request.neighbours)
        if not found:
            return picture.row("nearest", error="Nothing that was found carries a prompt.")
        others = tuple((each.prompt, each.cosine) for each in found)
        vector = None
        if self._tools.reads:
            vector = vote(found, self._tools.meanings([each.prompt for each in found])).astype(np.float32)
        row = self._text_row(picture, "nearest", found[0].prompt, began, others=others, meaning=False)
        return replace(row, vector=vector)

    def head(self, picture: Picture, name: str, rows: Sequence[PromptRow]) -> PromptRow:
        """The answer of a head, "zero_image" or "regression", shown as the nearest text that is known."""
        began = time.monotonic()
        vector = self._tools.heads[name].predict(picture.image.numpy()[None])[0]
        return self._decoded(picture, name, vector, rows, began)

    def ensemble(self, picture: Picture, rows: Sequence[PromptRow]) -> PromptRow:
        """The mixture of the rows' vectors by the request's weights, shown as the nearest text that is known."""
        began = time.monotonic()
        vectors = {row.method: row.vector for row in _guesses(rows) if row.vector is not None}
        weights: Mapping[str, float] = self._request.weights or dict.fromkeys(vectors, 1.0)
        missing = [name for name in weights if name not in vectors]
        mixed = ensemble.mix(vectors, weights).astype(np.float32)
        row = self._decoded(picture, "ensemble", mixed, rows, began)
        return replace(row, note=_sentences(row.note, f"Without {', '.join(missing)}." if missing else ""))

    def _decoded(
        self, picture: Picture, method: str, vector: np.ndarray, rows: Sequence[PromptRow], began: float
    ) -> PromptRow:
        texts = self._candidates(picture, rows)
        if not texts:
            raise BadRequest("No text is known to show the vector by; choose a list of phrases besides “negative”.")
        found = ensemble.decode(vector, texts, self._tools.meanings(texts))
        note = _sentences(picture.note, NEAREST_TO.format(len(texts)))
        others = tuple(found[:SHOWN_TEXTS])
        row = self._text_row(picture, method, found[0][0], began, others=others, meaning=False, note=note)
        return replace(row, vector=vector)

    def _candidates(self, picture: Picture, rows: Sequence[PromptRow]) -> list[str]:
        """The texts that are known for a picture: all methods' answers, and the phrases nearest to it."""
        texts = [text for row in _guesses(rows) for text in (row.prompt, *(other for other, _ in row.others))]
        interrogator = self._tools.interrogator
        phrases = [each.phrase for each in interrogator.rank(picture.image, interrogator.wanted, DECODED)]
        return list(dict.fromkeys(text for text in (*texts, *phrases) if text))

    def _text_row(
        self, picture: Picture, method: str, text: str, began: float, meaning: bool = True, **more: object
    ) -> PromptRow:
        cosine = self._tools.cosines([text], picture.image)[0]
        if meaning and self._tools.reads:
            more["vector"] = self._tools.meanings([text])[0]
        return picture.row(method, prompt=text, cosine=cosine, seconds=time.monotonic() - began, **more)


def _guesses(rows: Sequence[PromptRow]) -> list[PromptRow]:
    """The rows that say what a picture may show: neither the exact prompt nor a negative one."""
    return [row for row in rows if not row.exact and not row.negative]


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_END else f"{text[: SHOWN_END - 1]}…"


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)

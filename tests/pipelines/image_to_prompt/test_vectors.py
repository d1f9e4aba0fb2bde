from __future__ import annotations

import os

import pytest
import torch

from common.errors import AtelierError
from models.prompting.readers import WholeReader
from pipelines.image_to_prompt import vectors as module
from pipelines.image_to_prompt.vectors import PhraseVectors


class Counting(WholeReader):
    """Remembers what it had to read."""

    def __init__(self, ranker):
        super().__init__(ranker)
        self.seen = []

    def read(self, texts):
        self.seen += texts
        return super().read(texts)


@pytest.fixture
def reader(services):
    with services.pool.use("judge") as judge:
        yield Counting(judge)


def test_only_new_phrases_are_read(services, reader):
    first = PhraseVectors(services, "judge")
    assert list(first.read(["red", "blue", "red"], reader)) == [2] and first.missing(["red", "blue"]) == []
    again = PhraseVectors(services, "judge")
    assert again.missing(["blue", "green", "red"]) == ["green"]
    assert list(again.read(["blue", "green", "red"], reader)) == [1]
    assert reader.seen == ["red", "blue", "green"]
    assert torch.allclose(again.of(["green", "red"]), reader.ranker.encode_texts(["green", "red"]))
    assert list(again.read(["red"], reader)) == []


def test_a_stop_keeps_what_was_read(services, reader, monkeypatch):
    monkeypatch.setattr(module, "PART", 2)
    steps = PhraseVectors(services, "judge").read(["a", "b", "c", "d", "e"], reader)
    assert next(steps) == 2
    steps.close()
    assert PhraseVectors(services, "judge").missing(["a", "b", "c"]) == ["c"]


def test_vectors_of_another_revision_are_never_used(services, reader, monkeypatch):
    list(PhraseVectors(services, "judge").read(["red"], reader))
    monkeypatch.setattr(module, "revision_of", lambda spec, settings: "other")
    other = PhraseVectors(services, "judge")
    assert other.missing(["red"]) == ["red"]
    monkeypatch.undo()
    assert PhraseVectors(services, "judge").missing(["red"]) == ["red"]  # and they were deleted


def test_damaged_files_and_rows_are_read_again(services, reader):
    from safetensors.torch import load_file, save_file

    known = PhraseVectors(services, "judge")
    list(known.read(["red", "blue"], reader))
    (piece,) = known.folder.glob("*.safetensors")
    table = load_file(piece)
    table["vectors"][1] = float("nan")
    save_file(table, piece, metadata=known._facts)
    assert PhraseVectors(services, "judge").missing(["red", "blue"]) == ["blue"]
    piece.write_bytes(piece.read_bytes()[:40])
    assert PhraseVectors(services, "judge").missing(["red", "blue"]) == ["red", "blue"]


def test_numbers_that_are_none_are_an_error(services, reader, monkeypatch):
    monkeypatch.setattr(reader, "read", lambda texts: torch.full((len(texts), 3), float("nan")))
    with pytest.raises(AtelierError, match="NaN"):
        list(PhraseVectors(services, "judge").read(["red"], reader))
    assert PhraseVectors(services, "judge").missing(["red"]) == ["red"]


def test_prompts_are_kept_apart_from_phrases(services, reader):
    list(PhraseVectors(services, "judge").read(["red"], reader))
    prompts = PhraseVectors(services, "judge", module.PROMPTS)
    assert prompts.missing(["red"]) == ["red"] and list(prompts.read(["red"], reader)) == [1]
    assert len(list(services.settings.output.glob("*_vectors/*/*.safetensors"))) == 2


def test_neither_store_grows_without_limit(services, reader, monkeypatch):
    def keep(*phrases):
        known = PhraseVectors(services, "judge", module.PROMPTS)
        list(known.read(phrases, reader))
        return known

    first, second = keep("red"), keep("blue")
    pieces = list(second.folder.iterdir())
    size = sum(piece.stat().st_size for piece in pieces)
    for piece in pieces:
        os.utime(piece, ns=(0, 0))
    assert PhraseVectors(services, "judge", module.PROMPTS).missing(["red"]) == []  # which makes it the latest used
    monkeypatch.setattr(module, "MB", 1.2 * size / 1e6)
    keep("green")
    again = PhraseVectors(services, "judge", module.PROMPTS)
    assert again.missing(["red", "blue", "green"]) == ["blue"] and first.folder == again.folder
    keep(*(f"word {number}" for number in range(200)))  # of what alone is too much a part is kept
    assert sum(piece.stat().st_size for piece in again.folder.iterdir()) <= 1.2 * size + 400

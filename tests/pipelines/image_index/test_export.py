from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from common.errors import BadRequest
from pipelines.image_index.card import index_folder
from pipelines.image_index.export import COLUMNS, export
from pipelines.image_index.filters import Filters
from pipelines.image_index.store import ImageIndex
from tests.pipelines.image_index.conftest import picture, save


@pytest.fixture
def index(services, tmp_path, build_index) -> ImageIndex:
    for number in range(5):
        save(tmp_path / "shots", number, '"one", two\nlines – ü' if number == 2 else "")
    picture(3).save(tmp_path / "shots" / "copy.bmp")
    build_index(tmp_path / "shots")
    return ImageIndex.open(index_folder(services.settings, "mine"))


def test_all_forms_hold_the_same_rows(index, tmp_path):
    for form in ("csv", "jsonl", "parquet"):
        assert export(index, tmp_path / f"out.{form}") == 5
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [*table[0]] == [*lines[0]] == [*rows[0]] == [*COLUMNS]
    for written, line, row in zip(table, lines, rows, strict=True):
        assert written["path"] == line["path"] == row["path"] and len(row["sha256"]) == 64
        assert written["prompt"] == line["prompt"] == row["prompt"]
        assert line["modified"] == row["modified"].isoformat() and int(written["dimension"]) == row["dimension"]
    assert sum(row["prompt"] == '"one", two\nlines – ü' for row in rows) == 1
    assert sum(bool(row["copies"]) for row in rows) == sum(bool(row["copies"]) for row in table) == 1
    assert not list(tmp_path.glob("*.part"))


def test_vectors_come_along_where_the_form_has_room(index, tmp_path):
    assert export(index, tmp_path / "a.parquet", Filters(has_prompt=True), vectors=True) == 1
    export(index, tmp_path / "a.jsonl", Filters(has_prompt=True), vectors=True)
    (row,) = pq.read_table(tmp_path / "a.parquet").to_pylist()
    (line,) = [json.loads(text) for text in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert len(row["vector"]) == index.card.dimension and row["vector"] == line["vector"]
    assert np.linalg.norm(row["vector"]) == pytest.approx(1, abs=1e-5)
    with pytest.raises(BadRequest, match="cannot hold the vectors"):
        export(index, tmp_path / "a.csv", vectors=True)


def test_other_forms_are_refused(index, tmp_path):
    with pytest.raises(BadRequest, match='"xlsx"; allowed are csv, jsonl, parquet'):
        export(index, tmp_path / "a.xlsx")


def test_places_can_be_told_without_their_folders(index, tmp_path):
    for form in ("csv", "jsonl", "parquet"):
        assert export(index, tmp_path / f"out.{form}", place=lambda path: path.rpartition("/")[2]) == 5
        assert b"shots" not in (tmp_path / f"out.{form}").read_bytes()
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert {"000.png", "002.png"} < {row["path"] for row in rows}
    assert [name for row in rows for name in row["copies"]] in (["copy.bmp"], ["003.png"])

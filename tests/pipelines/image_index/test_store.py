"""The partitions: when they are laid out, and that they find what comparing everything finds."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import image_index as benchmark
from common.errors import BadRequest
from pipelines.image_index import store
from pipelines.image_index.card import Card, read_card, write_card
from pipelines.image_index.rows import Picture, SeenFile
from pipelines.image_index.store import ImageIndex


def numbers(index: ImageIndex, vector: np.ndarray, where: str = "") -> list[int]:
    return [int(found.row["picture"], 16) for found in index.search(vector, 10, where)]


@pytest.mark.parametrize("kind", ["pictures", "noise"])
def test_partitions_find_what_comparing_everything_finds(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(store, "EXACT_UP_TO", 500)
    rows, asked = benchmark.vectors(kind, 3_000, 1), benchmark.vectors(kind, 20, 2)
    index = benchmark.build(tmp_path, rows)
    (layout,) = index._pictures.list_indices()
    assert layout.name == "vectors_3000"
    true = [benchmark._brute_force(rows, vector) for vector in asked]
    found = [numbers(index, vector) for vector in asked]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, true, strict=True)]) >= 0.98
    best = index.search(asked[0], 1)[0]
    assert best.cosine == pytest.approx(float((rows @ asked[0]).max()), abs=1e-5)
    even = "width = 512 AND path LIKE '%0.png'"
    tens = np.argsort(-(rows[::10] @ asked[0]))[:10] * 10
    assert numbers(index, asked[0], even) == tens.tolist()  # with a condition nothing is left to the partitions


def test_rows_added_later_are_found_and_partitions_laid_out_anew_after_growth(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "EXACT_UP_TO", 500)
    rows = benchmark.vectors("noise", 2_500, 3)
    index = benchmark.build(tmp_path, rows[:1_000])
    more = [SeenFile(f"/new/{n}.png", 1, n, f"{n:064x}", f"{n:032x}") for n in range(1_000, 2_500)]
    index.add([Picture(8, 8, (each,)) for each in more[:100]], rows[1_000:1_100])
    assert numbers(index, rows[1_050])[0] == 1_050
    index.settle()
    assert [each.name for each in index._pictures.list_indices()] == ["vectors_1000"]
    assert numbers(index, rows[1_050])[0] == 1_050
    index.add([Picture(8, 8, (each,)) for each in more[100:]], rows[1_100:])
    index.settle()
    assert [each.name for each in index._pictures.list_indices()] == ["vectors_2500"]
    assert all(numbers(index, rows[number])[0] == number for number in (3, 1_050, 2_499))


def test_few_rows_are_compared_exactly(tmp_path):
    index = benchmark.build(tmp_path, benchmark.vectors("noise", 300, 1))
    assert index._pictures.list_indices() == []


def test_vectors_that_are_none_are_not_written(tmp_path):
    index = ImageIndex(tmp_path, Card("r", "R", "1", 4))
    file = SeenFile("/a/secret/b.png", 1, 1, "0" * 64, "f" * 32)
    for row, said in (([np.nan, 0, 0, 1], "NaN"), ([np.inf, 0, 0, 1], "NaN"), ([3, 0, 0, 1], "not of length 1")):
        with pytest.raises(BadRequest, match=said) as caught:
            index.add([Picture(1, 1, (file,))], np.array([row], np.float32))
        assert "b.png" in str(caught.value) and "secret" not in str(caught.value)
    with pytest.raises(BadRequest, match=r"\(1, 3\)"):
        index.add([Picture(1, 1, (file,))], np.eye(3, dtype=np.float32)[:1])
    assert len(index) == 0


def test_a_damaged_card_is_told(tmp_path):
    write_card(tmp_path / "one", Card("r", "R", "1", 4))
    assert read_card(tmp_path / "one") == Card("r", "R", "1", 4)
    for text, said in (("{", "damaged"), ('{"format": 2}', "another release"), ('{"format": 1}', "damaged")):
        (tmp_path / "one" / "index.json").write_text(text)
        with pytest.raises(BadRequest, match=said):
            read_card(tmp_path / "one")
    with pytest.raises(BadRequest, match='no index "two"'):
        read_card(tmp_path / "two")

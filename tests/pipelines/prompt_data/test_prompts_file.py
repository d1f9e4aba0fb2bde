from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import BadRequest
from pipelines.prompt_data.prompts_file import MAX_CHARACTERS, prompts_by_id, read_prompts

ROWS = [("a", 'a "red", kite\nat sea'), ("b", " blue – ü "), ("c", "")]


@pytest.fixture
def files(tmp_path):
    """The same three rows in every form."""
    quoted = [(each, '"' + text.replace('"', '""') + '"') for each, text in ROWS]
    for name, comma in (("t.csv", ","), ("t.tsv", "\t")):
        lines = [comma.join(("imgId", "Prompt", "split")), *(comma.join((*row, "train")) for row in quoted)]
        (tmp_path / name).write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    tables = [{"imgId": each, "Prompt": text or None, "split": "train"} for each, text in ROWS]
    (tmp_path / "t.jsonl").write_text("\n\n".join(json.dumps(row) for row in tables), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist([{**row, "vector": [0.5, 1.0]} for row in tables]), tmp_path / "t.parquet")
    return tmp_path


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_every_form_gives_the_same_prompts(files, form):
    table = read_prompts(files / f"t.{form}")
    assert table.texts == ('a "red", kite\nat sea', "blue – ü", "")
    assert (table.ids, table.column, table.splits) == (("a", "b", "c"), "Prompt", ("train",) * 3)
    assert set(table.columns) >= {"imgId", "Prompt", "split"}
    assert read_prompts(files / f"t.{form}", "imgId").texts == ("a", "b", "c")
    assert prompts_by_id(files / f"t.{form}")["b"] == "blue – ü"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_column_that_is_not_there_lists_those_there_are(files, form):
    with pytest.raises(BadRequest, match=r't\..* has no column "words" of prompts: it has "imgId", "Prompt", "split"'):
        read_prompts(files / f"t.{form}", "words")


def test_no_column_of_a_known_name_lists_those_there_are(tmp_path):
    (tmp_path / "x.csv").write_text("left,right\n1,2\n")
    with pytest.raises(BadRequest, match='no column of prompts: it has "left", "right"'):
        read_prompts(tmp_path / "x.csv")
    (tmp_path / "y.csv").write_text("left\nonly one column\n")
    assert read_prompts(tmp_path / "y.csv").texts == ("only one column",)
    assert read_prompts(tmp_path / "y.csv").ids == ("1",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "", "is empty"),
        ("x.csv", "prompt\n", "has no prompts"),
        ("x.csv", "id,prompt\n1,a\n2,b,c\n", r"3 values in row 2 \(line 3\)"),
        ("x.csv", "prompt,prompt\na,b\n", 'two columns "prompt"'),
        ("x.csv", b"prompt\n\xff\xfe\n", "not a text in UTF-8"),
        ("x.csv", "prompt\n" + "a" * (MAX_CHARACTERS + 1), "20,001 characters in row 1"),
        ("x.csv", 'prompt\n"' + "a" * 140_000, "cannot be read as CSV"),
        ("x.jsonl", '{"prompt": "a"}\nnope\n', "line 2 is no JSON"),
        ("x.jsonl", '["a"]\n', "needs a table"),
        ("x.jsonl", '{"prompt": 3}\n', "3 in row 1 of the column"),
        ("x.parquet", "PAR1 not really", "no Parquet file"),
        ("x.xlsx", "x", "allowed are .csv"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadRequest, match=said) as caught:
        read_prompts(tmp_path / name)
    assert str(caught.value).startswith(name) and str(tmp_path) not in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(BadRequest, match="missing"):
        read_prompts(tmp_path / "none.csv")

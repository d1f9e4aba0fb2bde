from __future__ import annotations

import csv
import json
import random

import pytest

from common.errors import BadRequest
from models.families.caption_contract import Caption
from pipelines.captioning import table as module
from pipelines.captioning.datasets import coco, pairs
from pipelines.captioning.namesakes import told_of_namesakes
from pipelines.captioning.rows import CaptionRow, ScoredCaption
from pipelines.captioning.table import TableRow, read_table, table, write_csv, write_jsonl
from pipelines.evaluation.coco import read_captions, write_captions

EVIL = [
    "=1+1",
    "+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    " =HYPERLINK()",
    "'=1",
    "''=1",
    "'\t=1",
    "\xa0@a",
    "=cmd|' /C calc'!A0",
]
HARMLESS = ["a dog", "'tis", "a, b", 'say "hi"', "two\nlines", "5 = 5", "東京"]


def scored(text: str, log: float = -1.5, chosen: bool = False) -> ScoredCaption:
    words = tuple(text.split())
    return ScoredCaption(Caption(text, words, (0.5,) * len(words), log), 0.2, 0.5, 0.9, 0.7, chosen)


ROWS = (
    CaptionRow(0, "/up/one.png", "one.png", "namer", (scored("a dog", -1.25, True), scored("a  brown\ndog"))),
    CaptionRow(0, "/up/one.png", "one.png", "contrary", (scored("=1+1"),)),
    CaptionRow(1, "/up/bad.png", "bad.png", error="is no picture"),
    CaptionRow(2, "/up/=x.png", "=x.png", "namer", (scored("a cat", chosen=True),)),
)


def test_a_run_becomes_a_table():
    rows = table(ROWS)
    assert [row.caption for row in rows] == ["a dog", "a brown dog", "=1+1", "a cat"]
    assert rows[0] == TableRow("one.png", "a dog", "namer", 1, -1.25, 0.5, True)
    assert [row.rank for row in rows] == [1, 2, 1, 1] and [row.file_name for row in rows][-1] == "=x.png"


def test_edited_captions_lose_the_numbers_of_the_old_words():
    rows = table(ROWS, {(0, "namer", 0): " a wet dog ", (0, "namer", 1): "", (2, "namer", 0): "a cat"})
    assert rows[0] == TableRow("one.png", "a wet dog", "namer", 1, None, None, True, True)
    assert [row.caption for row in rows] == ["a wet dog", "=1+1", "a cat"]
    assert rows[-1].log_probability == -1.5 and not rows[-1].edited
    with pytest.raises(BadRequest, match="no caption 5 of picture 1 by namer"):
        table(ROWS, {(0, "namer", 4): "x"})
    with pytest.raises(BadRequest, match="1,001 characters; at most 1,000"):
        table(ROWS, {(0, "namer", 0): "x" * 1001})


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_files_give_back_what_was_written(tmp_path, write):
    rows = [
        TableRow("a.png", text, "namer", k + 1, -0.125 * k, 0.5, bool(k % 2)) for k, text in enumerate(EVIL + HARMLESS)
    ]
    rows += [TableRow(text + ".png", "x", text, 1, None, None, edited=True) for text in EVIL + HARMLESS]
    path = write(rows, tmp_path / ("t.csv" if write is write_csv else "t.jsonl"))
    assert read_table(path) == rows


def test_any_text_survives_the_way_through_csv(tmp_path):
    dice = random.Random(0)
    letters = "=+-@'\t\r\n \xa0ab＝,\""
    texts = ["".join(dice.choices(letters, k=dice.randint(1, 6))) for _ in range(3000)]
    rows = [TableRow("a.png", text + "x", captioner=text) for text in texts]
    assert read_table(write_csv(rows, tmp_path / "t.csv")) == rows


def test_no_cell_can_be_taken_for_a_formula(tmp_path):
    path = write_csv([TableRow(text, text, text, 1, -2.5) for text in EVIL + HARMLESS], tmp_path / "t.csv")
    with open(path, encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in list(csv.reader(file))[1:] for cell in row[:3]]
    assert len(cells) == 3 * len(EVIL + HARMLESS)
    assert not [cell for cell in cells if cell.lstrip(" \t\r\n\xa0").startswith(tuple("=+-@＝＋－＠"))]
    assert not [cell for cell in cells if cell[0] in "\t\r"]


def test_columns_are_those_that_loaders_of_pairs_expect(tmp_path):
    rows = table(ROWS)
    assert write_csv(rows, tmp_path / "t.csv").read_text(encoding="utf-8-sig").startswith("file_name,caption,")
    lines = [json.loads(line) for line in write_jsonl(rows, tmp_path / "t.jsonl").read_text().splitlines()]
    assert lines[0]["file_name"] == "one.png" and lines[0]["caption"] == "a dog" and len(lines) == 4


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "file,caption\na,b\n", "lacks the column file_name"),
        ("t.csv", "", "lacks the column caption"),
        ("t.csv", "file_name,caption\na.png,\n", "line 2"),
        ("t.csv", "file_name,caption,rank\na.png,x,first\n", "line 2"),
        ("t.csv", "file_name,caption,clip_score\na.png,x,nan\n", "line 2"),
        ("t.jsonl", '{"file_name": "a.png", "caption": "x"}\n{"file_name"', "cannot be read as a table"),
        ("t.jsonl", "[1]\n", "line 1"),
        ("t.jsonl", '{"file_name": "a.png", "caption": 5}\n', "line 1"),
        ("t.jsonl", '{"file_name": "a.png", "caption": "x", "chosen": [1]}\n', "line 1"),
        ("gone.csv", None, "is missing"),
    ],
)
def test_tables_that_are_none_are_refused_with_the_place(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BadRequest, match=said):
        read_table(tmp_path / name)


def test_a_table_of_other_coding_or_length_is_refused(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_bytes("file_name,caption\na.png,café\n".encode("latin-1"))
    with pytest.raises(BadRequest, match="UTF-8"):
        read_table(tmp_path / "t.csv")
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    with pytest.raises(BadRequest, match="more than 3 lines"):
        read_table(write_csv(table(ROWS), tmp_path / "t.csv"))


def test_pairs_and_references_to_train_with(tmp_path):
    for name in ("one.png", "=x.png"):
        (tmp_path / name).touch()
    rows = table(ROWS)
    assert [(path.name, caption) for path, caption in pairs(rows, tmp_path)] == [
        ("one.png", "a dog"),
        ("one.png", "a brown dog"),
        ("one.png", "=1+1"),
        ("=x.png", "a cat"),
    ]
    assert list(pairs([TableRow("../one.png", "x"), TableRow("gone.png", "x")], tmp_path / "sub")) == []
    made = read_captions(write_captions(coco(rows), tmp_path / "captions.json"))
    assert made.files == {1: "one.png", 2: "=x.png"}
    assert made.captions[1] == ("a dog", "a brown dog", "=1+1")


def namesakes(*paths: str) -> list[CaptionRow]:
    return [CaptionRow(k, path, "x", "namer", (scored(f"caption {k}"),)) for k, path in enumerate(paths)]


def test_files_of_one_name_get_names_of_their_own():
    rows = namesakes("/a/1.png", "/b/1.png", "/c/1 (2).png", "/d/1.png", "/b/1.png", "/e/2.png")
    assert [row.file_name for row in table(rows)] == [
        "1.png", "1 (3).png", "1 (2).png", "1 (4).png", "1 (3).png", "2.png",
    ]  # fmt: skip
    made = coco(table(rows))
    assert len(made.files) == 5 and made.captions[1] == ("caption 0",)
    (told,) = told_of_namesakes(rows)
    assert told == "Several files are named 1.png; in the table another one is 1 (3).png (and 1 more so)."
    assert told_of_namesakes(namesakes("/a/1.png", "/a/2.png")) == []
    many = [row.file_name for row in table(namesakes(*(f"/{k}/x.png" for k in range(1000))))]
    assert len(set(many)) == 1000 and many[-1] == "x (1000).png"


def test_pairs_of_two_folders_that_would_be_one_file_are_refused(tmp_path):
    (tmp_path / "1.png").touch()
    rows = [TableRow("a/1.png", "a dog"), TableRow("a/1.png", "a wet dog"), TableRow("b/1.png", "a cat")]
    assert len(list(pairs(rows[:2], tmp_path))) == 2
    with pytest.raises(BadRequest, match=r'names "a/1.png" and "b/1.png", which would be one file'):
        list(pairs(rows, tmp_path))

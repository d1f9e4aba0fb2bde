from __future__ import annotations

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.prompt_data.submission import problems, read_submission, write_submission

IDS = ("a1", "b_2", "c3")


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((3, 384)).astype(np.float32)


@pytest.fixture
def lines(tmp_path, vectors) -> list[str]:
    return write_submission(tmp_path / "sound.csv", IDS, vectors).read_text().splitlines()


def test_what_is_written_is_read_back_bit_for_bit(tmp_path, vectors, lines):
    back = read_submission(tmp_path / "sound.csv", IDS)
    assert back.ids == IDS and np.array_equal(back.vectors.astype(np.float32), vectors)
    assert lines[0] == "imgId_eId,val" and lines[385].startswith("b_2_0,") and len(lines) == 1 + 3 * 384
    assert problems(tmp_path / "sound.csv", IDS) == [] and not list(tmp_path.glob(".*"))


# Each takes the lines of a sound file, header first, and gives those of one with a fault.
CHANGES = {
    "header": lambda rows: ["id,val", *rows[1:]],
    "nan": lambda rows: [*rows[:10], "a1_9,nan", *rows[11:]],
    "inf": lambda rows: [*rows[:10], "a1_9,-inf", *rows[11:]],
    "word": lambda rows: [*rows[:10], "a1_9,much", *rows[11:]],
    "repeat": lambda rows: [*rows[:11], *rows[10:]],
    "gap": lambda rows: [*rows[:10], *rows[11:]],
    "swap": lambda rows: [*rows[:10], rows[11], rows[10], *rows[12:]],
    "above": lambda rows: [*rows[:385], "a1_384,0.5", *rows[385:]],
    "no id": lambda rows: [*rows[:10], "a1,0.5", *rows[11:]],
    "three": lambda rows: [*rows[:10], rows[10] + ",1", *rows[11:]],
    "missing": lambda rows: [*rows[:385], *rows[769:]],
    "order": lambda rows: [rows[0], *rows[385:769], *rows[1:385], *rows[769:]],
    "unknown": lambda rows: [*rows[:769], *(row.replace("c3", "d4") for row in rows[769:])],
    "zeros": lambda rows: [rows[0], *(f"a1_{number},0.0" for number in range(384)), *rows[385:]],
    "apart": lambda rows: [*rows[:384], *rows[385:], rows[384]],
    "only a header": lambda rows: rows[:1],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("header", 'Row 1 is "id,val"; the header must be imgId_eId,val.'),
        ("nan", 'Row 11 ("a1_9") has the value nan; it must be finite.'),
        ("inf", 'Row 11 ("a1_9") has the value -inf; it must be finite.'),
        ("word", 'Row 11 ("a1_9") has "much" where a number belongs.'),
        ("repeat", 'Row 12 repeats the id "a1_9".'),
        ("gap", 'Row 11 is "a1_10" where "a1_9" belongs.'),
        ("gap", 'The image "a1", which begins at row 2, has 383 different rows; needed are 384.'),
        ("swap", 'Row 11 is "a1_10" where "a1_9" belongs.'),
        ("above", 'Row 386 is "a1_384"; the numbers of an image are 0 to 383.'),
        ("no id", 'Row 11 has the id "a1"; needed is an image\'s id, _ and a number.'),
        ("three", "Row 11 has 3 values; needed are an id and a number."),
        ("missing", 'The image "b_2" is missing.'),
        ("order", 'Row 2 begins the image "b_2" where "a1" belongs'),
        ("unknown", 'Row 770 is about the image "d4", which is not asked for.'),
        ("zeros", 'The image "a1", which begins at row 2, has nothing but zeros, which have no cosine.'),
        ("apart", 'Row 1,153 comes back to the image "a1", whose rows began at 2.'),
        ("only a header", "There are no rows below the header."),
    ],
)
def test_every_fault_is_a_sentence_that_names_the_row(tmp_path, lines, change, said):
    path = tmp_path / "changed.csv"
    path.write_text("\n".join(CHANGES[change](lines)) + "\n")
    told = problems(path, IDS)
    assert any(said in sentence for sentence in told), told
    with pytest.raises(BadRequest, match=r"changed\.csv"):
        read_submission(path, IDS)


def test_many_faults_of_one_kind_are_counted(tmp_path, lines):
    path = tmp_path / "changed.csv"
    path.write_text("\n".join([lines[0], *(line.split(",")[0] + ",nan" for line in lines[1:])]))
    told = problems(path)
    assert len(told) == 6 and told[-1] == "1,147 more times: a value that is not finite."


def test_the_order_matters_only_beside_a_sample(tmp_path, lines):
    path = tmp_path / "changed.csv"
    path.write_text("\n".join(CHANGES["order"](lines)))
    assert problems(path) == [] and len(problems(path, IDS)) == 1


@pytest.mark.parametrize(
    ("ids", "change", "said"),
    [
        (("a", "a", "b"), None, "two predictions"),
        (("a.jpg", "b", "c"), None, "without its extension"),
        (("a", "b"), None, r"shape \(3, 384\)"),
        (("a", "b", "c"), np.nan, "no direction"),
        (("a", "b", "c"), 0.0, "no direction"),
    ],
)
def test_the_writer_writes_nothing_unsound(tmp_path, vectors, ids, change, said):
    if change is not None:
        vectors[1] = change
    with pytest.raises(BadRequest, match=said):
        write_submission(tmp_path / "out.csv", ids, vectors)
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(BadRequest, match="missing or cannot be read"):
        problems(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(BadRequest, match="not a CSV file in UTF-8"):
        problems(tmp_path / "x.csv")

import json

from tabs.examples import load, rows_of
from tests.tabs.tiny_pack import make_examples


def test_examples_come_with_their_scores(tmp_path):
    example = load(make_examples(tmp_path / "examples"))[1]
    assert example.prompt == "a blue whale" and example.settings["steps"] == 8
    rows = rows_of(example)
    assert [row.cosine for row in rows] == [0.9, 0.8, 0.7]
    assert [row.label for row in rows] == ["seed 1", "seed 2", "seed 3"]


def test_an_example_whose_pictures_are_missing_is_left_out(tmp_path):
    folder = make_examples(tmp_path / "examples")
    before = load(folder)
    before[0].files[1].unlink()
    assert load(folder) == before[1:]


def test_no_list_is_no_examples(tmp_path):
    assert load(tmp_path) == ()


def test_the_list_that_is_shipped_is_sound():
    from tabs.rooms import EXAMPLES

    listed = EXAMPLES / "text_to_image.json"
    if listed.is_file():
        assert len(load(EXAMPLES)) == len(json.loads(listed.read_text(encoding="utf-8")))
        assert all(len(rows_of(example)) == len(example.files) for example in load(EXAMPLES))

from __future__ import annotations

import json

import pytest

from common.errors import BadRequest
from pipelines.evaluation import coco
from pipelines.evaluation.coco import CocoCaptions, read_captions, read_results, write_captions

GOOD = {
    "info": {"year": 2014},
    "images": [
        {"id": 9, "file_name": "val/9.jpg", "height": 3},
        {"id": 2, "file_name": "2.jpg"},
        {"id": 3, "file_name": "3.jpg"},
    ],
    "annotations": [
        {"id": 1, "image_id": 2, "caption": "A dog.\n"},
        {"id": 2, "image_id": 9, "caption": "A cat."},
        {"id": 3, "image_id": 2, "caption": "Some  dog"},
    ],
}


def save(path, table) -> str:
    path.write_text(table if isinstance(table, str) else json.dumps(table), encoding="utf-8")
    return str(path)


def test_captions_are_read_by_picture(tmp_path):
    found = read_captions(save(tmp_path / "c.json", GOOD))
    assert found.captions == {9: ("A cat.",), 2: ("A dog.", "Some dog")}
    assert found.files == {9: "val/9.jpg", 2: "2.jpg"}  # the third has no captions


def test_pairs_are_those_whose_picture_is_there(tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "9.jpg").touch()
    pairs = list(read_captions(save(tmp_path / "c.json", GOOD)).pairs(tmp_path))
    assert pairs == [(tmp_path / "val" / "9.jpg", "A cat.")]


def test_what_is_written_is_read_again(tmp_path):
    captions = CocoCaptions({1: "a.png", "x": "東京.png"}, {1: ("a dog", "dogs"), "x": ("a tower",)})
    found = read_captions(write_captions(captions, tmp_path / "c.json"))
    assert (found.files, found.captions) == (captions.files, captions.captions)


def changed(**changes) -> dict:
    return {**GOOD, **changes}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("{", "breaks off or goes wrong in line 1"),
        ('{"images": NaN}', "numbers that are none"),
        ("[" * 100_000, "nested too deeply"),
        ([], 'needs the lists "images" and "annotations"'),
        ({"images": []}, 'needs the lists "images" and "annotations"'),
        (changed(images=[{"file_name": "a.jpg"}]), "image 1"),
        (changed(images=[{"id": True, "file_name": "a.jpg"}]), "image 1"),
        (changed(images=[{"id": 1}]), '"file_name": ...} with a name in image 1'),
        (changed(images=[{"id": 1, "file_name": "../a.jpg"}]), "leads out of the folder"),
        (changed(images=[{"id": 1, "file_name": "C:\\a.jpg"}]), "leads out of the folder"),
        (changed(images=GOOD["images"] * 2), "two images with the id 9"),
        (changed(annotations=[]), "has no captions"),
        (changed(annotations=[{"image_id": 77, "caption": "x"}]), "the image 77 (annotation 1), which is not among"),
        (changed(annotations=[{"image_id": 9, "caption": " "}]), "with a text in annotation 1"),
        (changed(annotations=[{"image_id": 9, "caption": 5}]), "with a text in annotation 1"),
        (changed(annotations=["x"]), "annotation 1"),
        (changed(annotations=[{"image_id": 9, "caption": "x" * 5001}]), "5,001 characters"),
    ],
)
def test_files_that_are_none_are_refused_with_the_place(tmp_path, table, said):
    with pytest.raises(BadRequest) as caught:
        read_captions(save(tmp_path / "c.json", table))
    assert said in str(caught.value) and "c.json" in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_files_of_other_kinds_are_refused(tmp_path, monkeypatch):
    (tmp_path / "c.json").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(BadRequest, match="UTF-8"):
        read_captions(tmp_path / "c.json")
    with pytest.raises(BadRequest, match="missing"):
        read_captions(tmp_path / "gone.json")
    monkeypatch.setattr(coco, "MAX_MB", 1e-6)
    with pytest.raises(BadRequest, match="are read"):
        read_captions(tmp_path / "c.json")


def test_half_characters_do_not_reach_the_tokenizers(tmp_path):
    save(tmp_path / "r.json", '[{"image_id": 1, "caption": "a \\ud83d dog"}]')
    assert read_results(tmp_path / "r.json") == {1: "a ? dog"}


def test_results_are_one_caption_a_picture(tmp_path):
    path = save(tmp_path / "r.json", [{"image_id": 2, "caption": "a dog"}, {"image_id": "x", "caption": ""}])
    assert read_results(path) == {2: "a dog", "x": ""}  # a captioner that says nothing has said so
    for table, said in (
        ({}, "must be a list"),
        ([], "has no captions"),
        ([{"image_id": 2, "caption": "a"}] * 2, "two captions for the image 2"),
        ([{"image_id": 2}], "with a text in entry 1"),
    ):
        with pytest.raises(BadRequest, match=said):
            read_results(save(tmp_path / "r.json", table))

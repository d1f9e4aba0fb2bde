from __future__ import annotations

import os
import zipfile

import pytest

from common.errors import BadRequest
from safeguards.recipe import Recipe, read, stamp_png
from safeguards.zips import zip_files


@pytest.fixture
def files(tmp_path):
    for folder, text in (("a", b"1"), ("b", b"2"), ("c", b"3")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "cat.png").write_bytes(text)
    (tmp_path / "c" / "Cat.png").write_bytes(b"4")
    return [
        tmp_path / "a" / "cat.png",
        tmp_path / "b" / "cat.png",
        tmp_path / "c" / "cat.png",
        tmp_path / "c" / "Cat.png",
    ]


def test_own_names_in_order_without_folders(files, tmp_path):
    out = zip_files([str(path) for path in files], str(tmp_path / "all.zip"))
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["cat.png", "cat-2.png", "cat-3.png", "Cat-4.png"]
        assert [archive.read(name) for name in archive.namelist()] == [b"1", b"2", b"3", b"4"]


def test_pictures_keep_their_recipes(photo, recipe, tmp_path):
    stamp_png(photo, recipe, tmp_path / "cat.png")
    with zipfile.ZipFile(zip_files([tmp_path / "cat.png"], tmp_path / "all.zip")) as archive:
        archive.extractall(tmp_path / "out")
    assert isinstance(read(tmp_path / "out" / "cat.png"), Recipe)


def test_nothing_and_missing_files(files, tmp_path):
    with pytest.raises(BadRequest, match="nothing to download yet"):
        zip_files([], tmp_path / "all.zip")
    with pytest.raises(BadRequest) as caught:
        zip_files([*files, tmp_path / "gone.png"], tmp_path / "all.zip")
    assert str(caught.value).startswith("gone.png is no longer there")
    assert not (tmp_path / "all.zip").exists()


def test_a_failure_leaves_the_old_zip_and_nothing_else(files, tmp_path, monkeypatch):
    out = zip_files(files[:1], tmp_path / "all.zip")
    before = out.read_bytes(), sorted(os.listdir(tmp_path))

    def full_disk(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        zip_files(files, out)
    assert (out.read_bytes(), sorted(os.listdir(tmp_path))) == before


def test_files_from_before_1980(files, tmp_path):
    os.utime(files[0], (0, 0))
    assert zipfile.ZipFile(zip_files(files[:1], tmp_path / "all.zip")).namelist() == ["cat.png"]

"""Uploads are put where an index finds them again, and nowhere else."""

import zipfile
from pathlib import Path

import pytest

from common.errors import BadRequest
from tabs import image_index_uploads as uploads
from tabs.image_index_uploads import kept, put_away
from tests.tabs.image_index_pack import paint
from tests.tabs.tiny_pack import tiny_settings


@pytest.fixture
def settings(tmp_path):
    return tiny_settings(tmp_path, max_upload_mb=0.1)


@pytest.fixture
def files(tmp_path):
    return paint(tmp_path / "in", "red", "blue", "green")


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def names(place: Path) -> list[str]:
    return sorted(Path(path).name for path in kept(place))


def test_pictures_keep_their_names_and_come_once(tmp_path, settings, files):
    place = tmp_path / "place"
    twin = tmp_path / "twin" / files[0].name
    twin.parent.mkdir()
    twin.write_bytes(files[1].read_bytes())  # another picture of the same name
    for _ in range(2):
        intake = put_away([str(path) for path in [*files, twin]], place, settings)
    assert intake.pictures == 4 and intake.left_out == []
    assert names(place) == [files[0].name, files[0].name, files[1].name, files[2].name]


def test_a_zip_gives_its_pictures_and_tells_of_the_rest(tmp_path, settings, files):
    data = files[0].read_bytes()
    members = {
        "holiday/sea.PNG": data,
        "../../../escape.png": files[1].read_bytes(),
        "C:\\temp\\up.png": files[2].read_bytes(),
        "notes.txt": b"words",
        "__MACOSX/holiday/._sea.png": b"junk",
        ".DS_Store": b"junk",
        "large.png": b"x" * 200_000,
    }
    intake = put_away([str(zipped(tmp_path / "all.zip", members))], tmp_path / "place", settings)
    assert names(tmp_path / "place") == ["escape.png", "sea.png", "up.png"] and intake.pictures == 3
    told = dict(intake.left_out)
    assert told["notes.txt"] == "is not a picture" and told["large.png"] == "is larger than 0.1 MB" and len(told) == 2
    assert not list(tmp_path.rglob("../**/escape.png")) or len(list(tmp_path.rglob("escape.png"))) == 1


def test_a_zip_that_lies_about_sizes_is_stopped_at_the_limit(tmp_path, settings):
    bomb = zipped(tmp_path / "bomb.zip", {"bomb.png": b"\0" * 50_000_000})
    assert bomb.stat().st_size < 100_000
    intake = put_away([str(bomb)], tmp_path / "place", settings)
    assert intake.left_out == [("bomb.png", "is larger than 0.1 MB")] and kept(tmp_path / "place") == []


def test_what_is_no_zip_and_no_picture_is_left_out(tmp_path, settings, files):
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 nothing more")
    (tmp_path / "song.mp3").write_bytes(b"la")
    paths = [tmp_path / "broken.zip", tmp_path / "song.mp3", tmp_path / "gone.png", files[0]]
    intake = put_away([str(path) for path in paths], tmp_path / "place", settings)
    assert [name for name, _ in intake.left_out] == ["broken.zip", "song.mp3", "gone.png"] and intake.pictures == 1


def test_a_locked_or_damaged_member_is_told_of(tmp_path, settings, files):
    path = zipped(tmp_path / "a.zip", {"a.png": files[0].read_bytes(), "b.png": files[1].read_bytes()})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 8] |= 1  # the flag of a password
    path.write_bytes(data)
    intake = put_away([str(path)], tmp_path / "place", settings)
    assert names(tmp_path / "place") == ["a.png"] and intake.left_out == [("b.png", "is locked with a password")]


def test_one_index_holds_so_much_and_no_more(tmp_path, files, monkeypatch):
    monkeypatch.setattr(uploads, "PUBLIC_FILES", 2)
    public = tiny_settings(tmp_path, public=True)
    with pytest.raises(BadRequest, match="at most 2 pictures"):
        put_away([str(path) for path in files], tmp_path / "place", public)
    assert len(kept(tmp_path / "place")) == 2
    monkeypatch.setattr(uploads, "MAX_MEMBERS", 1)
    archive = zipped(tmp_path / "many.zip", {"a.png": b"1", "b.png": b"2"})
    with pytest.raises(BadRequest, match=r"many\.zip holds 2 files; allowed are 1"):
        put_away([str(archive)], tmp_path / "other", public)

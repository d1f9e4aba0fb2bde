from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from safeguards.quota import keep_within, output_path


def written(folder: Path, size: int, age: float = 0, suffix: str = ".png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = output_path(folder, suffix, 1)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_the_oldest_go_first(tmp_path):
    files = [written(tmp_path / str(k % 2), 100, age=1000 - k) for k in range(10)]
    keep_within(tmp_path, 500)
    assert [path.exists() for path in files] == [False] * 6 + [True] * 4


def test_nothing_goes_inside_the_limit(tmp_path):
    files = [written(tmp_path, 100) for _ in range(5)]
    keep_within(tmp_path, 500)
    assert all(path.exists() for path in files)


def test_what_was_just_written_stays_even_when_it_is_too_much(tmp_path):
    old = written(tmp_path, 100)
    new = [written(tmp_path, 1000, age=5000) for _ in range(3)]
    keep_within(tmp_path, 500, new)
    assert not old.exists()
    assert all(path.exists() for path in new)


def test_files_that_are_not_ours_are_neither_counted_nor_touched(tmp_path):
    names = (
        "holiday.png",
        "clip-atelier-notes.txt",
        "clip-atelier-20260131-120000-1-1a2b3c4d.png.bak",
        "my clip-atelier-20260131-120000-1-1a2b3c4d.png",
        "clip-atelier-20260131-120000-1-1a2b3c4d.txt",
    )
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 10_000)
        os.utime(tmp_path / name, (0, 0))
    mine = written(tmp_path, 100)
    keep_within(tmp_path, 500)
    assert mine.exists()
    written(tmp_path, 1000, age=9000)
    keep_within(tmp_path, 500, [])
    assert all((tmp_path / name).exists() for name in names)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    precious = written(outside, 5000, age=9000)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "linked").symlink_to(outside, target_is_directory=True)
    (inside / precious.name).symlink_to(precious)
    written(inside, 600)
    keep_within(inside, 500)
    assert precious.exists()
    assert (inside / precious.name).is_symlink()


def test_a_zip_named_after_a_picture_is_ours(tmp_path):
    picture = written(tmp_path, 100)
    archive = picture.with_name(f"{picture.stem}-all.zip")
    archive.write_bytes(b"x" * 1000)
    os.utime(archive, (0, 0))
    keep_within(tmp_path, 500)
    assert (picture.exists(), archive.exists()) == (True, False)


def test_every_kind_of_output_counts(tmp_path):
    files = [written(tmp_path, 100, age=k, suffix=s) for k, s in enumerate((".png", ".mp4", ".webp", ".gif", ".zip"))]
    keep_within(tmp_path, 200)
    assert [path.exists() for path in files] == [True, False, False, False, False]


def test_the_folder_is_searched_again_only_when_it_may_be_full(tmp_path, monkeypatch):
    walks = []
    real = os.walk
    monkeypatch.setattr(os, "walk", lambda *arguments, **options: walks.append(1) or real(*arguments, **options))
    for _ in range(12):
        keep_within(tmp_path, 1000, [written(tmp_path, 100)])
    assert 2 <= len(walks) <= 4
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000


def test_what_a_crash_left_is_swept_up(tmp_path):
    old = tmp_path / ".clip-atelier-20260131-120000-1-1a2b3c4d.png.11111111.part"
    under_way = tmp_path / ".clip-atelier-20260131-120000-1-1a2b3c4d.png.22222222.part"
    for path in (old, under_way):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    keep_within(tmp_path, 500)
    assert (old.exists(), under_way.exists()) == (False, True)


def test_a_folder_that_is_not_there(tmp_path):
    keep_within(tmp_path / "gone", 500)
    assert not (tmp_path / "gone").exists()


def test_many_writers_at_once_stay_within(tmp_path):
    def write() -> None:
        for _ in range(20):
            keep_within(tmp_path, 2000, [written(tmp_path, 100)])

    writers = [threading.Thread(target=write) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    keep_within(tmp_path, 2000)
    assert 0 < sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000

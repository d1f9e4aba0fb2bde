from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.image_index import build, work
from pipelines.image_index.card import OtherModelError, index_folder, index_names, read_card
from pipelines.image_index.request import BuildIndexRequest
from pipelines.image_index.store import ImageIndex, building
from tests.pipelines.image_index.conftest import RANKER, finish, picture, save


@pytest.fixture
def folder(tmp_path):
    """Twelve different pictures in two folders, the first with a prompt."""
    save(tmp_path / "shots", 0, "a red kite")
    for number in range(1, 12):
        save(tmp_path / "shots" / ("deep" if number % 2 else ""), number)
    return tmp_path / "shots"


def opened(services, name="mine") -> ImageIndex:
    return ImageIndex.open(index_folder(services.settings, name))


def rows(index: ImageIndex, **columns) -> list[dict]:
    return [row for batch in index.pictures(**columns) for row in batch.to_pylist()]


def test_rows_hold_what_is_known_about_each_picture(services, build_index, folder):
    result = build_index(folder)
    assert (result.new, result.copies, result.unchanged, result.refused) == (12, 0, 0, ())
    index = opened(services)
    columns = [*index._pictures.schema.names]
    by_name = {row["path"].rpartition("/")[2]: row for row in rows(index, columns=columns)}
    assert len(by_name) == len(index) == result.pictures == 12
    row = by_name["000.png"]
    assert (row["prompt"], row["program"]) == ("a red kite", "CLIP Atelier") and by_name["001.png"]["prompt"] == ""
    assert (row["width"], row["height"]) == (40, 30) and row["bytes"] == (folder / "000.png").stat().st_size
    assert len(row["sha256"]) == 64 and row["modified"].timestamp() == pytest.approx(
        os.path.getmtime(folder / "000.png")
    )
    card = index.card
    assert (row["ranker"], row["revision"], row["dimension"]) == (RANKER, card.revision, len(row["vector"]))
    expected = services.scorer.image_vectors(RANKER, [picture(0)])[0].numpy()
    assert np.asarray(row["vector"]) == pytest.approx(expected, abs=1e-6)
    assert index_names(services.settings) == ("mine",)


def test_only_new_and_changed_files_are_looked_at(services, build_index, folder, monkeypatch):
    build_index(folder)
    looked = []
    encode = services.scorer.image_vectors
    monkeypatch.setattr(
        services.scorer, "image_vectors", lambda *words: (looked.append(len(words[1])), encode(*words))[1]
    )
    again = build_index(folder)
    assert (again.new, again.unchanged, looked) == (0, 12, [])
    save(folder, 50)
    picture(51).save(folder / "002.png")  # another picture under a known name
    os.rename(folder / "004.png", folder / "moved.png")
    (folder / "006.png").unlink()
    result = build_index(folder)
    assert sum(looked) == 2 == result.new and (result.gone, result.pictures) == (2, 12)
    names = {row["path"].rpartition("/")[2] for row in rows(opened(services))}
    assert {"moved.png", "050.png", "002.png"} <= names and not {"004.png", "006.png"} & names


def test_the_same_pixels_are_one_row_however_they_were_saved(services, build_index, folder):
    picture(3).save(folder / "other form.bmp")
    save(folder, 3, "three in words", name="stamped.png")
    result = build_index(folder)
    assert (result.new, result.copies, result.pictures) == (12, 2, 12)
    (row,) = [row for row in rows(opened(services)) if row["copies"]]
    # The file that knows its prompt stands for the picture.
    assert row["path"].endswith("/stamped.png") and row["prompt"] == "three in words" and len(row["copies"]) == 2
    (folder / "stamped.png").unlink()
    assert build_index(folder).pictures == 12
    (row,) = [row for row in rows(opened(services)) if row["copies"]]
    assert len(row["copies"]) == 1 and row["prompt"] == ""


def test_a_second_folder_is_added_and_does_not_push_out_the_first(build_index, folder, tmp_path):
    build_index(folder)
    save(tmp_path / "more", 70)
    assert build_index(tmp_path / "more").pictures == 13


def test_the_gallery_is_what_the_app_made(services, build_index):
    with pytest.raises(BadRequest, match="no pictures yet"):
        build_index()
    save(services.settings.output / "text_to_image", 1, "a boat")
    result = build_index()
    assert result.pictures == 1 and build_index().unchanged == 1  # its own files are not taken for pictures


def test_stop_keeps_what_there_is_and_the_next_run_goes_on(services, folder):
    request = BuildIndexRequest("mine", folder, ranker=RANKER)
    steps, result = finish(build.run(request, services), stop_at=build.SLICE)
    assert result.stopped and result.pictures == build.SLICE == result.new and steps[0].total == 14
    _, result = finish(build.run(request, services))
    assert (result.new, result.unchanged, result.pictures) == (4, build.SLICE, 12)


def test_a_folder_that_vanishes_midway(services, folder):
    run = build.run(BuildIndexRequest("mine", folder, ranker=RANKER), services)
    assert next(run).data["new"] == build.SLICE
    shutil.move(folder, folder.parent / "away")
    with pytest.raises(BadRequest, match=r"folder shots disappeared after 12 of 12 pictures.*stays in the index"):
        next(run)
    assert len(opened(services)) == build.SLICE
    with pytest.raises(BadRequest, match="shots is not there"):
        finish(build.run(BuildIndexRequest("mine", folder, ranker=RANKER), services))
    assert len(opened(services)) == build.SLICE  # an unplugged disk empties no index
    shutil.move(folder.parent / "away", folder)
    _, result = finish(build.run(BuildIndexRequest("mine", folder, ranker=RANKER), services))
    assert (result.pictures, result.new) == (12, 4)


def test_broken_files_are_named_and_the_rest_goes_on(build_index, folder):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    (folder / "notes.txt").write_text("not a picture, and not called one")
    result = build_index(folder)
    assert result.pictures == 12 and [path.rpartition("/")[2] for path, _ in result.refused] == ["broken.png"]
    assert "broken.png" in result.notes[0] and str(folder) not in " ".join(result.notes)


def test_a_vector_of_nan_is_refused_with_the_file(services, build_index, folder, monkeypatch):
    encode = services.scorer.image_vectors

    def spoilt(ranker, images, device=None):
        vectors = encode(ranker, images, device).clone()
        vectors[0] = float("nan")
        return vectors

    monkeypatch.setattr(services.scorer, "image_vectors", spoilt)
    result = build_index(folder)
    assert result.pictures == 10 and len(result.refused) == 2 and "NaN" in result.refused[0][1]
    monkeypatch.undo()
    assert build_index(folder).pictures == 12  # and looked at again when there is a chance


def test_another_model_is_refused_and_rebuilding_replaces_it(services, build_index, folder, tmp_path, hub):
    build_index(folder)
    save(tmp_path / "more", 90)
    build_index(tmp_path / "more")
    with pytest.raises(OtherModelError, match=r"was made with CLIP ViT-B/32 .*rebuild the index"):
        build_index(folder, ranker="siglip-vit-b-16")
    assert opened(services).card.ranker == RANKER
    result = build_index(folder, ranker="siglip-vit-b-16", rebuild=True)
    assert result.pictures == 13 == result.new  # the second folder's picture, too
    place = index_folder(services.settings, "mine")
    assert read_card(place).ranker == "siglip-vit-b-16"
    assert [each.name for each in place.iterdir() if each.is_dir()] == [read_card(place).key]
    assert build_index(folder, ranker="").unchanged == 12  # "" is the index's own model now


def test_a_rebuild_that_is_stopped_leaves_the_old_index_in_use(services, build_index, folder):
    build_index(folder)
    request = BuildIndexRequest("mine", folder, ranker="siglip-vit-b-16", rebuild=True)
    _, result = finish(build.run(request, services), stop_at=build.SLICE)
    assert result.stopped and "stays in use" in result.notes[0]
    assert opened(services).card.ranker == RANKER and len(opened(services)) == 12
    _, result = finish(build.run(request, services))
    assert (result.new, result.unchanged) == (4, build.SLICE) and opened(services).card.ranker == "siglip-vit-b-16"


def test_two_builds_of_one_index_do_not_run_at_once(services, build_index, folder):
    with building(index_folder(services.settings, "mine")), pytest.raises(BadRequest, match="being built just now"):
        build_index(folder)
    assert build_index(folder).pictures == 12


def test_files_are_written_before_the_end(services, folder, monkeypatch):
    monkeypatch.setattr(work, "FLUSH_FILES", 4)
    run = build.run(BuildIndexRequest("mine", folder, ranker=RANKER), services)
    next(run)
    assert len(opened(services)) == build.SLICE
    run.close()  # and the lock is free again
    _, result = finish(build.run(BuildIndexRequest("mine", folder, ranker=RANKER), services))
    assert result.unchanged == build.SLICE

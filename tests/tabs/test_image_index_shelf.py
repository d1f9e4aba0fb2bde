"""Which indexes somebody sees, and what is known about them."""

import os

import pytest

from common.errors import BadRequest
from pipelines.image_index.card import FOLDER, index_names
from pipelines.image_index.store import building
from tabs.image_index_shelf import NOTES, UPLOADS, Shelf, built
from tests.tabs.image_index_pack import JUDGE, build, index_services, paint, upload


@pytest.fixture
def services(tmp_path):
    return index_services(tmp_path)


@pytest.fixture
def strangers(tmp_path):
    return index_services(tmp_path, public=True)


def test_without_strangers_all_see_all(services, tmp_path):
    build(services, paint(tmp_path / "in", "red", "blue")[0].parent)
    for owner in ("ann", "bob"):
        assert Shelf.of(services.settings, owner).names() == ["mine"] == list(index_names(services.settings))
    about = Shelf.of(services.settings, "ann").about("mine", services.catalog)
    assert (about.pictures, about.card.ranker, about.trouble) == (2, JUDGE.name, "")
    assert (about.built.source, about.built.folder, about.built.finished) == ("folder", str(tmp_path / "in"), True)


def test_strangers_have_indexes_of_their_own_under_the_same_name(strangers, tmp_path):
    ann, bob = (Shelf.of(strangers.settings, owner) for owner in ("ann", "bob"))
    upload(strangers, paint(tmp_path / "a", "red"), owner="ann")
    upload(strangers, paint(tmp_path / "b", "blue", "green"), owner="bob")
    assert ann.names() == bob.names() == ["mine"] and len(index_names(strangers.settings)) == 2
    assert ann.chosen("mine") == ann.chosen("gone") == ann.chosen(None) == "mine"
    assert ann.about("mine", strangers.catalog).pictures == 1
    assert bob.about("mine", strangers.catalog).pictures == 2
    assert (
        Shelf.of(strangers.settings, "eve").names() == [] and Shelf.of(strangers.settings, "eve").chosen(None) is None
    )
    ann.delete("mine")
    assert (ann.names(), bob.names()) == ([], ["mine"])
    assert Shelf.holding(strangers.settings, bob.real("mine")) == (bob, "mine")


def test_what_a_visitor_reads_never_shows_the_mark(strangers):
    ann = Shelf.of(strangers.settings, "ann")
    with pytest.raises(BadRequest, match='no index "mine"; build it first') as refused:
        ann.about("mine", strangers.catalog)
    assert ann.mark not in str(refused.value)
    with pytest.raises(BadRequest, match="at most 40 characters"):
        ann.real("x" * 41)


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden", "x" * 61, None])
def test_odd_names_are_refused(services, name):
    with pytest.raises(BadRequest, match="allowed are 1 to 60 letters"):
        Shelf.of(services.settings, "ann").real(name)


def test_deleting_takes_the_uploads_along_and_leaves_folders_alone(services, tmp_path):
    shelf = Shelf.of(services.settings, "")
    files = paint(tmp_path / "in", "red", "blue")
    build(services, tmp_path / "in", "folder")
    upload(services, files, "sent")
    shelf.delete("folder")
    shelf.delete("sent")
    assert shelf.names() == [] and all(path.is_file() for path in files)
    root = services.settings.output / FOLDER
    assert [path.name for path in root.iterdir()] == [UPLOADS] and not list((root / UPLOADS).iterdir())
    with pytest.raises(BadRequest, match="nothing to delete"):
        shelf.delete("sent")


def test_an_index_is_not_deleted_while_it_is_being_built(services, tmp_path):
    shelf = Shelf.of(services.settings, "")
    build(services, paint(tmp_path / "in", "red")[0].parent)
    with building(shelf.folder("mine")), pytest.raises(BadRequest, match="being built just now"):
        shelf.delete("mine")
    assert shelf.names() == ["mine"]


def test_a_model_that_was_trained_again_is_told_of(services, tmp_path):
    shelf = Shelf.of(services.settings, "")
    build(services, paint(tmp_path / "in", "red")[0].parent)
    (services.settings.weights / JUDGE.source / "model.safetensors").write_bytes(b"new")
    assert "cannot be compared" in shelf.about("mine", services.catalog).trouble


def test_odd_notes_count_for_none(services, tmp_path):
    build(services, paint(tmp_path / "in", "red")[0].parent)
    folder = Shelf.of(services.settings, "").folder("mine")
    for text in ("", "[]", '{"source": "moon"}', '{"source": "moon", "folder": 3, "finished": 1}'):
        (folder / NOTES).write_text(text)
        assert built(folder).source == "folder" and built(folder).finished


def test_the_indexes_that_strangers_left_alone_longest_make_room(strangers, tmp_path):
    for number, owner in enumerate(("ann", "bob", "cy")):
        upload(strangers, paint(tmp_path / owner, "red", "blue"), owner=owner)
        for path in (strangers.settings.output / FOLDER).rglob(f"{Shelf.of(strangers.settings, owner).mark}*/**/*"):
            os.utime(path, (1000 + number, 1000 + number))
    small = index_services(tmp_path, public=True, output_quota_gb=1e-9).settings
    Shelf.of(small, "bob").make_room()
    assert [Shelf.of(small, owner).names() for owner in ("ann", "bob", "cy")] == [[], ["mine"], []]
    assert len(list((small.output / FOLDER / UPLOADS).iterdir())) == 1

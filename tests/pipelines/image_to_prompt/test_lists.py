from __future__ import annotations

import json

import pytest

from common.errors import BadRequest
from pipelines.image_to_prompt import lists
from pipelines.image_to_prompt.lists import BUILT_IN, FOLDER, NEGATIVE, built_in, gather, read_list
from pipelines.image_to_prompt.recent import Recent
from pipelines.image_to_prompt.wary import flags

ALL = (*BUILT_IN, NEGATIVE)


@pytest.mark.parametrize("name", ALL)
def test_each_list_says_where_it_comes_from(name):
    found = built_in(name)
    assert found.title and found.source and found.licence and len(found) >= 50
    assert found.phrases[0][0] != "#"


def test_every_list_in_the_folder_is_offered():
    assert {path.stem for path in FOLDER.iterdir()} == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_lists_are_clean(name):
    phrases = built_in(name).phrases
    assert len({each.casefold() for each in phrases}) == len(phrases)
    assert [each for each in phrases if each != " ".join(each.split()) or "," in each] == []
    assert [(each, flags(each)) for each in phrases if flags(each)] == []


def test_no_phrase_is_in_two_lists():
    phrases = [each.casefold() for name in BUILT_IN for each in built_in(name).phrases]
    assert len(set(phrases)) == len(phrases)


@pytest.mark.parametrize("phrase", ["a nude figure", "gore", "bloodbath", "Porn star", "NSFW", "beheaded king"])
def test_unsafe_phrases_are_flagged(phrase):
    assert "unsafe" in flags(phrase)


@pytest.mark.parametrize("phrase", ["by Jane Doe", "inspired by jane doe", "art by jane", "in the style of Jane Doe"])
def test_artists_are_flagged(phrase):
    assert flags(phrase) == ("artist",)


@pytest.mark.parametrize(
    "phrase", ["by candlelight", "by a lake", "framed by foreground", "a nudge", "Sussex", "made of gold"]
)
def test_harmless_phrases_are_not(phrase):
    assert flags(phrase) == ()


def test_lists_of_clip_interrogator_load_as_they_are(phrases):
    flavors = phrases(
        "flavors.txt", "highly detailed", "#art", " by jane doe", "", "highly  detailed", "Highly Detailed", "nsfw"
    )
    found = read_list(flavors)
    assert found.name == "flavours" and found.phrases == ("highly detailed", "#art")
    assert dict(found.left_out) == {"by jane doe": "artist", "nsfw": "unsafe"}
    assert "1 artist, 1 unsafe" in found.sentence() and "flavors.txt" in found.source
    artists = phrases("artists.txt", "Jane Doe", "John Roe")
    with pytest.raises(BadRequest, match="all of its 2 were left out"):
        read_list(artists)
    assert read_list(artists, artists=True).phrases == ("by Jane Doe", "by John Roe")
    assert read_list(phrases("mediums.txt", "a print")).name == "media"


def test_other_kinds_of_files(tmp_path, phrases):
    assert read_list(phrases("own.csv", "id,phrase", '1,"red, warm"', "2,blue")).phrases == ("red, warm", "blue")
    assert read_list(phrases("own2.csv", "red", "blue")).phrases == ("red", "blue")
    for value in (["red", "blue"], {"phrases": ["red", "blue"]}, {"labels": ["red", "blue"]}):
        (tmp_path / "own.json").write_text(json.dumps(value))
        assert read_list(tmp_path / "own.json").phrases == ("red", "blue")
    own = read_list(phrases("mine.txt", "# Title: Mine", "# Source: me", "# Licence: CC0", "red", "#tag"))
    assert (own.title, own.source, own.licence, own.phrases) == ("Mine", "me", "CC0", ("red", "#tag"))


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("empty.txt", [""], "has no phrases"),
        ("own.csv", ["name_of,other", "a,b"], "it has name_of, other"),
        ("own.json", ["{"], "no sound JSON"),
        ("own.json", ["[1]"], "a list of texts"),
        ("own.pdf", ["x"], "allowed are .txt"),
    ],
)
def test_files_that_are_no_lists_are_refused(phrases, name, lines, said):
    with pytest.raises(BadRequest, match=said):
        read_list(phrases(name, *lines))


def test_missing_and_wrongly_coded_files_are_refused(tmp_path):
    with pytest.raises(BadRequest, match=r"^gone\.txt is missing"):
        read_list(tmp_path / "gone.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00x\xd8")
    with pytest.raises(BadRequest, match="UTF-8"):
        read_list(tmp_path / "bytes.txt")


def test_lists_are_joined_without_repetition(phrases):
    found = gather(("media", "lighting"), (phrases("mediums.txt", "a photograph", "a thumbprint", "golden hour"),))
    media = found[0]
    assert [each.name for each in found] == ["media", "lighting"] and media.phrases[-1] == "a thumbprint"
    assert media.phrases.count("a photograph") == 1 and "golden hour" not in media.phrases
    assert "mediums.txt" in media.source and "CLIP Atelier" in media.source
    with pytest.raises(BadRequest, match="no list of phrases"):
        gather((), ())
    with pytest.raises(BadRequest, match="There is no list"):
        gather(("nonsense",), ())


def test_a_list_that_adds_nothing_is_left_out(tmp_path):
    phrase = built_in("media").phrases[0]
    (tmp_path / "mine.txt").write_text(f"{phrase.upper()}\n", encoding="utf-8")
    assert [each.name for each in gather(["media"], [tmp_path / "mine.txt"])] == ["media"]


def test_a_file_is_read_again_only_when_it_changed(phrases, monkeypatch):
    path = phrases("mine.txt", "red")
    read = []
    monkeypatch.setattr(lists, "_read", lambda path, before=lists._read: (read.append(path), before(path))[1])
    assert read_list(path) is read_list(path) and len(read) == 1
    read_list(path, artists=True)
    assert len(read) == 2
    phrases("mine.txt", "red", "blue")
    assert read_list(path).phrases == ("red", "blue") and len(read) == 3


def test_what_is_kept_in_memory_has_a_limit():
    kept = Recent(10)
    for key, weight in (("a", 4), ("b", 4), ("huge", 11)):
        assert kept.keep(key, key.upper(), weight) == key.upper()
    assert kept.get("a") == "A" and kept.get("huge") is None
    kept.keep("c", "C", 4)  # of a and b the one longest unused makes room
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == ("A", None, "C")

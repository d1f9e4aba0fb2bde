"""The pictogram data set: listing, rendering, joining, captions and colours, on tiny archives."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import assemble, clipart, clipart_names, emoji, icons, parts, pictograms, render, sources
from training.data.items import stable_unit

RED = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50">'
    '<rect x="10" y="5" width="60" height="30" fill="{}"/></svg>'
)
EMOJI = [
    ("1F355", "pizza", 4, ["cheese", "food"]),
    ("1F34E", "red apple", 4, ["fruit"]),
    ("1F468-200D-1F9B0", "man: red hair", 1, []),
    ("1F1EF-1F1F5", "flag: Japan", 9, []),
    ("1F1E6-1F1E9", "flag: Andorra", 9, []),
    ("1F1E6", "regional indicator A", None, []),
    ("0031-FE0F-20E3", "keycap: 1", 8, []),
    ("1F44B", "waving hand", 1, ["hello"]),
]


def tarball(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Archives like the real ones, with a handful of drawings, and their checksums pinned."""
    folder = tmp_path / "archives"
    folder.mkdir()
    rows = [{"hexcode": h, "label": n, "tags": t} | ({} if g is None else {"group": g}) for h, n, g, t in EMOJI]
    rows[-1]["skins"] = [{"hexcode": "1F44B-1F3FB"}]
    groups = {"1": "people-body", "4": "food-drink", "8": "symbols", "9": "flags"}
    tarball(
        folder / "emojibase-data-17.0.0.tgz",
        {
            "package/en/data.json": json.dumps(rows).encode(),
            "package/meta/groups.json": json.dumps({"groups": groups}).encode(),
        },
    )
    codes = ["1f355", "1f34e", "1f468-200d-1f9b0", "1f1ef-1f1f5", "1f1e6-1f1e9", "1f1e6", "31-20e3", "1f44b"]
    svgs = {f"package/{c}.svg": RED.format(f"#c0{i}02{i}").encode() for i, c in enumerate(codes)}
    svgs["package/1f44b-1f3fb.svg"] = RED.format("tan").encode()
    svgs["package/1f34e.svg"] = b"<svg this is broken"
    tarball(folder / "twemoji-svg-15.0.0.tgz", svgs)
    picture = io.BytesIO()
    Image.new("RGBA", (40, 20), (0, 90, 200, 255)).save(picture, "WEBP", lossless=True)
    tarball(folder / "lobehub-fluent-emoji-3d-1.1.0.tgz", {"package/assets/1f355.webp": picture.getvalue()})
    body = '<rect width="6" height="3" fill="red"/>'
    emoji_set = {"pizza-1": {"body": body}, "pizza-2": {"body": body}, "redapple": {"body": body, "height": 4}}
    emoji_set |= {"waving-hand-dark-skin-tone": {"body": body}, "old-logo": {"body": body}, "gone": {"hidden": True}}
    silhouettes = {"pizza": {"body": body}, "mad-ship": {"body": body}, "abstract-07": {"body": body}}
    for name, packed in (("noto-1.2.9", emoji_set), ("game-icons-1.2.4", silhouettes)):
        content = json.dumps({"icons": packed, "width": 8, "height": 8}).encode()
        tarball(folder / f"iconify-json-{name}.tgz", {"package/icons.json": content})
    for key, archive in list(sources.ARCHIVES.items()):
        found = sources.find_archive(archive, folder)
        if found:
            pinned = replace(archive, sha256=sources.sha256_file(found))
            monkeypatch.setitem(sources.ARCHIVES, key, pinned)
    return folder


def build(out: Path, cache: Path, *more: str) -> int:
    arguments = ["--out", str(out), "--cache", str(cache), "--size", "32", "--workers", "1"]
    return pictograms.main([*arguments, "--sources", "twemoji,fluent3d", *more])


def read(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]


def test_small_build(tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "set"
    assert build(out, cache) == 0
    records = read(out)
    names = {r["id"]: r["name"] for r in records}
    assert names["twemoji/1f468-200d-1f9b0"] == "man with red hair"
    assert names["twemoji/1f1ef-1f1f5"] == "flag of japan"
    assert names["twemoji/31-20e3"] == "keycap 1"
    # The flood of flags, tone variants, letters and the broken file stay out, and are counted.
    assert set(names) == {
        "twemoji/1f355", "twemoji/1f468-200d-1f9b0", "twemoji/1f1ef-1f1f5", "twemoji/31-20e3", "twemoji/1f44b",
        "fluent3d/1f355",
    }  # fmt: skip
    summary = json.loads((out / "summary.json").read_text())
    assert sum(summary["parts"]["twemoji"]["failures"].values()) == 1
    assert summary["parts"]["twemoji"]["dropped"] == {
        "skin tone": 1,
        "country flag thinned out": 1,
        "regional indicator": 1,
    }
    pictures = np.load(out / "pictures.npy", mmap_mode="r")
    assert pictures.shape == (6, 32, 32, 4) and pictures.dtype == np.uint8
    rows, columns = np.flatnonzero(pictures[0, ..., 3].any(1)), np.flatnonzero(pictures[0, ..., 3].any(0))
    assert len(columns) == round(32 * render.FILL) and len(rows) == pytest.approx(len(columns) / 2, abs=1)
    assert abs((columns[0] + columns[-1]) / 2 - 15.5) <= 0.5 and abs((rows[0] + rows[-1]) / 2 - 15.5) <= 0.5


def test_resume_and_verify(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "set"
    assert build(out, cache) == 0
    before = (out / "records.jsonl").read_bytes()

    def unexpected(*_args: object) -> None:
        raise AssertionError("a finished part was rendered again")

    with monkeypatch.context() as patch:
        patch.setattr(parts, "render_many", unexpected)
        assert build(out, cache) == 0
    assert (out / "records.jsonl").read_bytes() == before
    (out / "parts" / "fluent3d.json").unlink()  # as an interruption leaves it
    assert build(out, cache) == 0
    assert (out / "records.jsonl").read_bytes() == before

    pictures = np.load(out / "pictures.npy", mmap_mode="r+")
    pictures[2, 16, 16] ^= 255
    pictures.flush()
    assert pictograms.main(["--out", str(out), "--verify"]) == 1
    assert assemble.verify(tmp_path / "nothing")


def test_sets_packed_by_iconify(tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "set"
    assert build(out, cache, "--sources", "noto,game-icons") == 0
    records = {r["id"]: r for r in read(out)}
    assert {(r["id"], r["name"], r["style"]) for r in records.values()} == {
        ("noto/1f355", "pizza", "cartoon"), ("noto/1f34e", "red apple", "cartoon"),
        ("game-icons/pizza", "pizza", "high contrast"), ("game-icons/mad-ship", "mad ship", "high contrast"),
    }  # fmt: skip
    # The same thing is held out together, whoever drew it.
    assert records["game-icons/pizza"]["concept"] == records["noto/1f355"]["concept"] == "1f355"
    dropped = {name: part["dropped"] for name, part in json.loads((out / "summary.json").read_text())["parts"].items()}
    assert dropped["noto"] == {"same emoji twice": 1, "skin tone": 1, "unknown name": 1}
    assert dropped["game-icons"] == {"no usable name": 1}


def test_icon_fonts_are_searched_for_things(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["pizza", "mad-ship-outline", "arrow-left", "ship-2x", "some-logo", "mad-ship", "mouse-trap", "kiwi"]
    icons = {name: {"body": '<path d="M0 0h6v3H0z" fill="currentColor"/>'} for name in names}
    filed = {"Food": ["pizza", "kiwi"], "Navigation": ["mad-ship"], "Brand": ["kiwi"], "Code": ["mouse-trap", "pizza"]}
    tarball(
        cache / "iconify-json-mdi-1.2.3.tgz",
        {
            "package/icons.json": json.dumps({"icons": icons}).encode(),
            "package/metadata.json": json.dumps({"categories": filed}).encode(),
        },
    )
    pinned = replace(sources.ARCHIVES["mdi"], sha256=sources.sha256_file(cache / "iconify-json-mdi-1.2.3.tgz"))
    monkeypatch.setitem(sources.ARCHIVES, "mdi", pinned)
    assert build(tmp_path / "set", cache, "--sources", "mdi,twemoji") == 0
    records = {r["name"]: r for r in read(tmp_path / "set") if r["source"] == "mdi"}
    assert set(records) == {"pizza", "mad ship"}
    assert records["pizza"]["concept"] == "1f355" and records["mad ship"]["style"] == "high contrast"
    summary = json.loads((tmp_path / "set" / "summary.json").read_text())
    assert summary["parts"]["mdi"]["dropped"] == {"interface or brand": 3, "no usable name": 3}


@pytest.mark.parametrize(
    ("stem", "ending", "name"),
    [
        ("mouse-trap", "", ""), ("acorn-fill", "fill", "acorn"), ("acorn-bold", "fill", ""), ("acorn", "fill", ""),
        ("fire-hydrant-02", "", "fire hydrant"), ("tv", "", ""), ("a-very-long-name", "", ""), ("outline", "", ""),
    ],
)  # fmt: skip
def test_names_of_icons(stem: str, ending: str, name: str) -> None:
    assert icons.name_of(stem, ending) == name


def test_limit(tmp_path: Path, cache: Path) -> None:
    assert build(tmp_path / "set", cache, "--limit", "1") == 0
    assert Counter(r["source"] for r in read(tmp_path / "set")) == {"twemoji": 1, "fluent3d": 1}


def test_missing_tool_skips_one_source(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources.shutil, "which", lambda _tool: None)
    arguments = ["--out", str(tmp_path / "set"), "--cache", str(cache), "--size", "32", "--workers", "1"]
    assert pictograms.main([*arguments, "--sources", "openclipart,fluent3d"]) == 0
    assert "Skipping openclipart: openclipart-svg needs apt-get" in capsys.readouterr().out
    assert [r["source"] for r in read(tmp_path / "set")] == ["fluent3d"]


def test_wrong_checksum_is_refused(cache: Path) -> None:
    path = cache / "twemoji-svg-15.0.0.tgz"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(sources.SourceMissingError, match="checksum"):
        sources.fetch(sources.ARCHIVES["twemoji"], cache)


def test_hanging_and_crashing_files_cost_only_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good.svg"
    good.write_text(RED.format("red"))
    pipe = tmp_path / "hang.svg"
    os.mkfifo(pipe)  # reading it blocks for ever, as a renderer in an endless loop would
    monkeypatch.setattr(render, "START_UP", 4.0)
    answers = {i: (p, r) for i, p, r in render.render_many([pipe, good, good], 32, workers=1, limit=1.0)}
    assert answers[0][0] is None and "too long" in answers[0][1]
    assert answers[1][0] is not None and answers[2][0] is not None


def test_emoji_names() -> None:
    cases = {
        "person: bald": "bald person",
        "family: man, woman, boy": "family of man, woman and boy",
        "O button (blood type)": "o button blood type",
        "keycap: *": "keycap asterisk",
        "face with tears of joy": "face with tears of joy",
    }
    assert {label: emoji.clean_name(label) for label in cases} == cases
    assert emoji.hex_key("0031-FE0F-20E3") == "31-20e3"


def test_clip_art_names() -> None:
    known = {"black", "white", "frog", "dead", "pizza", "cheese", "balloon", "red", "sword"}
    name = clipart_names.choose_name
    assert name("frogs_01", "2 dead frogs", "Lumen", False, known, set()) == "dead frogs"
    assert name("balloon_red", "Clipart by Some One - x", "", True, known, set()) == "red balloon"
    assert name("x1", "Cheese Pizza (B and W)", "", False, known, set()) == "black and white cheese pizza"
    assert name("0815", "0815", "", False, known, set()) == ""
    assert name("acquila_01", "Acquila", "", False, known, set()) == ""
    assert clipart_names.special_name(Path("recreation/games/cards/white/white_h_a.svg")) == "ace of hearts card"
    title, words, author = clipart_names.read_metadata(
        "<dc:title>Caf&amp;eacute;</dc:title><dc:subject><rdf:li>Drink</rdf:li></dc:subject>"
        "<dc:creator><dc:title>Ann</dc:title></dc:creator>"
    )
    assert (title, words, author) == ("Café", ["drink"], "Ann")
    assert clipart._cap_of("computer/icons/lemon-theme/apps")[0] == "computer/icons/lemon-theme"


def test_near_duplicates_go() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 255, (32, 32, 4), dtype=np.uint8)
    first[..., 3] = 255
    slightly = first.copy()
    slightly[0, 0] = 0
    other = np.roll(first, 16, axis=0)
    assert parts.drop_near([first, slightly, other]) == [True, False, True]


def test_split_is_stable_and_clean() -> None:
    # A pinned value: a change here would move concepts between training and test.
    assert stable_unit("1f355") == pytest.approx(0.249197, abs=1e-6)
    assert assemble.concept_is_held_out("1f355") is (stable_unit("1f355") < assemble.HELD_OUT)
    records = [
        {"id": f"{style}/{n}", "concept": f"c{n}", "style": style}
        for style in ("3D", "flat", "cartoon")
        for n in range(900)
    ]
    assemble.assign_splits(records)
    again = [dict(r) for r in reversed(records)]
    assemble.assign_splits(again)
    assert {r["id"]: r["split"] for r in records} == {r["id"]: r["split"] for r in again}
    counts = Counter(r["split"] for r in records)
    assert 0.05 < counts["held_out"] / len(records) < 0.11
    assert 0.02 < counts["held_out_style"] / len(records) < 0.06
    trained = {(r["concept"], r["style"]) for r in records if r["split"] == "train"}
    for record in records:
        if record["split"] == "held_out":
            assert not any(c == record["concept"] for c, _ in trained)
        if record["split"] == "held_out_style":
            assert (record["concept"], record["style"]) not in trained
            assert any(c == record["concept"] for c, _ in trained)

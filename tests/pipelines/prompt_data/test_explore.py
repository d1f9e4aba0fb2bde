from __future__ import annotations

import csv
import random
import re

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.prompt_data import explore, near, words
from pipelines.prompt_data.explore import ExploreRequest
from pipelines.prompt_data.report import html_report
from tests.pipelines.prompt_data.conftest import drawn, finish

ANIMALS = [f"a {colour} {animal} sleeping, oil painting" for colour in ("red", "grey", "old")
           for animal in ("cat", "dog", "horse", "fox")]  # fmt: skip
ROCKETS = [f"{how} rocket over {where}, trending on artstation" for how in ("chrome", "tiny", "burning")
           for where in ("the moon", "a city", "mars", "the ocean")]  # fmt: skip
PLATES = [f"{dish} on a plate, food photography" for dish in (
    "fresh pasta", "tomato soup", "fried rice", "green salad", "grilled fish", "apple pie", "rye bread", "roast beef",
)]  # fmt: skip


def write(path, rows, header=("prompt", "split")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def explored(sentences, tmp_path_factory):
    """Three kinds of prompts in two splits, with a copy, a paraphrase and an empty one."""
    rows = [(text, "train") for text in (*ANIMALS, *ROCKETS, *PLATES)]
    random.Random(0).shuffle(rows)
    rows += [("A red  CAT sleeping (oil painting)", "test"), ("a sleeping red cat, painting in oil", "test")]
    rows += [("<b>quantum</b> & the tax office", "test"), ("", "test")]
    path = write(tmp_path_factory.mktemp("files") / "mine.csv", rows)
    return finish(explore.run(ExploreRequest((path,)), sentences))[1]


def test_what_is_counted(explored):
    assert explored.parts == {"train": 32, "test": 4} and explored.empty == 1 and len(explored.lengths["words"]) == 35
    assert explored.columns == {"mine.csv": "prompt"} and len(explored.encoded) == 35
    assert explored.lengths["words"][-1] == 6 and explored.lengths["characters"][-1] == 31
    top = {name: dict(table) for name, table in explored.top.items()}
    assert top["words"]["rocket"] == 12 and top["words"]["cat"] == 5 and "a" not in top["words"]
    assert top["pairs"]["oil painting"] == 13 and not {"sleeping oil", "rocket over", "on a"} & set(top["pairs"])
    assert top["triples"]["trending on artstation"] == 12
    assert top["phrases"] == {
        "oil painting": 13,
        "trending on artstation": 12,
        "food photography": 8,
        "painting in oil": 1,
    }


def test_copies_and_near_ones(explored):
    ((first, second),) = explored.copies
    assert explored.texts[first] == "a red cat sleeping, oil painting" and explored.texts[second].startswith(
        "A red  CAT"
    )
    best = explored.near[0]
    assert best.cosine >= 0.9 and "red" in explored.texts[best.one]
    said = {explored.texts[row] for pair in explored.near for row in (pair.one, pair.other)}
    assert "a sleeping red cat, painting in oil" in said  # a paraphrase that has no three words in a row in common
    assert all(words.plain(explored.texts[p.one]) != words.plain(explored.texts[p.other]) for p in explored.near)


def test_clusters_are_the_three_kinds(explored):
    assert sum(len(each.rows) for each in explored.clusters) == 35 and len(explored.clusters) >= 3
    cluster = {explored.texts[row]: number for number, each in enumerate(explored.clusters) for row in each.rows}
    homes = [{cluster[text] for text in kind} for kind in (ANIMALS, ROCKETS, PLATES)]
    assert all(len(home) == 1 for home in homes) and len(set.union(*homes)) == 3
    (rockets,) = [each for each in explored.clusters[:3] if "rocket" in each.words]
    assert {"rocket", "artstation"} <= set(rockets.words) and "painting" not in rockets.words


def test_leaks_between_splits(explored):
    (leak,) = explored.leaks
    assert (leak.one, leak.other, leak.prompts, leak.copies, leak.looked_at) == ("train", "test", 4, 1, 3)
    assert leak.near == 2 and leak.share == pytest.approx(2 / 3)
    assert explored.texts[leak.examples[0].one] == "a red cat sleeping, oil painting"


def test_the_plots_and_the_report_stand_alone(explored):
    assert set(explored.plots) >= {
        "lengths",
        "words",
        "pairs",
        "triples",
        "phrases",
        "nearest",
        "clusters",
        "map",
        "leaks",
    }
    assert all(drawn(plot).tag.endswith("svg") for plot in explored.plots.values())
    page = html_report(explored)
    assert page.startswith("<!doctype html>") and "prefers-color-scheme: dark" in page and page.count("<svg") >= 9
    assert not re.search(r'(src|href)="|@import|url\(', page)
    assert "<b>quantum" not in page and "&lt;b&gt;quantum" in page
    assert "1 prompts repeat the words of another" in page and "trending on artstation" in page


def test_several_files_are_parts(sentences, tmp_path):
    one = write(tmp_path / "one.csv", [(text, "x") for text in ANIMALS])
    two = write(tmp_path / "two.csv", [(ANIMALS[0].upper(), "y"), ("a bank statement", "y")])
    _, result = finish(explore.run(ExploreRequest((one, two), clusters=2), sentences))
    (leak,) = result.leaks
    assert (leak.one, leak.other, leak.copies, leak.near, leak.prompts) == ("one.csv", "two.csv", 1, 1, 2)
    assert len(result.clusters) == 2
    again = tmp_path / "deep"
    again.mkdir()
    with pytest.raises(BadRequest, match=r'Two of the files are named "one\.csv"'):
        finish(explore.run(ExploreRequest((one, write(again / "one.csv", [("a", "b")]))), sentences))


def test_a_sample_and_a_stop_are_told(sentences, tmp_path, monkeypatch):
    path = write(tmp_path / "many.csv", [(f"prompt number {n}", "") for n in range(60)])
    _, result = finish(explore.run(ExploreRequest((path,), sample=20), sentences))
    assert len(result.encoded) == 20 and "20 of 60 prompts" in result.notes[0] and len(result.lengths["words"]) == 60
    monkeypatch.setattr(explore, "SLICE", 16)
    steps, result = finish(explore.run(ExploreRequest((path,)), sentences), stop_at=2)
    assert result.stopped and result.encoded == tuple(range(32)) and len(steps) == 2


@pytest.mark.parametrize("prompts", [["one single prompt"], ["same", "same", "same"], ["a", "b c"]])
def test_very_few_prompts(sentences, tmp_path, prompts):
    path = write(tmp_path / "few.csv", [(text, "") for text in prompts])
    _, result = finish(explore.run(ExploreRequest((path,)), sentences))
    assert len(result.clusters) == 1 and html_report(result)


def test_nonsense_is_one_sentence(sentences, tmp_path):
    path = write(tmp_path / "x.csv", [("a", "")])
    for more, said in (
        ({"files": ()}, "0 files"), ({"threshold": 2}, "cosine"), ({"sample": 3}, "encode"),
        ({"clusters": 99}, "clusters"), ({"column": "words"}, 'it has "prompt", "split"'),
    ):  # fmt: skip
        with pytest.raises(BadRequest, match=said):
            finish(explore.run(ExploreRequest(**{"files": (path,), **more}), sentences))
    with pytest.raises(BadRequest, match="None of the prompts has a word"):
        finish(explore.run(ExploreRequest((write(tmp_path / "y.csv", [("…", "")]),)), sentences))


def test_near_pairs_are_those_of_the_full_table(monkeypatch):
    monkeypatch.setattr(near, "BLOCK", 7)
    vectors = np.random.default_rng(0).standard_normal((40, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs, cosines = near.near_pairs(vectors, 0.8)
    full = np.triu(vectors @ vectors.T >= 0.8, 1)
    assert {tuple(pair) for pair in pairs.tolist()} == set(zip(*map(np.ndarray.tolist, np.nonzero(full)), strict=True))
    assert (np.diff(cosines) <= 0).all()
    assert near.groups_of(np.array([[0, 3], [3, 5], [1, 2]]), 7) == [[0, 3, 5], [1, 2]]
    assert near.groups_of(np.zeros((0, 2), int), 3) == []

"""The starter interrogator's benchmarks with tiny networks: the figures add up; no times are judged here."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import interrogator_batch, interrogator_pruning, pictures
from benchmarks.bench import Bench
from benchmarks.interrogator_pruning import Grown
from pipelines.image_to_prompt.chain import Prompt, Term
from tests.pipelines.captioning.conftest import namers, services  # noqa: F401 (fixtures)
from tests.pipelines.captioning.tiny import NAMES


@pytest.fixture
def shown(monkeypatch):
    """Pictures of one colour each instead of real ones."""

    def unseen(count, split="held_out"):
        colours = [*NAMES.values()]
        return [pictures.Shown(f"{k}", Image.new("RGB", (40, 30), colours[k % len(colours)])) for k in range(count)]

    for module in (interrogator_batch, interrogator_pruning):
        monkeypatch.setattr(module, "unseen", unseen)


def test_every_picture_goes_through_batches_of_each_size(services, shown, monkeypatch):  # noqa: F811
    for name, value in {"SIZES": (1, 2), "PICTURES": 4, "FOLDER_PICTURES": 5}.items():
        monkeypatch.setattr(interrogator_batch, name, value)
    figures = {figure.name: figure for figure in interrogator_batch.measure(Bench(services))}
    modes = [f"interrogator_{what}_{mode}" for mode in ("fast", "best") for what in ("starter", "batch")]
    assert list(figures) == [*modes, "interrogator_folder"]
    batch = figures["interrogator_batch_best"]
    rows = batch.details["rows"]
    assert [row["pictures"] for row in rows] == [1, 2]
    assert batch.theirs == rows[0]["seconds_a_picture"] == figures["interrogator_starter_best"].ours
    assert batch.met is (batch.ours <= 1.1 * batch.theirs)
    assert figures["interrogator_folder"].theirs == figures["interrogator_batch_fast"].ours


def test_pruned_chains_are_compared_with_exact_ones(services, shown, monkeypatch):  # noqa: F811
    monkeypatch.setattr(interrogator_pruning, "PICTURES", 3)
    cosine, same, time = interrogator_pruning.measure(Bench(services))
    assert cosine.details["pictures"] == 3 and 0 <= same.ours <= 1 and time.ours > 0 and time.theirs > 0
    assert cosine.details["compared_pruned"] <= cosine.details["compared_exact"]


def test_agreement_is_counted_over_pictures_and_phrases():
    def grown(cosine, *phrases):
        return Grown(Prompt("x", cosine, terms=tuple(Term(each, "k", 0.1) for each in phrases)), 1.0, 10)

    pruned, exact = [grown(0.5, "a", "b"), grown(0.4, "c")], [grown(0.5, "a", "b"), grown(0.46, "d", "c")]
    cosine, same, _ = interrogator_pruning._figures(pruned, exact, [None, None])
    assert (cosine.ours, cosine.theirs) == (pytest.approx(0.45), pytest.approx(0.48)) and not cosine.met
    assert same.ours == 0.5 and cosine.details["phrases_shared"] == 0.75
    assert cosine.details["worst"] == pytest.approx(-0.06)


def test_pictures_are_the_same_each_time_whatever_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "FIXTURES", tmp_path / "none")
    monkeypatch.setattr(pictures, "DATA", tmp_path / "data")
    gallery = [each.name for each in pictures.unseen(3)]
    assert len(gallery) == 3 == len(set(gallery)) and gallery == [each.name for each in pictures.unseen(3)]
    (tmp_path / "data").mkdir()
    rgba = np.zeros((4, 128, 128, 4), np.uint8)
    np.save(tmp_path / "data" / "pictures.npy", rgba)
    groups = zip(
        ("a", "b", "c", "d"), ("held_out", "train", "held_out", "held_out"), ("x", "x", "flags", "x"), strict=True
    )
    lines = [
        json.dumps({"id": name, "name": f"the {name}", "split": split, "group": group, "source": "twemoji"})
        for name, split, group in groups
    ]
    (tmp_path / "data" / "records.jsonl").write_text("\n".join(lines))
    found = pictures.unseen(9)
    assert {(each.name, each.truth) for each in found} == {("a", "the a"), ("d", "the d")}
    assert found[0].image.size == (256, 256) and found[0].image.getpixel((0, 0)) == (255, 255, 255)
    paths = pictures.save(found, tmp_path / "out")
    assert [path.name for path in paths] == ["000.png", "001.png"]

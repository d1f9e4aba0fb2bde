"""The captioning benchmark with tiny networks: both ways write the same, and the figures add up."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from benchmarks import captioning, captioning_room
from benchmarks.bench import Bench
from pipelines.captioning.run import run
from tabs.captioning_controls import ROOM_COUNT
from tests.models.test_coca import architecture
from tests.tabs.captioning_pack import captioning_services

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def figures(services, monkeypatch, tmp_path):
    import json

    import open_clip

    config = tmp_path / "models"
    config.mkdir()
    (config / "tiny-coca.json").write_text(json.dumps(architecture(vocab_size=300)))
    open_clip.add_model_config(config)
    monkeypatch.setattr(captioning, "COCA", "tiny-coca")
    monkeypatch.setattr(captioning, "COCA_TOKENS", 6)
    sizes = {"vocab_size": 97, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}
    monkeypatch.setattr(captioning, "GPT2", sizes)
    monkeypatch.setattr(captioning, "CASES", ((1, 5, 2.5), (3, 9, 6.0)))
    monkeypatch.setattr(captioning, "SIZES", (1, 2))
    monkeypatch.setattr(captioning, "PLOT", tmp_path / "plot.svg")
    return {figure.name: figure for figure in captioning.measure(Bench(services))}


def test_both_ways_write_the_same_and_the_figures_add_up(figures, tmp_path):
    wanted = {"captioning_clipcap_1x5": 1, "captioning_clipcap_3x9": 3, "captioning_coca": captioning.COCA_PICTURES}
    assert set(figures) >= {*wanted, "captioning_throughput"}
    for name, pictures in wanted.items():
        figure = figures[name]
        assert figure.details["pictures_with_the_same_beams"] == pictures
        assert figure.details["times_faster"] == pytest.approx(figure.theirs / figure.ours)
    rows = figures["captioning_throughput"].details["rows"]
    assert [row["pictures"] for row in rows] == [1, 2]
    assert figures["captioning_throughput"].ours == max(row["captions_per_second"] for row in rows)
    plot = Xml.fromstring((tmp_path / "plot.svg").read_text())
    assert len(plot.findall("{http://www.w3.org/2000/svg}circle")) == 2


def test_the_room_is_timed_with_new_pictures_each_time(tmp_path, monkeypatch):
    services, asked = captioning_services(tmp_path), []

    def noted(request, services):
        asked.append(request)
        return run(request, services)

    monkeypatch.setattr("pipelines.captioning.run.run", noted)
    monkeypatch.setattr(captioning_room, "MANY", 6)
    one, many = captioning_room.in_the_room(Bench(services))
    assert [len(request.paths) for request in asked] == [1] * 6 + [6] * 2
    assert all(request.captioners == ("namer",) and request.decoding.count == ROOM_COUNT for request in asked)
    assert one.ours == min(one.details["runs"]) and one.met is (one.ours <= 0.3)
    assert many.ours > 0 and "6 pictures in the room" in many.what


def test_no_two_of_its_pictures_are_alike(tmp_path):
    paths = [path for turn in (0, 1) for path in captioning_room._pictures(tmp_path, 60, turn)]
    assert len({Path(path).read_bytes() for path in paths}) == 120

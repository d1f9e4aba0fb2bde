from __future__ import annotations

import pytest
from PIL import Image

from common.errors import BadRequest, Blocked
from pipelines.image_to_prompt.round_trip import RoundTripRequest, run
from tests.pipelines.image_to_prompt.conftest import collect
from tests.tabs.tiny_pack import tiny_services, tiny_settings


@pytest.fixture
def painters(tmp_path):
    return tiny_services(tiny_settings(tmp_path))


@pytest.fixture
def red(tmp_path):
    Image.new("RGB", (64, 64), (219, 51, 46)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def test_prompts_are_ranked_by_what_they_paint(painters, red):
    prompts = ("a blue sea", "a red car", "a yellow lemon")
    steps, result = collect(run(RoundTripRequest(red, prompts, pictures=2, seed=3), painters))
    assert result.rows[0].prompt == "a red car" and {row.prompt for row in result.rows} == set(prompts)
    likeness = [row.likeness for row in result.rows]
    assert likeness == sorted(likeness, reverse=True)
    for row in result.rows:
        original = painters.scorer.image_vectors(painters.catalog.default("ranker").name, [Image.open(red)])[0]
        images = [Image.open(path).convert("RGB") for path in row.paths]
        true = painters.scorer.image_vectors(painters.catalog.default("ranker").name, images) @ original
        assert row.likenesses == pytest.approx(true.tolist(), abs=1e-5)
        assert (
            row.best == max(row.likenesses)
            and row.path == row.paths[0]
            and row.likeness == pytest.approx(float(true.mean()), abs=1e-5)
        )
    assert result.recipe["settings"]["round_trip"] and result.recipe["seed"] == 3
    numbers = [step.number for step in steps]
    assert numbers == sorted(numbers) and numbers[-1] == steps[-1].total
    assert [len(step.data["rows"]) for step in steps][-1] == 2


def test_stop_ranks_what_was_painted(painters, red):
    request = RoundTripRequest(red, ("a blue sea", "a red car"), pictures=1)
    _, result = collect(run(request, painters), lambda step: True)
    assert result.stopped and [row.prompt for row in result.rows] == ["a blue sea"]


def test_nonsense_is_refused(painters, red):
    with pytest.raises(BadRequest, match="0 different prompts"):
        RoundTripRequest(red, (" ",)).resolve(painters.catalog)
    with pytest.raises(Blocked):
        RoundTripRequest(red, ("a nude child",)).resolve(painters.catalog)
    with pytest.raises(BadRequest, match="pictures a prompt"):
        RoundTripRequest(red, ("a",), pictures=0).resolve(painters.catalog)
    once = RoundTripRequest(red, ("a  cat", "a cat")).resolve(painters.catalog)
    assert once.prompts == ("a cat",) and once.resolve(painters.catalog) == once and once.cost == 2

"""Prompts of similar pictures from a real image index."""

from __future__ import annotations

import pytest
from PIL import Image

from common.errors import BadRequest
from pipelines.image_index.build import run as build
from pipelines.image_index.request import BuildIndexRequest
from pipelines.image_to_prompt.nearest import PictureIndex
from pipelines.image_to_prompt.run import run
from safeguards.recipe import Recipe, stamp_png
from tests.pipelines.captioning.tiny import NAMES
from tests.pipelines.image_to_prompt.conftest import collect


@pytest.fixture
def index(services, tmp_path):
    folder = tmp_path / "indexed"
    folder.mkdir()
    for number, (name, colour) in enumerate(NAMES.items()):
        picture = Image.new("RGB", (30, 30 + number), colour)
        stamp_png(
            picture,
            Recipe("text_to_image", "sd-turbo", settings={"prompt": f"a {name}  thing"}),
            folder / f"{name}.png",
        )
    Image.new("RGB", (20, 20), NAMES["red"]).save(folder / "plain.png")  # the nearest of all, and without a prompt
    collect(build(BuildIndexRequest("mine", folder, ranker="judge"), services))
    return "mine"


def test_prompts_of_similar_pictures(services, index, paths, ask):
    request = ask(paths, methods=("nearest",), index=index, neighbours=3)
    _, result = collect(run(request, services))
    rows = [row for row in result.rows if row.method == "nearest"]
    assert [row.prompt for row in rows] == [f"a {name} thing" for name in ("red", "blue", "green", "yellow")]
    assert all(len(row.others) == 3 and row.others[0][1] == pytest.approx(1, abs=1e-3) for row in rows)


def test_an_index_of_another_model_is_refused(services, index, paths, ask, monkeypatch):
    with pytest.raises(BadRequest, match="There is no index"):
        collect(run(ask(paths, methods=("nearest",), index="other"), services))
    monkeypatch.setattr("pipelines.image_index.card.revision_of", lambda spec, settings: "newer")
    with pytest.raises(BadRequest, match="rebuild the index"):
        PictureIndex(index, "judge", services)

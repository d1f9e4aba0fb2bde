from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from pipelines.image_to_prompt import fit as module
from pipelines.image_to_prompt.composed import composed
from pipelines.image_to_prompt.fit import FitHeadRequest, head_path, run
from pipelines.image_to_prompt.run import run as run_prompts
from tests.pipelines.image_to_prompt.conftest import collect


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(module, "COMPOSED", 60)


def test_composed_prompts_are_the_same_for_the_same_seed():
    assert composed(20, 1) == composed(20, 1) != composed(20, 2) and len(set(composed(200, 0))) > 190


def test_a_zero_image_head_is_fitted_on_prompts_alone_and_used(services, phrases, paths, ask):
    lines = [f"a {colour} {thing}" for colour in ("red", "blue", "green", "yellow") for thing in ("car", "sea", "frog")]
    request = FitHeadRequest("zero_image", phrases("prompts.csv", "prompt", *lines))
    steps, result = collect(run(request, services))
    assert (
        result.head.count == 12 and result.path == head_path(services, "judge", "zero-image") and steps[-1].number == 12
    )
    assert result.score.low <= result.score.value <= result.score.high and result.head.image_mean is None
    asked = ask(paths[:1], methods=("interrogator", "zero_image"), mode="fast")
    _, made = collect(run_prompts(asked, services))
    assert any("not told where pictures lie" in note for note in made.notes)
    image = services.scorer.image_vectors("judge", [Image.open(paths[0])]).numpy()
    assert np.allclose(made.rows[-1].vector, result.head.predict(image)[0], atol=1e-5)


def test_a_regression_head_is_fitted_on_pictures(services, phrases, paths, tmp_path, ask):
    table = phrases(
        "truth.csv", "image_id,prompt", "0,a red car", "1,a blue sea", "2,a green frog", "3,a yellow lemon", "9,x"
    )
    _, result = collect(run(FitHeadRequest("regression", table, tmp_path, name="mine"), services))
    assert result.head.kind == "regression" and result.head.count == 4 and "1 rows have no prompt" in result.notes[0]
    _, made = collect(
        run_prompts(ask(paths, methods=("interrogator", "regression"), mode="fast", head="mine"), services)
    )
    assert sum(row.method == "regression" and bool(row.prompt) for row in made.rows) == 4
    with pytest.raises(BadRequest, match="no head"):
        collect(run_prompts(ask(paths, methods=("interrogator", "regression"), head="other"), services))


def test_pictures_of_a_folder_show_the_gap(services, phrases, paths, tmp_path):
    request = FitHeadRequest("zero_image", phrases("p.csv", "prompt", "a red car", "a blue sea", "a thing"), tmp_path)
    _, result = collect(run(request, services))
    vectors = services.scorer.image_vectors("judge", [Image.open(path) for path in paths]).numpy()
    assert np.allclose(result.head.image_mean, vectors.mean(0), atol=1e-5)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (FitHeadRequest("magic"), "kind of head"),
        (FitHeadRequest("regression", "x.csv"), "needs a file of prompts and the folder"),
        (FitHeadRequest("zero_image", name="../x"), "name of the head"),
        (FitHeadRequest("zero_image", folder="/no/such/folder"), "not there"),
    ],
)
def test_nonsense_is_refused(services, request_, said):
    with pytest.raises(BadRequest, match=said):
        request_.resolve(services.catalog)

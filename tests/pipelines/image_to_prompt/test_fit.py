from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from pipelines.image_to_prompt import fit as module
from pipelines.image_to_prompt import folder
from pipelines.image_to_prompt.composed import composed
from pipelines.image_to_prompt.fit import FitHeadRequest, head_path, run
from pipelines.image_to_prompt.folder import FolderRequest
from pipelines.image_to_prompt.heads import load
from pipelines.image_to_prompt.run import run as run_prompts
from tests.pipelines.captioning.tiny import NAMES
from tests.pipelines.image_to_prompt.conftest import collect


@pytest.fixture(autouse=True)
def few(monkeypatch, tmp_path):
    """Few prompts, and a gallery of three pictures."""
    monkeypatch.setattr(module, "COMPOSED", 60)
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    for colour in ("red", "blue", "green"):
        Image.new("RGB", (40, 30), NAMES[colour]).save(gallery / f"{colour}.png")
    monkeypatch.setattr(module, "GALLERY", gallery)


def test_composed_prompts_are_the_same_for_the_same_seed():
    assert composed(20, 1) == composed(20, 1) != composed(20, 2) and len(set(composed(200, 0))) > 190


def test_a_zero_image_head_is_fitted_on_prompts_alone_and_used(services, phrases, paths, ask):
    lines = [f"a {colour} {thing}" for colour in ("red", "blue", "green", "yellow") for thing in ("car", "sea", "frog")]
    request = FitHeadRequest("zero_image", phrases("prompts.csv", "prompt", *lines))
    steps, result = collect(run(request, services))
    assert (
        result.head.count == 12 and result.path == head_path(services, "judge", "zero-image") and steps[0].number == 12
    )
    assert result.score.low <= result.score.value <= result.score.high
    gallery = [Image.open(path) for path in sorted(module.GALLERY.iterdir())]
    mean = services.scorer.image_vectors("judge", gallery).numpy().mean(0)
    assert np.allclose(result.head.image_mean, mean, atol=1e-6)
    asked = ask(paths[:1], methods=("interrogator", "zero_image"), mode="fast")
    _, made = collect(run_prompts(asked, services))
    image = services.scorer.image_vectors("judge", [Image.open(paths[0])]).numpy()
    assert np.allclose(made.rows[-1].vector, result.head.predict(image)[0], atol=1e-5)


def test_a_picture_has_the_same_answer_alone_as_among_others(services, paths, ask):
    def answers(some):
        request = ask(some, methods=("interrogator", "zero_image"), mode="fast")
        return [row.vector for row in collect(run_prompts(request, services))[1].rows if row.method == "zero_image"]

    together = answers([*paths, *paths])
    assert np.allclose(answers(paths[:1])[0], together[0], atol=1e-6)
    assert np.allclose(np.stack(answers(paths)), np.stack(together[:4]), atol=1e-6)


def test_a_folder_of_seventeen_does_not_depend_on_its_parts(services, tmp_path, ask, monkeypatch):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(17):
        Image.new("RGB", (40, 30), (15 * number, 255 - 15 * number, 7 * number)).save(pictures / f"{number:02}.png")

    def rows(part, name):
        monkeypatch.setattr(folder, "PART", part)
        request = ask(("-",), methods=("interrogator", "zero_image"), mode="fast")
        collect(folder.run(FolderRequest(pictures, tmp_path / name, request), services))
        with open(tmp_path / name, encoding="utf-8-sig", newline="") as file:
            told = [
                (row["file"], row["prompt"], row["cosine"]) for row in csv.DictReader(file) if "zero" in row["method"]
            ]
        return sorted(told)

    assert len(rows(16, "a.csv")) == 17 and rows(16, "a.csv") == rows(5, "b.csv")


def test_without_a_gallery_a_note_says_so_and_a_folder_of_ones_own_is_kept(services, paths, ask, tmp_path, monkeypatch):
    gallery = module.GALLERY
    monkeypatch.setattr(module, "GALLERY", tmp_path / "gone")
    request = ask(paths[:1], methods=("interrogator", "zero_image"), mode="fast")
    assert any("not told where pictures lie" in note for note in collect(run_prompts(request, services))[1].notes)
    monkeypatch.setattr(module, "GALLERY", gallery)
    assert collect(run_prompts(request, services))[1].notes == ()  # and now it is
    own = tmp_path / "own"
    own.mkdir()
    Image.new("RGB", (40, 30), NAMES["yellow"]).save(own / "1.png")
    collect(run(FitHeadRequest("zero_image", folder=own), services))
    collect(run_prompts(request, services))
    head = load(head_path(services, "judge", "zero-image"), "judge", "abc")
    yellow = services.scorer.image_vectors("judge", [Image.open(own / "1.png")]).numpy()
    assert np.allclose(head.image_mean, yellow[0], atol=1e-6)


def test_an_id_that_names_two_pictures_is_refused(services, phrases, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    for name in ("1.png", "1.bmp", "2.png"):
        Image.new("RGB", (40, 30), NAMES["yellow"]).save(own / name)
    table = phrases("truth.csv", "image_id,prompt", "1,a lemon", "2,the sun")
    with pytest.raises(BadRequest, match=r'"1" names two pictures, 1\.bmp and 1\.png'):
        collect(run(FitHeadRequest("regression", table, own, name="mine"), services))
    table = phrases("truth.csv", "image_id,prompt", "1.png,a lemon", "2,the sun")
    head = collect(run(FitHeadRequest("regression", table, own, name="mine"), services))[1].head
    assert head.count == 2 and np.isfinite(head.predict(np.ones((1, head.x_mean.size)))).all()


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

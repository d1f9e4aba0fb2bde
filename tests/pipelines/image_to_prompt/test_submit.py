"""Vectors of methods: compared, weighed and submitted as they are, not as the words that stand for them."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.image_to_prompt.rows import ImageToPromptResult, PromptRow
from pipelines.image_to_prompt.run import run
from pipelines.image_to_prompt.submit import write_answers
from pipelines.image_to_prompt.weigh import WeighRequest
from pipelines.image_to_prompt.weigh import run as weigh
from pipelines.prompt_data import compare
from pipelines.prompt_data.prompt_sets import PromptSets
from pipelines.prompt_data.submission import read_submission
from tests.pipelines.image_to_prompt.conftest import collect

METHODS = ("interrogator", "caption", "nearest", "ensemble")
TRUTH = {"0": "a red car", "1": "the blue sea", "2": "a green frog", "3": "a yellow lemon"}


@pytest.fixture
def made(services, paths, ask, phrases):
    """A run by several methods."""
    prompts = phrases("prompts.csv", "prompt", "a red car", "a blue sea", "a green frog", "a yellow lemon", "a thing")
    return collect(run(ask(paths, methods=METHODS, mode="fast", prompts=prompts, neighbours=3), services))[1]


def named(*names, vector=None):
    rows = [
        PromptRow(k, f"/x/{k}/{name}", name, "interrogator", "a cat", vector=vector) for k, name in enumerate(names)
    ]
    return ImageToPromptResult(seconds=1.0, model="", rows=tuple(rows), pictures=len(names), answered=len(names))


@pytest.mark.parametrize("method", ["ensemble", "nearest", "caption:namer"])
def test_the_submission_has_the_methods_own_vectors(made, tmp_path, method):
    read = read_submission(write_answers(made, method, tmp_path / "submission.csv"), tuple(TRUTH))
    vectors = [row.vector for row in made.rows if row.method == method]
    assert read.ids == ("0", "1", "2", "3") and np.array_equal(read.vectors.astype(np.float32), np.stack(vectors))


def test_compare_says_what_the_fit_of_weights_says(services, made):
    _, compared = collect(compare.run(compare.CompareRequest(made.prompt_sets(TRUTH)), services))
    methods = [name for name in made.methods() if name != "ensemble"]
    _, weighed = collect(weigh(WeighRequest({name: made.vectors(name) for name in methods}, TRUTH), services))
    means = {each.name: each.mean.value for each in compared.summaries}
    for name in methods:
        assert means[name] == pytest.approx(weighed.fitted.alone[name].value, abs=1e-5)
    # The words shown for a vector are another answer.
    words = PromptSets(TRUTH, made.prompt_sets().predictions)
    _, other = collect(compare.run(compare.CompareRequest(words), services))
    said = next(each.mean.value for each in other.summaries if each.name == "ensemble")
    assert abs(said - means["ensemble"]) > 1e-3


def test_pictures_without_an_answer_make_no_entry(services, paths, ask, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    _, made = collect(run(ask([*paths, tmp_path / "text.png"], mode="fast"), services))
    with pytest.raises(BadRequest, match='no answer for 1 of 5 pictures, the first is "text"'):
        write_answers(made, "interrogator", tmp_path / "submission.csv")
    with pytest.raises(BadRequest, match='no vectors of "ensemble" to submit; there are those of interrogator'):
        write_answers(made, "ensemble", tmp_path / "submission.csv")


@pytest.mark.parametrize("names", [("cat.png", "cat.jpg"), ("1.png", "2.png", "1.png")])
def test_two_pictures_of_one_name_are_refused(names, tmp_path):
    made = named(*names, vector=np.ones(384, np.float32))
    for ask_for in (made.prompt_sets, lambda: made.vectors("interrogator"), made.names):
        with pytest.raises(BadRequest, match=r"Two pictures are named .*rename one"):
            ask_for()
    with pytest.raises(BadRequest, match="Two pictures are named"):
        write_answers(made, "interrogator", tmp_path / "submission.csv")


def test_names_that_only_look_alike_stay():
    assert named("a.b.png", "a.c.png").names() == {0: "a.b", 1: "a.c"}

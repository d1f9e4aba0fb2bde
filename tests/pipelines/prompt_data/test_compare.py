from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.prompt_data import compare
from pipelines.prompt_data.compare import NO_TRUTH, CompareRequest
from pipelines.prompt_data.prompt_sets import PromptSets
from pipelines.prompt_data.prompts_file import prompts_by_id
from tests.pipelines.prompt_data.conftest import drawn, finish


@pytest.fixture
def sets(competition) -> PromptSets:
    truth = prompts_by_id(competition / "prompts.csv")
    coca = prompts_by_id(competition / "seed_coca_captions.csv")
    some = {each: truth[each] for each in list(truth)[:3]}  # knows the truth, of three images
    times = {"coca": {each: 2.0 + number for number, each in enumerate(truth)}}
    return PromptSets(truth, {"coca": coca, "knows some": some}, times)


def test_the_figures_of_each_method(sentences, sets):
    steps, result = finish(compare.run(CompareRequest(sets), sentences))
    assert result.methods == ("coca", "knows some") and [each.name for each in result.summaries] == [
        "knows some",
        "coca",
    ]
    some, coca = result.summaries
    values = result.cosines[0]
    assert coca.mean.value == pytest.approx(0.39256, abs=1e-4) and coca.images == 7 and coca.best == 4
    assert coca.spread == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    assert coca.variation == pytest.approx(np.std(values, ddof=1) / np.mean(values), abs=1e-6)
    assert coca.seconds == pytest.approx(5) and coca.mean.low < coca.mean.value < coca.mean.high
    assert (some.images, some.best, some.seconds) == (3, 3, None) and some.mean.count == 3
    assert some.mean.value == pytest.approx(1, abs=1e-6) and some.spread == pytest.approx(0, abs=1e-6)
    assert np.isnan(result.cosines[1, 3:]).all() and not np.isnan(result.cosines[:, :3]).any()
    assert result.notes == ("knows some has no prompt for 4 of 7 images.",) and len(steps) == 2


def test_a_vector_counts_more_than_the_words_for_it(sentences, sets):
    truth = sentence_vectors(sentences, list(sets.truth.values())).numpy()
    known = dict(zip(list(sets.truth)[:2], 3 * truth[:2], strict=True))  # of any length
    _, result = finish(compare.run(CompareRequest(replace(sets, vectors={"coca": known})), sentences))
    assert result.cosines[0, :2] == pytest.approx(1, abs=1e-5) and result.cosines[0, 2:].max() < 0.9
    with pytest.raises(BadRequest, match='vector of coca for "x" has no direction'):
        replace(sets, vectors={"coca": {"x": np.zeros(384)}})


def test_prompts_stand_side_by_side(sentences, sets):
    _, result = finish(compare.run(CompareRequest(sets), sentences))
    first, last = result.table[0], result.table[-1]
    assert first[0] == "20057f34d" and first[1].startswith("hyper realistic photo") and first[1] == first[3]
    assert first[2] == "an aerial view of a hole in the ground" and last[3] == ""
    assert result.agreement[0, 0] == pytest.approx(1, abs=1e-5)
    assert result.agreement[0, 1] == pytest.approx(result.cosines[0, :3].mean(), abs=1e-5)


def test_the_plots_say_what_the_figures_say(sentences, sets):
    _, result = finish(compare.run(CompareRequest(sets), sentences))
    assert set(result.plots) == {"mean", "spread", "variation", "images", "agreement", "seconds"}
    assert all(drawn(plot) is not None for plot in result.plots.values())
    words = ["".join(each.itertext()) for each in drawn(result.plots["mean"]).iter() if each.tag.endswith("text")]
    assert {"coca", "knows some", "0.393", "1.000"} <= set(words)
    dots = [each for each in drawn(result.plots["spread"]).iter() if each.tag.endswith("circle")]
    assert len(dots) == 7 + 3
    assert ">5.00<" in result.plots["seconds"]


def test_without_a_truth_methods_are_compared_with_each_other(sentences):
    sets = PromptSets(predictions={"one": {"a": "a cat", "b": "a dog"}, "two": {"a": "a cat", "c": "mars"}})
    _, result = finish(compare.run(CompareRequest(sets), sentences))
    assert result.notes[0] == NO_TRUTH and set(result.plots) == {"agreement"}
    assert all(each.mean is None and each.spread is None for each in result.summaries)
    assert result.agreement[0, 1] == pytest.approx(1, abs=1e-5) and result.ids == ("a", "b", "c")


def test_methods_without_a_common_image_have_no_agreement(sentences):
    sets = PromptSets({"a": "x", "b": "y"}, {"one": {"a": "a cat"}, "two": {"b": "mars"}})
    _, result = finish(compare.run(CompareRequest(sets), sentences))
    assert math.isnan(result.agreement[0, 1]) and drawn(result.plots["agreement"]) is not None
    assert [each.images for each in result.summaries] == [1, 1] and result.summaries[0].spread == 0


def test_a_mean_that_is_not_above_zero_has_no_variation(sentences):
    sets = PromptSets({"a": "tax law", "b": "tax law"}, {"one": {"a": "banana", "b": "zebra fish"}})
    _, result = finish(compare.run(CompareRequest(sets), sentences))
    (summary,) = result.summaries
    assert (summary.variation is None) == (summary.mean.value <= 0)
    assert compare.comparison_plots(("m",), ("a",), np.array([[-0.1]]), np.eye(1), [
        compare.MethodSummary("m", 1, compare.Estimate(-0.1, -0.1, -0.1, 1), 0.0, None, 1)
    ])["variation"].count("–") == 1  # fmt: skip


def test_stop_compares_the_methods_read_so_far(sentences, sets):
    _, result = finish(compare.run(CompareRequest(sets), sentences), stop_at=1)
    assert (
        result.stopped and result.methods == ("coca",) and result.cosines.shape == (1, 7) and len(result.table[0]) == 3
    )

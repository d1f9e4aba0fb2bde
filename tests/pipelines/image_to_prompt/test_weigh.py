import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.evaluation.sentences import sentence_vectors
from pipelines.image_to_prompt import weigh
from pipelines.image_to_prompt.weigh import WeighRequest
from tests.pipelines.captioning.conftest import collect

TRUTH = {"a": "a red fox in the snow", "b": "an old boat at sea", "c": "a bowl of soup"}


def vectors(services, texts):
    return dict(zip(TRUTH, sentence_vectors(services, texts).numpy(), strict=True))


def test_the_method_that_knows_the_truth_gets_the_weight(services):
    noise = np.random.default_rng(0).normal(size=(3, 384)).astype(np.float32)
    known = {"good": vectors(services, list(TRUTH.values())), "bad": dict(zip(TRUTH, noise, strict=True))}
    steps, result = collect(weigh.run(WeighRequest(known, TRUTH), services))
    assert result.fitted.weights["good"] > 0.95 and result.fitted.pictures == 3 and len(steps) == 1
    assert result.fitted.score.value > result.fitted.even.value and "3 pictures say little" in result.notes[0]


def test_only_pictures_that_every_method_answered_count(services):
    known = {"one": vectors(services, list(TRUTH.values())), "two": vectors(services, ["x", "y", "z"])}
    del known["two"]["b"]
    assert WeighRequest(known, TRUTH).names == ("a", "c")


@pytest.mark.parametrize(
    ("methods", "truth", "words"),
    [
        (("one", "two"), {}, "none are known"),
        (("one",), TRUTH, "at least two methods"),
        (("one", "two"), {"a": "x"}, "at least two pictures .* there is 1"),
        (("one", "two"), {"z": "x"}, "there are none"),
    ],
)
def test_what_says_too_little_is_refused(services, methods, truth, words):
    known = {name: dict.fromkeys(TRUTH, np.ones(384)) for name in methods}
    with pytest.raises(BadRequest, match=words):
        WeighRequest(known, truth).resolve(services.catalog)


def test_a_stop_says_that_nothing_was_fitted(services):
    known = {name: dict.fromkeys(TRUTH, np.ones(384)) for name in ("one", "two")}
    with pytest.raises(BadRequest, match="stopped before the weights"):
        collect(weigh.run(WeighRequest(known, TRUTH), services), lambda step: True)

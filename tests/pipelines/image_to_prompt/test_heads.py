from __future__ import annotations

import numpy as np
import pytest

from common.errors import BadRequest
from pipelines.image_to_prompt import heads
from pipelines.image_to_prompt.heads import fit, unit


@pytest.fixture
def pairs():
    """Inputs (60, 8) on the sphere, and targets (60, 5) that a linear map makes of them."""
    random = np.random.default_rng(0)
    inputs = unit(random.standard_normal((60, 8)))
    return inputs, unit(0.3 + inputs @ random.standard_normal((8, 5)) + 0.02 * random.standard_normal((60, 5)))


def test_a_linear_relation_is_found(pairs):
    inputs, targets = pairs
    head = fit("zero_image", "clip", "1", inputs[:40], targets[:40])
    found = head.predict(inputs[40:])
    assert found.shape == (20, 5) and np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert (found * targets[40:]).sum(1).mean() > 0.95
    assert head.score == pytest.approx(float((found * targets[40:]).sum(1).mean()), abs=0.05)


def test_leave_one_out_is_what_leaving_out_gives(pairs):
    inputs, targets = pairs[0][:20], pairs[1][:20]
    head = fit("zero_image", "clip", "1", inputs, targets)
    scale = ((inputs - inputs.mean(0)) ** 2).sum() / 8 * head.penalty
    for row in (0, 7):
        rest = np.arange(20) != row
        x, y = inputs[rest], targets[rest]
        centred = x - x.mean(0)
        weight = np.linalg.solve(centred.T @ centred + scale * np.eye(8), centred.T @ (y - y.mean(0)))
        answer = unit(y.mean(0) + (inputs[row] - x.mean(0)) @ weight)
        assert float(answer @ targets[row]) == pytest.approx(float(head.cosines[row]), abs=1e-6)


def test_the_gap_between_pictures_and_texts_is_taken_out(pairs):
    inputs, targets = pairs
    head = fit("zero_image", "clip", "1", inputs, targets)
    pictures = inputs + np.full(8, 2.0)  # the same cloud elsewhere
    right = (head.corrected(pictures).predict(pictures) * targets).sum(1).mean()
    assert right == pytest.approx((head.predict(inputs) * targets).sum(1).mean(), abs=1e-3)
    assert (head.predict(pictures) * targets).sum(1).mean() < right - 0.1


def test_a_prior_helps_where_pairs_are_few(pairs):
    inputs, targets = pairs
    prior = fit("zero_image", "clip", "1", inputs[:40], targets[:40])
    alone = fit("regression", "clip", "1", inputs[40:44], targets[40:44])
    helped = fit("regression", "clip", "1", inputs[40:44], targets[40:44], prior)
    score = [(each.predict(inputs[44:]) * targets[44:]).sum(1).mean() for each in (alone, helped)]
    assert score[1] > score[0] + 0.05


def test_a_head_comes_back_from_its_file(pairs, tmp_path):
    head = fit("zero_image", "clip", "1", *pairs).corrected(pairs[0] + 1)
    path = heads.save(head, tmp_path / "deep" / "mine.safetensors")
    again = heads.load(path, "clip", "1")
    assert np.array_equal(again.predict(pairs[0]), head.predict(pairs[0])) and again.score == head.score
    assert list(heads.names(path.parent)) == ["mine"]
    with pytest.raises(BadRequest, match="reads vectors of clip"):
        heads.load(path, "clip", "2")
    with pytest.raises(BadRequest, match="no head"):
        heads.load(tmp_path / "other.safetensors", "clip", "1")
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(BadRequest, match="damaged"):
        heads.load(path, "clip", "1")


def test_what_cannot_be_fitted_is_refused(pairs):
    with pytest.raises(BadRequest, match="at least 2"):
        fit("regression", "clip", "1", pairs[0][:1], pairs[1][:1])
    broken = pairs[0].copy()
    broken[3, 3] = np.nan
    with pytest.raises(BadRequest, match="NaN"):
        fit("regression", "clip", "1", broken, pairs[1])


def test_a_head_says_the_same_of_a_picture_whatever_lies_beside_it(pairs):
    head = fit("zero_image", "clip", "1", *pairs).corrected(pairs[0] + 1)
    alone = np.concatenate([head.predict(row[None]) for row in pairs[0]])
    assert np.allclose(alone, head.predict(pairs[0]), atol=1e-6)

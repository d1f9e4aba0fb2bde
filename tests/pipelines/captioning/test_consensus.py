from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.captioning.consensus import judge, shares


def unit(*rows: tuple[float, ...]) -> np.ndarray:
    table = np.array(rows, dtype=np.float64)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


THREE = unit((1, 0, 0), (1, 0.2, 0), (0, 0, 1))  # two that agree and one that stands alone
EVEN = np.full(3, 1 / 3)


def test_agreement_is_the_expected_cosine():
    verdict = judge(THREE, np.array([0.5, 0.3, 0.2]), np.zeros(3), 0.0)
    near = 1 / math.sqrt(1.04)
    assert verdict.agreement == pytest.approx([0.5 + 0.3 * near, 0.5 * near + 0.3, 0.2])
    assert verdict.consensus == pytest.approx(verdict.agreement) and verdict.best == 0


def test_the_majority_wins_and_clip_score_can_overrule_it():
    looks = np.array([0.2, 0.3, 0.9])
    assert judge(THREE, EVEN, looks, 0.0).best in (0, 1)
    assert judge(THREE, EVEN, looks, 1.0).best == 2
    blended = judge(THREE, EVEN, looks, 0.25)
    assert blended.consensus == pytest.approx(0.75 * blended.agreement + 0.25 * looks)


def test_what_is_missing_has_no_say():
    assert judge(None, EVEN, np.array([0.1, 0.3, 0.2]), 0.0).best == 1
    alone = judge(THREE, EVEN, None, 1.0)
    assert alone.best in (0, 1) and alone.consensus is alone.agreement
    neither = judge(None, np.array([0.2, 0.2, 0.6]), None, 0.5)
    assert neither.best == 2 and neither.consensus is None


def test_captioners_share_evenly_and_captions_by_their_probability():
    found = shares([[math.log(0.3), math.log(0.1)], [-80.0]], sampled=False)
    assert found == pytest.approx([0.375, 0.125, 0.5])
    assert shares([[-1.0, -50.0], [-80.0]], sampled=True) == pytest.approx([0.25, 0.25, 0.5])
    assert shares([[-1e9, -1e9 - 1]], sampled=False).sum() == pytest.approx(1)

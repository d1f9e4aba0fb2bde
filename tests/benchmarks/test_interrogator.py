"""The interrogator benchmark with a tiny network: both ways choose the same, and the figures add up."""

from __future__ import annotations

import pytest
import torch

from benchmarks import interrogator
from benchmarks.plain_interrogator import rank
from tests.models.conftest import hub, hub_pool  # noqa: F401 (fixtures)


@pytest.fixture
def tiny(hub_pool, monkeypatch):  # noqa: F811
    monkeypatch.setattr(interrogator, "CANDIDATES", 12)
    monkeypatch.setattr(interrogator, "STEPS", 4)
    monkeypatch.setattr(interrogator, "RANKED", 9_000)
    monkeypatch.setattr(interrogator, "DIMENSION", 16)
    with hub_pool().use("clip-vit-b-32") as ranker:
        monkeypatch.setattr(interrogator, "random_ranker", lambda device: ranker)
        yield ranker


def test_both_ways_choose_the_same_and_the_figures_add_up(tiny):
    figure = interrogator._chain("cpu")
    assert figure.details["same_phrases"] and figure.details["same_prompt"]
    assert figure.details["times_faster"] == pytest.approx(figure.theirs / figure.ours)
    ranking = interrogator._ranking()
    assert ranking.met and 0.5 < ranking.theirs < ranking.ours <= 1


def test_the_published_shortcut_is_exact_only_for_few_rows():
    vectors = torch.nn.functional.normalize(torch.randn(300, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    true = (vectors @ vectors[0]).topk(100).indices.tolist()
    assert rank(vectors, vectors[0], 100, chunk=300) == true
    assert len(rank(vectors, vectors[0], 100, chunk=100)) == 99  # a third of each of three chunks

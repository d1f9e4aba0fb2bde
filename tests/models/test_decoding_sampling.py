"""Sampling: what the filters keep, how often tokens are drawn, and what a seed decides."""

from __future__ import annotations

import pytest
import torch

from models.decoding.sampling import worth_drawing
from models.families.caption_contract import Decoding
from tests.models.tiny_table import SIZE, Table, search, texts


def test_filters_of_sampling_by_hand():
    chances = torch.tensor([0.1, 0.4, 0.2, 0.3])

    def kept(**how) -> list[int]:
        values, tokens = worth_drawing(chances, Decoding(method="sample", **{"top_p": 1.0, **how}))
        return sorted(tokens[values > 0].tolist())

    assert kept() == [0, 1, 2, 3]
    assert kept(top_k=2) == [1, 3]
    assert kept(top_p=0.39) == [1] and kept(top_p=0.41) == [1, 3] and kept(top_p=0.89) == [1, 2, 3]
    assert kept(min_p=0.6) == [1, 3] and kept(min_p=1.0) == [1]
    assert kept(top_k=2, top_p=0.58) == [1, 3] and kept(top_k=2, top_p=0.56) == [1]  # shares of what is left: 4/7
    assert kept(top_p=0.01) == [1]


@pytest.mark.parametrize("how", [{"top_p": 0.95}, {"top_p": 0.3}, {"min_p": 0.001, "top_p": 1.0}, {"top_k": 900}])
def test_a_large_vocabulary_is_filtered_as_if_it_was_sorted(how):
    chances = (torch.randn(3, 5000, generator=torch.Generator().manual_seed(1)) * 2).softmax(-1)
    decoding = Decoding(method="sample", **{"top_p": 1.0, **how})
    values, tokens = worth_drawing(chances, decoding)
    found = torch.zeros_like(chances).scatter(-1, tokens, values)
    ranked = chances.sort(-1, descending=True)
    kept = ranked.values if not decoding.top_k else ranked.values.clone().index_fill_(
        -1, torch.arange(decoding.top_k, 5000), 0.0
    )  # fmt: skip
    before = kept.cumsum(-1) - kept
    kept = kept * (before < decoding.top_p * kept.sum(-1, keepdim=True)) * (kept >= decoding.min_p * kept[:, :1])
    wanted = torch.zeros_like(chances).scatter(-1, ranked.indices, kept)
    assert (found != wanted).sum() <= 3  # a token at the very edge, by rounding


def test_samples_are_as_frequent_as_they_are_likely():
    table, counts = Table(1, sharp=1.0), torch.zeros(SIZE)
    for seed in range(150):
        for row in texts(search(table, method="sample", count=20, top_p=1.0, seed=seed, max_tokens=1)):
            counts += torch.bincount(torch.tensor(row)[:, 0], minlength=SIZE)
    chances = table.opinions[0, SIZE].exp()
    spread = (chances * (1 - chances) / 3000).sqrt()
    assert ((counts / 3000 - chances).abs() < 4.5 * spread + 1e-3).all()


def test_samples_depend_on_the_seed_alone():
    def sample(pictures: int, **how):
        return texts(search(Table(pictures), method="sample", **{"count": 3, "seed": 5, "max_tokens": 6, **how}))

    assert sample(3)[:2] != sample(3, seed=6)[:2]
    assert sample(3) == sample(3)
    assert len(set(sample(1, temperature=5.0)[0])) == 3
    cold = sample(1, temperature=0.05)[0]
    assert set(cold) == {texts(search(Table(1), method="greedy", max_tokens=6))[0][0]}
    ordered = search(Table(1), method="sample", count=6, max_tokens=6).results[0]
    assert [sum(each.log_probs) for each in ordered] == sorted((sum(e.log_probs) for e in ordered), reverse=True)

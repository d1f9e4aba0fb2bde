from __future__ import annotations

import pytest

from models.families.caption_contract import Decoding
from pipelines.captioning.batches import MOST_CPU, MOST_GPU, batch_size, hypotheses


@pytest.fixture
def gpt2(make_spec):
    return make_spec("gpt2", role="captioner", memory_mb=500)


def test_batches_fit_into_a_part_of_the_memory(gpt2):
    assert batch_size(gpt2, Decoding(beams=5), "cpu", 64_000) == MOST_CPU
    assert batch_size(gpt2, Decoding(beams=5), "cuda:0", 64_000) == MOST_GPU
    assert 1 <= batch_size(gpt2, Decoding(beams=20, count=20), "cpu", 4_000) < MOST_CPU
    assert batch_size(gpt2, Decoding(), "cpu", 0) == 1


def test_more_captions_at_once_mean_fewer_pictures(gpt2):
    sizes = [batch_size(gpt2, Decoding(beams=beams), "cuda:0", 8_000) for beams in (1, 5, 20)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[2]


def test_hypotheses_are_those_of_the_method():
    assert hypotheses(Decoding(method="greedy", beams=5)) == 1
    assert hypotheses(Decoding(method="sample", count=7)) == 7
    assert hypotheses(Decoding(method="diverse", beams=6, groups=3)) == 6
